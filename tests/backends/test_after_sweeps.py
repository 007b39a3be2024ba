"""Sweeps that begin when others have finished, and runs that follow sweeps: begun once, called off in words."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs import Cluster, Interrupted, NoSuchRun, UsageError, WrongState
from lammps_jobs.backends.after import Looks, standing, standing_of, waiting_for_others
from lammps_jobs.cli.base import commands
from lammps_jobs.record.documents import RunSpec
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import Member, SweepRecord
from tests.api.test_listing import made
from tests.backends.test_after import following
from tests.waiting import ended, scaled

SWEPT = "variable T index 1\nunits lj\nprint 'T is ${T}'\n"
BAD = SWEPT + 'if "$T == 2" then "frobnicate"\n'


@pytest.fixture
def place(tmp_path) -> Cluster:
    return lammps_jobs.connect(store=tmp_path / "store")


def swept(place: Cluster, name: str, *kinds: str) -> SweepRecord:
    """A sweep whose members look so."""
    for at, kind in enumerate(kinds):
        made(place, f"{name}-T{at}", kind)
    sweep = SweepRecord(place._root, name)
    sweep.add([Member(run=f"{name}-T{at}", variables={"T": str(at)}) for at in range(len(kinds))])
    return sweep


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("finished", "waiting"), "It starts when the sweep cold has finished."),
        (("running", "finished"), "It starts when the sweep cold has finished."),
        (("finished", "failed"), "It did not start: the sweep cold did not finish: cold-T1 failed at step 5 (why)."),
        (("cancelled", "failed", "running"),
         "It did not start: the sweep cold did not finish: cold-T0 was cancelled and 1 more."),
    ],
)  # fmt: skip
def test_what_a_run_waits_for_of_a_sweep_is_said(place, kinds, words):
    swept(place, "cold", *kinds)
    run = following(place, "sweep:cold")
    assert run.status.reason == words
    assert not standing(run.record).is_due


def test_run_is_due_when_all_of_a_sweep_have_finished_and_never_when_one_was_removed(place):
    swept(place, "cold", "finished", "finished")
    found = standing_of(place._root, ["sweep:cold"])
    assert found.is_due
    lammps_jobs.api.housekeeping.delete(place, "cold-T1")
    assert str(standing_of(place._root, ["sweep:cold"])) == (
        "It did not start: the sweep cold did not finish: cold-T1 was removed or renamed."
    )
    assert str(standing_of(place._root, ["sweep:none"])) == "It did not start: there is no sweep none any more."


def test_members_that_have_not_begun_are_waited_for_by_their_array(place):
    """Their records come with their jobs."""
    sweep = SweepRecord(place._root, "hot")
    sweep.add([Member(run=f"hot-T{at}", variables={"T": str(at)}) for at in range(3)],
              spec=RunSpec(name="hot", script="in.x", inputs={}))  # fmt: skip
    made(place, "hot-T1", "finished")
    found = standing_of(place._root, ["sweep:hot"])
    assert (found.waits_for, found.unfinished) == (("the sweep hot",), ())


def test_what_many_follow_is_looked_at_once_a_look(place):
    swept(place, "cold", "running")
    runs = [following(place, "sweep:cold", name=name) for name in "bcd"]
    looks = Looks()
    before = standing(runs[0].record, looks)
    lammps_jobs.api.housekeeping.upkeep.remove(RunRecord(place._root, "cold-T0"))
    assert standing(runs[1].record, looks) == before
    assert standing(runs[2].record).never


def test_name_that_a_run_and_a_sweep_have_is_refused_until_it_is_said_which(place, script):
    path = script(SWEPT)
    swept(place, "cold", "running")
    made(place, "cold", "running")
    with pytest.raises(UsageError, match="cold is a run and a sweep") as error:
        place.submit(path, name="b", after="cold")
    assert error.value.remedy == "Write run:cold or sweep:cold"
    with pytest.raises(NoSuchRun):
        place.sweep(path, {"T": [1, 2]}, after="nothing")
    swept(place, "bad", "finished", "failed")
    with pytest.raises(WrongState, match=r"the sweep bad, .* has not: 1 failed of 2 runs\. bad-T1: why") as error:
        place.sweep(path, {"T": [1, 2]}, after=["bad"])
    assert error.value.remedy == "First: lammps-jobs retry bad"
    assert "test" not in [sweep.name for sweep in place.sweeps()]


def test_sweeps_that_would_wait_for_one_another_for_ever_are_refused(place, script):
    path = script(SWEPT)
    swept(place, "a", "running")
    SweepRecord(place._root, "b").add([Member(run="b-T0", variables={"T": "0"})], after=("sweep:a",))
    made(place, "b-T0", "waiting")
    with pytest.raises(UsageError, match="the sweep a cannot follow itself"):
        place.sweep(path, {"T": [1, 2]}, name="a", after="a")
    with pytest.raises(UsageError, match="the sweep a cannot follow the sweep b, which follows it"):
        place.sweep(path, {"T": [1, 2]}, name="a", after="b")


def submit(store, *words: str) -> dict:
    """By the command line, in a process of its own, which ends."""
    command = [sys.executable, "-m", "lammps_jobs", "--store", str(store), "--json", *words]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=scaled(60)).stdout)


def test_sweep_after_a_sweep_after_a_run_begins_by_itself_in_its_order(cluster, script, tmp_path):
    path, store = script(SWEPT, name="in.swept"), tmp_path / "store"
    submit(store, "submit", str(path), "--name", "first")
    for name, before in {"second": "first", "third": "second"}.items():
        submit(store, "sweep", str(path), "--over", "T=1,2,3", "--name", name, "--after", before, "--no-follow")
    last = submit(store, "submit", str(path), "--name", "last", "--after", "third")
    assert last["name"] == "last"
    assert ended(cluster.run("last")).state == "finished"
    order = [["first"], [f"second-T{at}" for at in "123"], [f"third-T{at}" for at in "123"], ["last"]]
    runs = [[cluster.run(name) for name in names] for names in order]
    assert [[len(run.record.attempts()) for run in some] for some in runs] == [[1], [1] * 3, [1] * 3, [1]]
    for before, after in itertools.pairwise(runs):
        finished = max(run.record.result().finished for run in before)
        assert finished < min(run.record.attempts()[0].claimed for run in after)


def test_sweep_whose_forerunner_fails_is_called_off_in_words_and_retried(cluster, script, tmp_path):
    bad, path = script(BAD, name="in.bad"), script(SWEPT, name="in.swept")
    first = cluster.sweep(bad, {"T": [1, 2]}, name="first")
    second = cluster.sweep(path, {"T": [1, 2]}, name="second", after=first)
    third = cluster.sweep(path, {"T": [1]}, name="third", after=second)
    with pytest.raises(Interrupted, match="the sweep first did not finish: first-T2 failed"):
        second.wait()
    third.wait(check=False)
    states = [*second.statuses(), *third.statuses()]
    assert [(state.state, state.attempt, state.exit_code) for state in states] == [("cancelled", 0, 14)] * 3
    assert states[0].reason.startswith("It did not start: the sweep first did not finish: first-T2 failed at step 0 (")
    assert states[2].reason == "It did not start: the sweep second did not finish: second-T1 was cancelled and 1 more."
    said = CliRunner().invoke(commands, ["--store", str(tmp_path / "store"), "watch-sweep", "second"])
    assert "second: 2 runs, 2 cancelled" in said.output
    assert "It did not start: the sweep first" in said.output
    assert waiting_for_others(cluster._root) == []
    second.retry()
    assert second.wait() == {"finished": 2}
