"""The engine's process as its supervisor sees it: the supervisor's end is the test."""

from __future__ import annotations

import re

import pytest

from lammps_jobs.protocol.messages import (
    Cut,
    Failed,
    Finished,
    Gained,
    Moved,
    Restore,
    Resumed,
    StageBegan,
    Started,
    Stop,
    TakeCheckpoint,
)
from lammps_jobs.record.documents import CutPlan, Fidelity
from tests.conftest import START
from tests.engine.hand_made import Supervised, job_in, supervised

pytestmark = pytest.mark.engine

LONG = f"{START}\nfix 1 all nve\nthermo 100\nrun 100000000\n"


def hear_step(ours: Supervised) -> Moved:
    """The first report of a run that is on its way."""
    while not (moved := ours.hear(Moved)).step:
        pass
    return moved


def test_order_that_is_none_makes_the_engine_fail_loudly(tmp_path):
    with supervised(job_in(tmp_path, LONG)) as ours:
        hear_step(ours)
        ours.connection.sendall(b'{"kind": "stop", "within_s": "soon"}\n')
        failed = ours.hear(Failed)
        assert failed.cause == "internal"
        assert "MalformedOrder: stop.within_s" in failed.text
        assert "Traceback" in failed.traceback or "MalformedOrder" in failed.traceback


@pytest.mark.parametrize(("line", "cause", "text"), [
    ("nonsense 1 2", "script", "ERROR: Unknown command: nonsense 1 2"),
    ("fix 2 all nosuchfix", "script", "nosuchfix"),
    ("quit 4", "script", "The script ended itself with: quit 4"),
    ("quit four", "script", "Expected integer parameter instead of 'four'"),
    ("jump nowhere", "script", "Cannot open input script nowhere"),
    ("include", "script", "Illegal include command"),
    ("log", "script", "Illegal log command"),
    ("run inf", "script", "ERROR"),
    ("print 'a", "script", "Unmatched single quote"),
])  # fmt: skip
def test_fault_of_the_script_is_reported_as_such_with_its_place(tmp_path, line, cause, text):
    with supervised(job_in(tmp_path, f"{START}\n{line}\n")) as ours:
        failed = ours.hear(Failed)
        assert failed.cause == cause
        assert text in failed.text
        assert failed.where.command == line
        assert failed.traceback == ""


def test_checkpoint_that_cannot_be_read_is_our_fault_not_the_script_s(tmp_path):
    (tmp_path / "state").write_text('{"format": 5}')
    gone = Restore(
        restart=tmp_path / "restart", state=tmp_path / "state", outputs=(), executables=(), headed=(), with_memory=True
    )
    with supervised(job_in(tmp_path, LONG, restore=gone)) as ours:
        failed = ours.hear(Failed)
        assert failed.cause == "internal"
        assert "Traceback" in failed.traceback


NOT_PROVEN = {
    "without": "not proven: LAMMPS failed when its memory had been given back, and has set itself up without",
    "torn": "not proven: the memory in the checkpoint is torn",
    "gone": "not proven: the number of ranks is another one",
}


@pytest.mark.parametrize("fault", NOT_PROVEN)
def test_checkpoint_whose_memory_is_of_no_use_is_gone_on_from_and_no_exact_one(tmp_path, fault):
    with supervised(job_in(tmp_path / "first", LONG)) as ours:
        hear_step(ours)
        ours.channel.send(Stop(within_s=5.0))
        cut = ours.hear(Cut)
    state, memory = cut.folder / "state", cut.folder / "memory.0"
    state.write_bytes(cut.state.model_dump_json().encode())
    if fault == "torn":
        memory.write_bytes(memory.read_bytes()[:1000])
    elif fault == "gone":
        memory.unlink()
    restored = Restore(
        restart=cut.folder / "restart", state=state, outputs=(), executables=(), headed=(),
        with_memory=fault != "without",
    )  # fmt: skip
    with supervised(job_in(tmp_path / "second", LONG, restore=restored)) as ours:
        seen = ours.hear(Resumed).seen
        assert (seen.grade, seen.reasons) == ("faithful", (NOT_PROVEN[fault],))
        assert hear_step(ours).step >= cut.state.step


@pytest.mark.parametrize("ranks", [1, 2])
def test_checkpoint_is_taken_when_asked_for_and_a_new_engine_goes_on_from_it(tmp_path, ranks):
    job = job_in(tmp_path / "first", LONG, ranks=ranks)
    with supervised(job) as ours:
        assert ours.hear(Started).ranks == ranks
        assert hear_step(ours).is_cuttable
        ours.channel.send(TakeCheckpoint(within_s=5.0))
        first = ours.hear(Cut)
        assert not first.stop
        assert {change.name for change in first.outputs} >= {"log.lammps"}
        before = ours.hear(Moved).step
        ours.channel.send(Stop(within_s=5.0))
        cut = ours.hear(Cut)
        assert cut.stop
        assert cut.state.step >= before
    restart = cut.folder / ("restart" if ranks == 1 else "restart.%")
    state = cut.folder / "state"
    state.write_bytes(cut.state.model_dump_json().encode())
    restored = Restore(
        restart=restart, state=state, outputs=("log.lammps",), executables=(), headed=(), with_memory=True
    )
    with supervised(job_in(tmp_path / "second", LONG, ranks=ranks, restore=restored)) as ours:
        assert ours.hear(Resumed) == Resumed(stage=1, step=cut.state.step, seen=Fidelity(as_if="never cut"))
        assert hear_step(ours).step >= cut.state.step


def test_rehearsed_cuts_bear_the_state_of_their_steps_and_the_run_goes_on(tmp_path):
    plan = CutPlan(cut_at=((1, 130), (1, 400), (2, 500)))
    script = f"{START}\nfix 1 all nve\nthermo 100\nrun 500\nrun 200\n"
    with supervised(job_in(tmp_path, script, cut_plan=plan, is_rehearsed=True)) as ours:
        cuts = [ours.hear(Cut) for _ in plan.cut_at]
        assert [(cut.stage, cut.state.step, cut.boundary) for cut in cuts] == [
            (1, 130, False), (1, 400, False), (2, 500, True)
        ]  # fmt: skip
        assert [cut.number for cut in cuts] == [1, 2, 3]
        assert cuts[2].fidelity.as_if == "never cut"
        finished = ours.hear(Finished)
        assert finished.step == 700
        assert ".final.state" in {change.name for change in finished.outputs}
    log = (tmp_path / "work" / "log.lammps").read_text()
    rows = [int(step) for step in re.findall(r"^ +(\d+) +\S+ +\S+ +\S+ +\S+ +\S+ *$", log, re.MULTILINE)]
    assert rows == [0, 100, 200, 300, 400, 500, 500, 600, 700]


def test_stage_without_checkpoints_is_run_in_one_piece_and_says_why(tmp_path):
    plan = CutPlan(at=(0.5,))
    script = f"{START}\nfix 1 all nve\nthermo 100\nrun 300\nrun 400\n"
    job = job_in(tmp_path, script, cut_plan=plan, no_checkpoint_stages=(1,), is_rehearsed=True)
    with supervised(job) as ours:
        assert ours.hear(StageBegan).refused == ("a cut inside this stage made LAMMPS fail before",)
        assert ours.hear(StageBegan).refused == ()
        assert ours.hear(Cut).stage == 2
        ours.hear(Finished)


def test_signs_of_life_come_while_no_run_goes_on(tmp_path):
    with supervised(job_in(tmp_path, f"{START}\nfix 1 all nve\nshell sleep 8\nrun 10\n")) as ours:
        ours.hear(Started)
        alive = ours.hear(Moved)
        assert (alive.step, alive.phase, alive.is_cuttable) == (0, "starting", False)
        assert ours.hear(Moved, within_s=8.0).phase == "starting"
        ours.hear(Finished)


def test_input_that_is_gained_by_an_output_is_recorded_once(tmp_path):
    with supervised(job_in(tmp_path, f"{START}\nprint 'a' file a.txt\nprint 'b' append a.txt\n")) as ours:
        gained = {change.name: change for change in ours.hear(Finished).outputs if isinstance(change, Gained)}
    assert gained["a.txt"].source.read_text() == "a\nb\n"
    assert "in.test" not in gained
