"""Decisions hang on documents, not on events; one crash costs one try; other formats brand nothing. Real LAMMPS."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from lammps_jobs import Checkpoints, CutPlan, Run
from lammps_jobs.protocol.engine_state import STATE_FORMAT
from lammps_jobs.record.documents import Blob
from tests.conftest import START, THREADED, assert_same, outputs, script_of
from tests.waiting import ended, finish, scaled, wait_for_checkpoint, wait_for_progress, wait_until

STOP_AT_500 = CutPlan(cut_at=((1, 250), (1, 500)), then="stop")
OFTEN = Checkpoints(every_s=0.3)


def folder_of(run: Run, tmp_path: Path) -> Path:
    return tmp_path / "store" / run.name


def test_losing_every_event_changes_no_grade(cluster, script, tmp_path):
    run = finish(cluster.submit(script(THREADED + script_of("langevin")), cut_plan=STOP_AT_500))
    before = run.status.fidelity
    assert before.grade == "statistical"
    for events in folder_of(run, tmp_path).glob("attempts/*/events"):
        shutil.rmtree(events)
    again = cluster.run(run.name)
    assert again.events == []
    assert again.status.fidelity == before


def test_a_run_whose_events_cannot_be_written_resumes_and_keeps_its_grade(cluster, script, tmp_path):
    path = script(THREADED + script_of("langevin"))
    run = cluster.submit(path, cut_plan=STOP_AT_500)
    for attempt in (1, 2, 3):
        folder = folder_of(run, tmp_path) / "attempts" / f"{attempt:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        events = folder / "events"
        if events.exists():
            events.rename(folder / "events as they were")
        events.write_text("in the way")
    finish(run)
    result = run.record.result()
    assert result is not None
    assert result.fidelity_so_far.grade == "statistical"
    assert result.resumed_at == ((1, 250), (1, 500))


def test_a_crash_soon_after_a_cut_costs_one_try_and_no_checkpoint(cluster, script, tmp_path):
    slow = script_of("nve", 3000).replace(
        "0 4 0 4 0 4", "0 7 0 7 0 7"
    )  # a crash a thousand steps later is no cut's fault
    path = script(slow)
    run = cluster.submit(path, checkpoints=OFTEN)
    wait_for_checkpoint(run)
    os.kill(run.progress.engine_pid, signal.SIGSEGV)
    wait_until(lambda: any(event.kind == "resumed" for event in run.events), run, "attempt 2 to have resumed")
    assert finish(run).status.attempt == 1
    assert run.record.decisions() == []
    assert any("is started again" in event.text for event in run.events if event.kind == "warning")
    assert run.status.checkpoint_step > 0
    plan = CutPlan(cut_at=run.resumed_at, then="set up again")
    kept = finish(cluster.submit(path, name="kept", checkpoints=Checkpoints(every_s=1e9), cut_plan=plan))
    assert_same(outputs(run, tmp_path / "ours"), outputs(kept, tmp_path / "kept"))


@pytest.mark.parametrize("found", [STATE_FORMAT - 1, STATE_FORMAT + 1])
def test_an_engine_state_of_another_format_is_passed_over_named_and_brands_nothing(stopped, tmp_path, found):
    run = stopped
    rewrite_state(run, 2, tmp_path, format=found)
    run.resume()
    finish(run)
    damaged = [event.text for event in run.events if event.kind == "damaged"]
    assert any("another version" in text and f"format {found}" in text for text in damaged), damaged
    assert run.record.decisions() == []
    assert run.record.result().resumed_at[-1] == (1, 250)


def rewrite_state(run: Run, seq: int, tmp_path: Path, **changes: object) -> None:
    """Store another engine state with checkpoint `seq`, as another version would have."""
    folder = folder_of(run, tmp_path)
    manifest = folder / "checkpoints" / f"{seq:06d}.json"
    document = json.loads(manifest.read_text())
    stored = Blob(**document["state"])
    state = json.loads((folder / "blobs" / stored.name).read_text()) | changes
    content = json.dumps(state).encode()
    name = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / name).write_bytes(content)
    document["state"] = {"sha256": name, "size": len(content)}
    manifest.write_text(json.dumps(document))


def test_a_failure_of_our_own_program_is_loud_and_leaves_the_checkpoint_as_it_was(stopped, tmp_path):
    """A state of the right format that no engine can go on from: a journal entry without words."""
    run = stopped
    state = {"entries": [{"command": "fix", "key": "x", "text": "fix x", "words": [], "nexts": 0, "used": True,
                          "folder": ".", "sources": {}}],
             "unknown": [], "balanced": False, "sort": {"every": 0, "bin": "0.0"}}  # fmt: skip
    rewrite_state(run, 2, tmp_path, journal=state)
    run.resume()
    status = ended(run)
    assert (status.state, status.exit_code) == ("failed", 18), status
    assert "report" in status.remedy
    assert run.record.decisions() == []
    assert run.record.checkpoint_seqs() == [1, 2]


@pytest.mark.parametrize("ranks", [1, 2])
def test_engines_end_when_their_supervisor_is_killed(cluster, script, ranks):
    from lammps_jobs import Resources

    run = cluster.submit(script(script_of("nve", 2_000_000)), resources=Resources(ranks=ranks))
    wait_for_progress(run)
    supervisor = psutil.Process(run.record.attempts()[-1].supervisor_pid)
    engines = supervisor.children(recursive=True)
    assert len(engines) >= ranks
    supervisor.kill()
    _, left = psutil.wait_procs(engines, timeout=scaled(20))
    for process in left:
        process.kill()
    assert not left


FAILS_AT_60 = f"""{START}
fix             integrate all nve
variable        now equal step
thermo          10
fix             end all halt 1 v_now > 60 error hard
run             1000
"""
CUT_AT_50 = CutPlan(cut_at=((1, 50),), then="go on")


def test_a_script_that_really_fails_soon_after_a_cut_is_believed_without_one(cluster, script):
    run = cluster.submit(script(FAILS_AT_60), cut_plan=CUT_AT_50)
    state = ended(run)
    assert (state.state, state.exit_code) == ("failed", 3), state
    assert "halt" in state.reason
    assert [(d.kind, d.stage) for d in run.record.decisions()] == [("no checkpoints", 1)]
    assert sum(event.kind == "started" for event in run.events) == 4  # the third without its memory


def test_nobody_acts_on_a_decision_that_could_not_be_written(cluster, script, tmp_path):
    path = script(FAILS_AT_60)
    run = cluster.submit(path, name="test", cut_plan=CUT_AT_50)
    (tmp_path / "store" / "test" / "decisions").write_text("in the way")
    state = ended(run)
    assert (state.state, state.exit_code) == ("failed", 7), state
    assert sum(event.kind == "started" for event in run.events) == 3
    assert "ERROR: Fix halt" in run.raw_log(), "a fourth engine was started, and took the place of the third's logs"
