"""Runs that begin when others have finished: what they wait for, in words, and that they begin once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import lammps_jobs
from lammps_jobs import Cluster, NoSuchRun, WrongState
from lammps_jobs.api.run import Run
from lammps_jobs.backends.after import and_so, standing, waiting_for_others
from lammps_jobs.record.documents import Cancelled, Notify, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import own
from tests.api.test_listing import made
from tests.waiting import ended, scaled


@pytest.fixture
def place(tmp_path) -> Cluster:
    return lammps_jobs.connect(store=tmp_path / "store")


def following(place: Cluster, *after: str, name: str = "b") -> Run:
    record = RunRecord(place._root, name)
    record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={}), after=after))
    own.mark(record)
    return Run(record, place._backend)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("waiting", "It starts when a has finished."),
        ("running", "It starts when a has finished."),
        ("interrupted", "It starts when a has finished."),
        ("lost", "It starts when a has finished."),
        ("failed", "It did not start: a failed at step 5 (why)."),
        ("cancelled", "It did not start: a was cancelled."),
    ],
)
def test_what_a_run_waits_for_is_said(place, kind, words):
    made(place, "a", kind)
    run = following(place, "a")
    assert run.status.state == "waiting"
    assert run.status.reason == words
    assert not standing(run.record).is_due
    assert [record.name for record in waiting_for_others(place._root)] == ["b"]


def test_run_is_due_when_all_before_it_have_finished(place):
    made(place, "a", "finished")
    assert standing(following(place, "a").record).is_due
    assert str(standing(following(place, "a", "gone", name="c").record)) == (
        "It did not start: gone was removed or renamed."
    )
    assert [and_so(["a"]), and_so(["a", "b"]), and_so(["a", "b", "c", "d"])] == [
        "a has", "a and b have", "a, b and 2 more have",
    ]  # fmt: skip


def test_run_whose_forerunner_failed_is_called_off_and_so_is_the_next(place):
    made(place, "a", "failed")
    second, third = following(place, "a"), following(place, "b", name="c")
    for run in (second, third):
        place._backend.look_after(run.record)
        state = run.status
        assert (state.state, state.attempt, state.exit_code) == ("cancelled", 0, 14)
        assert f"lammps-jobs resume {run.name}" in state.remedy
        with pytest.raises(WrongState, match="did not start"):
            run.wait()
    assert "a failed" in second.status.reason
    assert "b was cancelled" in third.status.reason
    assert waiting_for_others(place._root) == []
    assert {row.name: row.state for row in place.listing()}["c"] == "cancelled"


def test_run_that_its_user_cancelled_meanwhile_stays_so(place):
    made(place, "a", "failed")
    run = following(place, "a")
    run.record.cancel(Cancelled(attempt=0))
    place._backend.look_after(run.record)
    assert run.status.reason == "cancelled before it began"


def test_run_that_somebody_else_put_there_is_not_started(place):
    made(place, "a", "finished")
    record = RunRecord(place._root, "b")
    record.submit(Submission(spec=RunSpec(name="b", script="in.x", inputs={}), after=("a",)))
    assert waiting_for_others(place._root) == []
    place._backend.look_after(record)  # would start a process, to which the guard of unit tests objects
    assert not record.newest_attempt()


def test_only_what_is_there_and_may_finish_is_followed(place, script):
    path = script("units lj\n")
    with pytest.raises(NoSuchRun):
        place.submit(path, after="nothing")
    made(place, "a", "failed")
    with pytest.raises(WrongState, match=r"a, which is to finish before, has not: failed\. why"):
        place.submit(path, after=["a"])
    assert [run.name for run in place.runs()] == ["a"]


@pytest.mark.engine
def test_run_that_is_called_off_tells_so_once(place, tmp_path):
    made(place, "a", "failed")
    record = RunRecord(place._root, "b")
    told = Notify(commands=(f"cat >> {tmp_path}/told",))
    record.submit(Submission(spec=RunSpec(name="b", script="in.x", inputs={}), after=("a",), notify=told))
    own.mark(record)
    place._backend.look_after(record)
    place._backend.look_after(record)
    message = json.loads((tmp_path / "told").read_text())
    assert message["text"] == "b failed: It did not start: a failed at step 5 (why)."


@pytest.mark.engine
def test_chain_runs_in_its_order_without_its_submitter(cluster, script, tmp_path):
    path = script("units lj\nprint done\n")
    submit = (
        "import sys, lammps_jobs\n"
        "cluster = lammps_jobs.connect(store=sys.argv[2])\n"
        "first = cluster.submit(sys.argv[1], name='first')\n"
        "second = cluster.submit(sys.argv[1], name='second', after=first)\n"
        "cluster.submit(sys.argv[1], name='third', after=['first', second])\n"
    )
    subprocess.run([sys.executable, "-c", submit, path, tmp_path / "store"], check=True, timeout=scaled(60))
    runs = [cluster.run(name) for name in ("first", "second", "third")]
    assert [ended(run).state for run in reversed(runs)] == ["finished"] * 3
    claims = [run.record.attempts() for run in runs]
    assert [len(one) for one in claims] == [1, 1, 1]
    for run, (later,) in zip(runs, claims[1:], strict=False):
        assert run.record.result().finished < later.claimed
