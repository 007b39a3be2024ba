"""Inputs that runs of sweeps share: counted, kept as long as anything names them, removed with the last that does."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs import Cluster, WrongState
from lammps_jobs.api import housekeeping
from lammps_jobs.cli import commands
from lammps_jobs.record import layout, shared_inputs
from lammps_jobs.record.blobs import STORED_AGAIN, share
from lammps_jobs.record.documents import Attempt, AttemptEnd, Blob, Result, RunSpec, Submission
from lammps_jobs.record.rename import rename
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import Member, SweepRecord


@pytest.fixture
def place(tmp_path) -> Cluster:
    return lammps_jobs.connect(store=tmp_path / "store")


def shared(place: Cluster, text: str, *, days: float = 2.0) -> Blob:
    """An input of a sweep that was stored so long ago."""
    source = Path(place.store).parent / "in.x"
    source.write_text(text)
    blob = share(place._root, source)
    old = time.time() - 86400 * days
    os.utime(Path(place.store) / layout.shared_input(blob.name), (old, old))
    return blob


def swept(place: Cluster, name: str, *blobs: Blob, runs: int = 2) -> list[RunRecord]:
    """A sweep on this machine, whose runs have finished."""
    records = [RunRecord(place._root, f"{name}-{at}") for at in range(runs)]
    for record in records:
        spec = RunSpec(name=record.name, script="in.x", inputs={f"in.{at}": blob for at, blob in enumerate(blobs)})
        record.submit(Submission(spec=spec))
        record.claim(Attempt(number=1, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch=""))
        record.finish(Result(attempt=1, step=0, outputs={}))
        record.end(AttemptEnd(number=1, outcome="finished"))
    SweepRecord(place._root, name).add([Member(run=one.name, variables={"T": one.name}) for one in records])
    return records


def there(place: Cluster) -> set[str]:
    return set(shared_inputs.stored(place._root))


def say(place: Cluster, *words: str) -> dict:
    done = CliRunner().invoke(commands, ["--store", place.store, "--json", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_input_goes_with_the_last_run_that_names_it(place):
    both, one = shared(place, "units lj\n"), shared(place, "units real\n")
    swept(place, "a", both, one)
    swept(place, "b", both, runs=1)
    assert say(place, "du")["shared_inputs"] == both.size + one.size
    assert say(place, "delete", "a-0", "--yes")["freed"] > 0
    assert there(place) == {both.name, one.name}
    assert say(place, "delete", "a-1", "--yes")["freed"] > one.size
    assert there(place) == {both.name}
    assert say(place, "delete", "b", "--yes")["name"] == "b"
    assert there(place) == set()
    assert run_names(place._root) == []
    assert [sweep.name for sweep in place.sweeps()] == ["a"]
    say(place, "prune", "--keep", "0", "--yes")  # a sweep of which nothing is left
    assert place.sweeps() == []


def test_input_of_the_last_day_stays_as_somebody_may_be_about_to_name_it(place):
    new = shared(place, "units lj\n", days=0.9)
    swept(place, "a", new, runs=1)
    say(place, "delete", "a", "--yes")
    assert there(place) == {new.name}
    found = say(place, "du")
    assert (found["shared_inputs"], found["shared_inputs_of_none"]) == (new.size, new.size)
    assert "9 B" in CliRunner().invoke(commands, ["--store", place.store, "du"]).output
    shared(place, "units lj\n", days=1.1)
    say(place, "prune", "--keep", "0", "--yes")
    assert there(place) == set()


def test_input_that_is_named_again_is_as_new(place):
    """Between storing an input and naming it nobody may take it away."""
    blob = shared(place, "units lj\n", days=2)
    share(place._root, Path(place.store).parent / "in.x")
    assert shared_inputs.stored(place._root)[blob.name][1] > shared_inputs.now() - timedelta(minutes=5)
    assert STORED_AGAIN < shared_inputs.KEPT
    assert shared_inputs.collect(place._root) == 0


@pytest.mark.parametrize("named_by", ["run", "renamed run", "sweep whose runs have not begun", "unreadable run"])
def test_input_that_anything_names_stays(place, named_by):
    blob = shared(place, "units lj\n")
    if "sweep" in named_by:
        SweepRecord(place._root, "a").add([Member(run="a-1", variables={"T": "1"})],
                                          spec=RunSpec(name="a", script="in.x", inputs={"in.x": blob}))  # fmt: skip
    else:
        (record,) = swept(place, "a", blob, runs=1)
        if named_by == "renamed run":
            rename(place._root, record.name, "other")
        elif named_by == "unreadable run":
            (Path(place.store) / record.name / layout.SPEC).write_text("{")
    if named_by == "unreadable run":
        with pytest.warns(UserWarning, match="may name them"):
            assert housekeeping.collect_shared(place) == 0
    else:
        assert housekeeping.collect_shared(place) == 0
    assert there(place) == {blob.name}


def test_run_that_gets_another_name_while_inputs_are_collected_keeps_its_own(place, monkeypatch):
    blob = shared(place, "units lj\n")
    (record,) = swept(place, "a", blob, runs=1)
    names = run_names(place._root)

    def listed(root):
        monkeypatch.undo()
        rename(root, record.name, "other")
        return names

    monkeypatch.setattr(shared_inputs, "run_names", listed)
    assert shared_inputs.collect(place._root) == 0
    assert there(place) == {blob.name}


def test_sweep_that_goes_on_is_not_deleted(place):
    swept(place, "a", shared(place, "units lj\n"))
    record = RunRecord(place._root, "a-9")
    record.submit(Submission(spec=RunSpec(name="a-9", script="in.x", inputs={})))
    SweepRecord(place._root, "a").add([Member(run="a-9", variables={"T": "9"})])
    with pytest.raises(WrongState, match=r"a-9 is waiting; the sweep a cannot be deleted"):
        housekeeping.delete_sweep(place, "a")
    assert len(run_names(place._root)) == 3


def test_run_that_goes_on_from_one_of_a_sweep_holds_its_inputs_itself(place):
    """It is of no sweep, and may outlive it."""
    blob = shared(place, "units lj\n")
    (record,) = swept(place, "a", blob, runs=1)
    longer = RunRecord(place._root, "longer")
    longer.take_over(record, blob)
    say(place, "delete", "a", "--yes")
    assert there(place) == set()
    assert longer.content_of(blob) == b"units lj\n"
