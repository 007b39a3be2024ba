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
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Attempt, AttemptEnd, Lineage, Progress, Result, RunSpec, Submission, now
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import Member, SweepRecord
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
    obstore.put(record.root, f"old/blobs/{segment.name}", b"FRAME 1\n")
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


def test_name_of_a_run_whose_removal_broke_off_is_not_taken_up_again(place, tmp_path):
    """Its attempts and checkpoints would pass for those of the new run."""
    record = made(place, tmp_path, "old", days=1)
    record.remove(layout.SPEC)
    (tmp_path / "in.x").write_text("units lj\n")
    with pytest.raises(NameTaken, match="broke off") as error:
        place.submit(tmp_path / "in.x", name="old")
    assert "delete old" in error.value.remedy
    housekeeping.delete(place, "old")
    assert not place._record_of("old").has_leftovers()


def test_inputs_of_a_submission_that_crashed_are_in_nobodys_way(place):
    record = place._record_of("old")
    record.put_bytes(b"units lj\n")
    assert not record.has_leftovers()


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--keep", "2"], {"a", "b"}),
        (["--keep", "1", "--older-than", "25d"], {"a"}),
        (["--total", "0B"], {"a", "b", "c", "d"}),
        (["--total", "1TB"], set()),
        (["--keep", "0", "--state", "failed"], set()),
    ],
)
def test_what_is_kept_can_be_said_by_number_and_by_size(place, tmp_path, options, gone):
    for name, days in {"a": 40, "b": 30, "c": 20, "d": 10}.items():
        made(place, tmp_path, name, days=days)
    assert CliRunner().invoke(commands, ["--store", place.store, "prune", "--yes", *options]).exit_code == 0
    assert {run.name for run in place.runs()} == {"a", "b", "c", "d"} - gone


def test_total_size_takes_the_oldest_until_the_rest_fits(place, tmp_path):
    for name, days in {"a": 40, "b": 30, "c": 20}.items():
        made(place, tmp_path, name, days=days)
    most = sum(one.total for one in housekeeping.usage(place)) - 1
    (chosen,) = housekeeping.prunable(place, timedelta(0), ["finished"], most_bytes=most)
    assert chosen.name == "a"


@pytest.mark.parametrize("options", [[], ["--keep", "-1"], ["--total", "5"], ["--total", "many"]])
def test_prune_without_a_sense_is_refused(place, options):
    said = CliRunner().invoke(commands, ["--store", place.store, "prune", "--yes", *options])
    assert said.exit_code == 2


def test_sweep_shows_the_members_that_nobody_deleted(place, tmp_path):
    for name in ("one", "two"):
        made(place, tmp_path, name, days=1)
    SweepRecord(place._root, "both").add([Member(run=name, variables={"T": "1"}) for name in ("one", "two")])
    housekeeping.delete(place, "one")
    sweep = place.find_sweep("both")
    assert [run.name for run in sweep.runs] == ["two"]
    assert set(sweep.thermo().get("run", ())) <= {"two"}
    housekeeping.delete(place, "two")
    assert sweep.runs == []
    assert sweep.thermo().empty


def test_stores_to_copy_to_are_named_as_people_name_them(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(housekeeping, "open_root", lambda url, region: opened.append((url, region)))
    housekeeping.place("s3://other/runs", "eu-central-1")
    housekeeping.place(str(tmp_path), "eu-central-1")
    assert opened == [("s3://other/runs", "eu-central-1"), (str(tmp_path), None)]
