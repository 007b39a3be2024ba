"""Removing, measuring, checking and moving runs: nothing that runs is touched, nothing is half removed for good."""

from __future__ import annotations

from datetime import timedelta

import obstore
import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs.api import housekeeping
from lammps_jobs.cli import commands
from lammps_jobs.errors import Damaged, NameTaken, NoSuchRun, WrongState
from lammps_jobs.record.documents import Attempt, AttemptEnd, Lineage, Progress, Result, RunSpec, Submission, now
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.recorder import Recorder
from tests.record.test_run_record import commit


@pytest.fixture
def place(tmp_path):
    return lammps_jobs.connect(store=tmp_path / "store")


def made(place, tmp_path, name: str, *, days: int | None) -> RunRecord:
    """A run that finished so many days ago; None: that runs elsewhere."""
    record = place._record_of(name)
    record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={"in.x": record.put_bytes(b"units lj\n")})))
    record.claim(Attempt(number=1, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch=""))
    checkpoint = commit(Recorder(record, 1, None, keep=2), tmp_path / name, 1)
    if days is None:
        record.publish_progress(Progress(attempt=1, step=1, target=2, stage=1))
        return record
    at = now() - timedelta(days=days)
    record.finish(Result(**Lineage().model_dump(), attempt=1, step=1, outputs=checkpoint.outputs, finished=at))
    record.end(AttemptEnd(number=1, outcome="finished", ended=at))
    return record


def test_prune_removes_what_ended_long_ago_and_nothing_else(place, tmp_path):
    for name, days in {"old": 40, "new": 2, "running": None}.items():
        made(place, tmp_path, name, days=days)
    ask = ["--store", place.store, "prune", "--older-than", "30d", "--yes"]
    said = CliRunner().invoke(commands, [*ask, "--dry-run"])
    assert "1 runs" in said.output
    assert len(place.runs()) == 3
    assert CliRunner().invoke(commands, ask).exit_code == 0
    assert {run.name for run in place.runs()} == {"new", "running"}
    with pytest.raises(WrongState):
        housekeeping.delete(place, "running")


def test_removal_that_broke_off_is_finished_by_the_next(place, tmp_path, monkeypatch):
    made(place, tmp_path, "old", days=1)
    removed, remove = [], RunRecord.remove

    def breaks_off(self, tail):
        removed.append(tail)
        if len(removed) > 2:
            raise KeyboardInterrupt
        remove(self, tail)

    with monkeypatch.context() as bad:
        bad.setattr(RunRecord, "remove", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            housekeeping.delete(place, "old")
    with pytest.raises(NoSuchRun):
        place.run("old")
    assert housekeeping.delete(place, "old") > 0
    assert not place._record_of("old").sizes()
    with pytest.raises(NoSuchRun):
        housekeeping.delete(place, "old")


def test_usage_counts_every_byte_once(place, tmp_path):
    record = made(place, tmp_path, "old", days=1)
    record.put_bytes(b"nobody names this")
    (found,) = housekeeping.usage(place)
    assert (found.outputs, found.inputs, found.unnamed) == (len("frame 1\n"), len("units lj\n"), 17)
    assert found.total == sum(path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_verify_names_what_is_damaged_and_collect_removes_what_nothing_names(place, tmp_path):
    record = made(place, tmp_path, "old", days=1)
    run = place.run("old")
    record.put_bytes(b"nobody names this")
    assert housekeeping.verify(run).faults == ()
    assert housekeeping.collect(run) == 17
    assert housekeeping.verify(run).faults == ()
    segment = record.result().outputs["out"].segments[0]
    obstore.put(record.root, f"old/blobs/{segment.sha256}", b"FRAME 1\n")
    said = CliRunner().invoke(commands, ["--store", place.store, "verify", "old"])
    assert said.exit_code == Damaged.exit_code
    assert "output out" in said.output


def test_exported_run_is_the_same_run(place, tmp_path):
    record = made(place, tmp_path, "old", days=1)
    there = tmp_path / "there"
    assert CliRunner().invoke(commands, ["--store", place.store, "export", "old", str(there)]).exit_code == 0
    copied = lammps_jobs.connect(store=there)
    assert copied.run("old").status == place.run("old").status
    assert copied._record_of("old").sizes() == record.sizes()
    with pytest.raises(NameTaken):
        housekeeping.transfer(place.run("old"), str(there))
    housekeeping.delete(place, "old")
    said = CliRunner().invoke(commands, ["--store", place.store, "import", "old", str(there)])
    assert (said.exit_code, place.run("old").status.state) == (0, "finished")
