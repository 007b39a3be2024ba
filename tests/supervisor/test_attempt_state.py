"""The attempt as a state machine: every race a list of stimuli and the actions that must come of it. No process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lammps_jobs.errors import EngineDied, Fenced, InternalError, ScriptError, StoreAway, StoreError
from lammps_jobs.protocol import messages
from lammps_jobs.protocol.messages import Cut, Failed, Finished, Moved, Resumed, Started, Stop, TakeCheckpoint
from lammps_jobs.record.documents import Blob, Checkpoint, Decision, Fidelity, ScriptLine
from lammps_jobs.supervisor import attempt_state, stimuli, transitions
from lammps_jobs.supervisor.actions import (
    Action,
    Append,
    Ask,
    Commit,
    CommitResult,
    Decide,
    End,
    FetchOutput,
    Publish,
    StartTry,
)
from lammps_jobs.supervisor.attempt_state import AttemptState, Rules
from lammps_jobs.supervisor.blame import barred, standing
from lammps_jobs.supervisor.stimuli import (
    ActionFailed,
    Committed,
    CutSpoiled,
    Death,
    EngineGone,
    EngineMalformed,
    EngineSaid,
    MachineAtRisk,
    ResultCommitted,
    Stimulus,
    StopAsked,
    Tick,
    TryStarted,
)
from tests.protocol.samples import engine_state

RULES = Rules(run="melt", attempt=2, host="here", every_s=600, grace_s=25)
BLOB = Blob(sha256="0" * 64, size=1)
CRASH = Death(EngineDied("SIGSEGV"), is_doubtful=True)
KILL = Death(EngineDied("SIGKILL"), is_doubtful=False)
SOON = 400


def checkpoint(seq: int, step: int, *, stage: int = 1, boundary: bool = False, **fields) -> Checkpoint:
    given = {"attempt": 1, "restart": {}, "state": BLOB, "outputs": {}, "lammps_version": 20250722, "ranks": 1}
    return Checkpoint(seq=seq, step=step, stage=stage, stage_boundary=boundary, **(given | fields))


def cut(*, stop: bool = False, number: int = 1) -> Cut:
    return Cut(
        number=number, folder=Path("cut"), state=engine_state(), stage=1, boundary=False, stop=stop, outputs=(),
        fidelity=Fidelity(), cut_s=0.1, restart_s=0.1,
    )  # fmt: skip


def moved(step: int, stage: int = 1, *, cuttable: bool = True) -> Moved:
    return Moved(step=step, target=10**9, stage=stage, steps_per_s=10, phase="running", timestep=0.005, units="lj",
                 is_cuttable=cuttable)  # fmt: skip


def failed(cause: str, step: int, text: str = "ERROR: Lost atoms", stage: int = 1) -> Failed:
    return Failed(cause=cause, where=ScriptLine(file="in.melt", line=9, command="run 1"), text=text, stage=stage,
                  step=step)  # type: ignore[arg-type]  # fmt: skip


class Attempt:
    """Feeds stimuli and keeps what came of them."""

    def __init__(self, **given) -> None:
        self.state, self.first = transitions.begin(RULES, 0.0, **given)
        self.at = 0.0
        self.all: list[Action] = list(self.first)

    def __call__(self, stimulus: Stimulus) -> list[Action]:
        self.state, did = transitions.step(self.state, stimulus)
        self.all += did
        return list(did)

    def says(self, report: messages.Report, at: float | None = None) -> list[Action]:
        self.at = self.at if at is None else at
        return self(EngineSaid(self.at, self.state.number, report))

    def goes_on_from(self, origin: Checkpoint | None, at: float = 0.0) -> Attempt:
        self.at = at
        self(TryStarted(at, origin, engine_pid=7))
        self.says(Started(lammps_version=20250722, ranks=1))
        if origin:
            self.says(Resumed(stage=origin.stage, step=origin.step, seen=Fidelity(as_if="never cut")))
        return self

    def dies(self, death: Death, step: int | None = None, stage: int = 1) -> list[Action]:
        if step is not None:
            self.says(moved(step, stage))
        return self(EngineGone(self.at, self.state.number, death))

    def waits(self, seconds: float) -> list[Action]:
        """Ticks, one a second."""
        done: list[Action] = []
        until = self.at + seconds
        while self.at < until:
            self.at = min(until, self.at + 1.0)
            done += self(Tick(self.at))
        return done


def kinds(done: list[Action], *of: type) -> list[Action]:
    return [action for action in done if isinstance(action, of)]


def end_of(done: list[Action]) -> End:
    (end,) = kinds(done, End)
    assert isinstance(end, End)
    return end


def decided(done: list[Action]) -> list[tuple[str, int, int | None]]:
    return [(a.decision.kind, a.decision.stage, a.decision.checkpoint) for a in done if isinstance(a, Decide)]


# -- an attempt that nothing happens to ------------------------------------------------------------------


def test_an_attempt_from_its_start_to_its_end():
    attempt = Attempt()
    assert attempt.first == (StartTry(1, frozenset(), frozenset(), with_memory=True),)
    attempt.goes_on_from(None)
    (commit,) = kinds(attempt.says(cut()), Commit)
    done = attempt(Committed(5.0, cut(), checkpoint(1, 100), 0.3))
    assert kinds(done, Ask) == [Ask(messages.Uploaded(number=1))]
    (result,) = kinds(attempt.says(Finished(step=500, outputs=())), CommitResult)
    assert result.lineage.parent == 1
    assert commit.lineage.parent is None
    assert end_of(attempt(ResultCommitted(9.0))).outcome == "finished"
    assert attempt(Tick(1e9)) == []  # it is over


def test_a_checkpoint_is_asked_for_when_it_is_due_and_only_once():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(10), at=599)
    assert attempt.waits(0.5) == []
    attempt.says(moved(11), at=601)
    assert attempt.waits(1) == [Ask(TakeCheckpoint(within_s=300))]
    assert attempt.waits(1) == []
    attempt.says(cut(), at=620)
    assert attempt.waits(100) == []
    assert kinds(attempt.all, Ask) == [Ask(TakeCheckpoint(within_s=300))]


def test_a_file_is_fetched_before_the_engine_hears_so():
    attempt = Attempt().goes_on_from(None)
    done = attempt.says(messages.Fetch(name="data.x", target=Path("work/data.x")))
    assert done == [FetchOutput("data.x", Path("work/data.x")), Ask(messages.Fetched(name="data.x"))]


# -- signals at any moment -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", ["before the engine", "before it listens", "running", "cut asked for", "cut on its way"]
)
def test_a_signal_at_any_moment_ends_the_attempt_in_time(when):
    attempt = Attempt()
    if when != "before the engine":
        attempt(TryStarted(0.0, None, engine_pid=7))
    if when in ("running", "cut asked for", "cut on its way"):
        attempt.says(Started(lammps_version=1, ranks=1))
        attempt.says(moved(1))
    if when == "cut asked for":
        attempt(MachineAtRisk(0.0))
    if when == "cut on its way":
        attempt.says(cut())
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    if when == "before it listens":
        (asked,) = kinds(attempt.says(Started(lammps_version=1, ranks=1), at=1.0), Ask)
        assert asked == Ask(Stop(within_s=15.0))
    if when == "cut on its way":  # that checkpoint is no answer to the stop
        assert not kinds(attempt(Committed(1.0, cut(), checkpoint(1, 5), 0.1)), End)
    if when in ("running", "cut asked for", "cut on its way"):
        assert Ask(Stop(within_s=12.0)) in attempt.all
    assert not kinds(attempt(Tick(15.9)), End)
    end = end_of(attempt(Tick(16.1)))
    assert (end.outcome, end.exit_code, end.gently) == ("interrupted", 75, False)


def test_a_signal_during_a_long_upload_leaves_the_engine_what_is_left_of_the_grace():
    attempt = Attempt().goes_on_from(None)
    attempt.says(cut())
    attempt(Committed(8.0, cut(), checkpoint(1, 5), 7.0))
    assert kinds(attempt(StopAsked(3.0, "SIGTERM", 20.0)), Ask) == [Ask(Stop(within_s=7.0))]
    assert not kinds(attempt(Tick(18.9)), End)
    assert end_of(attempt(Tick(19.1))).outcome == "interrupted"


def test_the_checkpoint_that_a_signal_asked_for_ends_the_attempt():
    attempt = Attempt().goes_on_from(None)
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    attempt.says(cut(stop=True))
    end = end_of(attempt(Committed(3.0, cut(stop=True), checkpoint(4, 70), 0.1)))
    assert (end.outcome, end.reason) == ("interrupted", "SIGTERM: checkpoint 4 at step 70 is committed")
    assert end.lineage.parent == 4


def test_a_second_signal_and_a_recommendation_to_leave_change_nothing():
    attempt = Attempt().goes_on_from(None)
    attempt(StopAsked(0.0, "Spot notice", 120.0))
    assert attempt(StopAsked(1.0, "SIGTERM", 25.0)) == []
    assert attempt(MachineAtRisk(2.0)) == []


def test_a_stop_whose_upload_is_spoiled_ends_interrupted_with_the_checkpoint_before():
    attempt = Attempt().goes_on_from(checkpoint(3, 50))
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    done = attempt(CutSpoiled(1.0, cut(stop=True), "a file grew shorter"))
    assert end_of(done).lineage.parent == 3


def test_time_limit_stops_in_time():
    attempt = Attempt()
    attempt.state = replace(attempt.state, rules=replace(RULES, time_limit_s=100))
    attempt.goes_on_from(None)
    attempt.says(moved(1), at=70)
    assert attempt.waits(1) == []
    attempt.says(moved(2), at=76)
    assert kinds(attempt.waits(1), Ask) == [Ask(Stop(within_s=15.0))]
    assert kinds(attempt.waits(1), Ask) == []


def test_a_stop_in_the_pause_between_two_tries_ends_at_once():
    attempt = Attempt().goes_on_from(checkpoint(1, 100, boundary=True))
    for _ in range(3):
        attempt.dies(CRASH, 110)
        if attempt.state.start_at is None:
            attempt.goes_on_from(checkpoint(1, 100, boundary=True))
    assert attempt.state.start_at is not None
    attempt(StopAsked(attempt.at, "SIGTERM", 25))
    assert end_of(attempt.waits(0.1)).outcome == "interrupted"


# -- engines that were given up, silence, nonsense -------------------------------------------------------


def test_what_an_engine_still_says_that_was_given_up_is_passed_over():
    attempt = Attempt().goes_on_from(checkpoint(1, 100))
    old = attempt.state.number
    attempt.dies(CRASH, 150)
    assert attempt.state.number == old + 1
    for late in (EngineSaid(0.0, old, cut()), EngineGone(0.0, old, KILL), EngineMalformed(0.0, old, "?")):
        assert attempt(late) == []


def test_nonsense_from_the_engine_ends_the_attempt_as_our_fault_and_brands_nothing():
    attempt = Attempt().goes_on_from(checkpoint(1, 100))
    end = end_of(attempt(EngineMalformed(0.0, 1, "cut.step: missing")))
    assert (end.outcome, end.error, end.exit_code) == ("failed", "InternalError", InternalError.exit_code)
    assert decided(attempt.all) == []


def test_an_engine_that_never_opens_lammps_is_given_up():
    attempt = Attempt()
    attempt(TryStarted(0.0, None, engine_pid=7))
    assert not kinds(attempt.waits(attempt_state.CONNECT_S - 1), End)
    assert "not open" in end_of(attempt.waits(2)).reason


def test_an_engine_without_a_sign_of_life_is_given_up():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(5, cuttable=False), at=10)
    assert not kinds(attempt.waits(attempt_state.SILENT_S - 1), End)
    assert "no sign of life" in end_of(attempt.waits(2)).reason


def test_a_supervisor_that_stood_still_itself_takes_no_engine_for_hung():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(5), at=10)
    assert attempt(Tick(10 + 10 * attempt_state.SILENT_S)) != []  # a checkpoint is due, and asked for
    assert not attempt.state.is_over


def test_a_run_that_stands_still_is_given_up_only_where_a_checkpoint_could_be_expected():
    for cuttable in (True, False):
        attempt = Attempt().goes_on_from(None)
        for at in range(0, 4000, 5):  # signs of life come, timesteps do not
            attempt.says(moved(5, cuttable=cuttable), at=at)
            attempt.waits(0.2)
        assert attempt.state.is_over is cuttable


# -- blame -----------------------------------------------------------------------------------------------


def test_one_crash_soon_after_a_cut_costs_one_try_and_no_checkpoint():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    done = attempt.dies(CRASH, 1402 + SOON)
    assert kinds(done, StartTry) == [StartTry(2, frozenset(), frozenset(), with_memory=True)]
    assert decided(attempt.all) == []
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(5000))
    assert attempt.state.suspicion is None


def test_memory_that_cannot_be_given_back_is_left_out_and_nothing_is_blamed():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    done = attempt.says(failed("memory", 1402))
    assert kinds(done, StartTry) == [StartTry(2, frozenset(), frozenset(), with_memory=False)]
    assert [action.event.kind for action in kinds(done, Append)] == ["warning"]
    assert decided(attempt.all) == []


def test_the_second_crash_at_the_same_place_leaves_the_memory_out_and_the_third_blames_the_cut():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    assert [start.with_memory for start in kinds(attempt.waits(1.0), StartTry)] == [False]
    assert decided(attempt.all) == []
    attempt.goes_on_from(checkpoint(9, 1402))
    done = attempt.dies(CRASH, 1402 + SOON)
    assert decided(done) == [("no checkpoints", 1, None)]
    assert done.index(kinds(done, Decide)[0]) < len(done) - 1  # written before anybody acts on it
    assert attempt.state.barred.stages == {1}


def test_the_third_crash_at_a_boundary_bars_that_checkpoint_alone():
    attempt = Attempt()
    for _ in range(2):
        attempt.goes_on_from(checkpoint(3, 1000, stage=2, boundary=True))
        attempt.dies(CRASH, 1100, stage=2)
    attempt.goes_on_from(checkpoint(3, 1000, stage=2, boundary=True))
    done = attempt.dies(CRASH, 1100, stage=2)
    assert decided(done) == [("do not resume", 2, 3)]
    assert (attempt.state.barred.stages, attempt.state.barred.checkpoints) == (frozenset(), {3})


def test_crashes_at_different_places_are_each_tried_again():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(50_000))
    attempt(Committed(0.0, cut(), checkpoint(10, 50_000), 0.1))
    assert kinds(attempt.dies(CRASH, 50_100), StartTry)
    assert decided(attempt.all) == []


@pytest.mark.parametrize("death", [KILL, Death(ScriptError("ERROR: No space left on device"), is_doubtful=False)])
def test_a_kill_and_a_full_disk_are_no_cuts_fault(death):
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt.dies(death, 1500)).outcome == "failed"
    assert decided(attempt.all) == []


def test_lammps_words_about_a_full_disk_are_believed_at_once():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    end = end_of(attempt.says(failed("script", 1500, "ERROR: Failed to write dump file: No space left on device")))
    assert end.error == "ScriptError"


def test_a_failure_of_our_own_program_is_loud_and_brands_nothing():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    end = end_of(attempt.says(failed("internal", 1403, "KeyError: 'is_sorted'")))
    assert (end.error, end.exit_code) == ("InternalError", 18)
    assert decided(attempt.all) == []
    assert not kinds(attempt.all[1:], StartTry)


def test_a_failure_far_from_any_cut_is_believed():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt.says(failed("script", 90_000))).error == "ScriptError"


def test_state_that_was_not_taken_up_again_needs_no_second_proof():
    attempt = Attempt()
    attempt(TryStarted(0.0, checkpoint(9, 1402), engine_pid=7))
    done = attempt.says(failed("resume", 1402, "fix 1 (rigid) was not taken up"))
    assert decided(done) == [("no checkpoints", 1, None)]


def test_tries_are_bounded_and_back_off():
    attempt = Attempt()
    pauses = []
    for seq in range(40, 0, -1):
        if attempt.state.is_over:
            break
        if attempt.state.start_at is not None:
            pauses.append(attempt.state.start_at - attempt.at)
            assert attempt.waits(pauses[-1] / 2) == []
            assert kinds(attempt.waits(pauses[-1]), StartTry)
        attempt.goes_on_from(checkpoint(seq, 100, boundary=True), at=attempt.at)
        attempt.dies(CRASH, 100)
    assert attempt.state.is_over
    assert "without coming to a checkpoint" in end_of(attempt.all).reason
    assert pauses == sorted(pauses)
    assert len(kinds(attempt.all, StartTry)) == attempt_state.MOST_TRIES


def test_an_attempt_that_cannot_write_its_decision_ends():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt(ActionFailed(0.0, StoreError("read-only")))).exit_code == 7


def test_store_that_does_not_answer_ends_an_attempt_with_the_code_that_is_tried_again():
    end = end_of(Attempt().goes_on_from(None)(ActionFailed(0.0, StoreAway("connection refused"))))
    assert (end.outcome, end.exit_code) == ("interrupted", 75)


def test_an_overtaken_attempt_ends_as_fenced():
    attempt = Attempt().goes_on_from(None)
    assert end_of(attempt(ActionFailed(0.0, Fenced("Attempt 3 has taken over")))).outcome == "fenced"


# -- decisions of earlier attempts -----------------------------------------------------------------------


def decision(
    number: int, attempt: int, kind: str = "no checkpoints", stage: int = 1, seq: int | None = None
) -> Decision:
    return Decision(number=number, attempt=attempt, kind=kind, stage=stage, step=1500, checkpoint=seq, why="x")  # type: ignore[arg-type]


def test_what_one_attempt_blamed_a_later_one_tries_again_and_forgives_when_it_gets_past():
    past = [decision(1, attempt=1)]
    assert barred(past).stages == frozenset()
    attempt = Attempt(on_probation=standing(past)).goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(2000))
    assert decided(attempt.all) == []
    attempt.says(moved(2501))
    assert decided(attempt.all) == [("forgiven", 1, None)]
    attempt.says(moved(2502))
    assert len(decided(attempt.all)) == 1


def test_what_two_attempts_blamed_stays():
    past = [decision(1, attempt=1), decision(2, attempt=2)]
    assert barred(past).stages == {1}
    assert barred([decision(1, 1, "do not resume", 2, 7), decision(2, 3, "do not resume", 2, 7)]).checkpoints == {7}
    assert barred([*past, decision(3, attempt=3, kind="forgiven")]).stages == frozenset()
    assert standing([*past, decision(3, attempt=3, kind="forgiven", stage=2)]) == tuple(past)


def test_on_probation_one_failure_is_proof():
    attempt = Attempt(on_probation=(decision(1, attempt=1),)).goes_on_from(checkpoint(9, 1402))
    assert decided(attempt.dies(CRASH, 1500)) == [("no checkpoints", 1, None)]


# -- lineage ---------------------------------------------------------------------------------------------


def test_lineage_is_the_weakest_of_all_resumes_and_says_where_they_were():
    weak = Fidelity(grade="statistical", reasons=("fix bath (langevin)",))
    origin = checkpoint(3, 300, fidelity=Fidelity(as_if="never cut"), fidelity_so_far=weak, resumed_at=((1, 100),))
    attempt = Attempt().goes_on_from(origin)
    (commit,) = kinds(attempt.says(cut()), Commit)
    assert commit.lineage.resumed_at == ((1, 100), (1, 300))
    assert commit.lineage.fidelity_so_far.grade == "statistical"
    assert commit.lineage.parent == 3


def test_other_ranks_and_another_lammps_make_a_resume_faithful_and_are_named():
    origin = checkpoint(3, 300, ranks=2, lammps_version=20240829, fidelity=Fidelity(as_if="never cut"))
    here = transitions.fidelity_here(origin, Fidelity(as_if="never cut"), 20250722, 1)
    assert here.grade == "faithful"
    assert len(here.reasons) == 2


def test_a_try_that_has_not_resumed_yet_has_its_origins_past():
    attempt = Attempt()
    attempt(TryStarted(0.0, checkpoint(3, 300), engine_pid=7))
    end = end_of(attempt(EngineGone(0.0, 1, KILL)))
    assert (end.lineage.parent, end.lineage.resumed_at) == (3, ())


def test_every_action_is_exercised_here():
    """A reminder for whoever adds one."""
    assert {Append, Ask, Commit, CommitResult, Decide, End, FetchOutput, Publish, StartTry} == set(
        Action.__args__  # type: ignore[attr-defined]
    )
    assert isinstance(Attempt().state, AttemptState)
    assert {s.__name__ for s in Stimulus.__args__} == {  # type: ignore[attr-defined]
        name for name, kind in vars(stimuli).items() if isinstance(kind, type) and hasattr(kind, "at") is False
        and kind.__module__ == stimuli.__name__ and name != "Death"
    }  # fmt: skip
