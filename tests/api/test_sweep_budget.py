"""A budget of machine time for all runs of a sweep: together they use no more, and what one leaves others get."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs import BudgetSpent, Resources, UsageError
from lammps_jobs.api.sweep_budget import share_anew, shares
from lammps_jobs.cli.base import commands
from lammps_jobs.errors import BUDGET_SPENT
from lammps_jobs.record.documents import RunSpec
from lammps_jobs.record.sweep_record import Member, SweepRecord
from tests.conftest import START
from tests.waiting import scaled

LONG = f"variable N index 100\n{START}fix 1 all nve\nthermo 1000\nrun $N\n"


@pytest.fixture
def sweep(tmp_path) -> SweepRecord:
    return SweepRecord(lammps_jobs.connect(store=tmp_path / "store")._root, "swept")


def members(*names: str) -> list[Member]:
    return [Member(run=name, variables={"T": name}) for name in names]


def test_new_members_share_what_is_left_and_old_ones_keep_theirs(sweep):
    assert shares(sweep, ["a", "b"], 20.0, None) == {"a": 10.0, "b": 10.0}
    assert shares(sweep, ["a", "b"], None, 5.0) == {"a": 5.0, "b": 5.0}
    assert shares(sweep, ["a", "b"], None, None) == {}
    sweep.add(members("a", "b"), share_s=10.0)
    assert shares(sweep, ["b", "c", "d"], 50.0, None) == {"b": 10.0, "c": 15.0, "d": 15.0}
    assert shares(sweep, ["a", "b"], 20.0, None) == {"a": 10.0, "b": 10.0}
    with pytest.raises(UsageError, match=r"were given 20s, so nothing is left of 20s for 1 more"):
        shares(sweep, ["a", "c"], 20.0, None)
    sweep.add(members("e"))
    with pytest.raises(UsageError, match="has 1 runs without a budget"):
        shares(sweep, ["f"], 100.0, None)


def test_newest_budget_of_all_holds(sweep):
    assert sweep.budget_s() is None
    share_anew(sweep, [])  # nothing to share
    sweep.give(20.0)
    sweep.give(30.0)
    assert SweepRecord(sweep.root, "swept").budget_s() == 30.0


def test_members_of_an_array_bear_their_shares(sweep):
    spec = RunSpec(name="swept", script="in.x", inputs={}, resources=Resources(budget_s=10.0))
    sweep.add(members("a", "b"), spec=spec, share_s=10.0)
    assert sweep.submission_of("b").spec.resources.budget_s == 10.0
    assert shares(sweep, ["a"], 20.0, None) == {"a": 10.0}


def used(sweep) -> list[float]:
    return [run.cost.seconds for run in sweep.runs]


def test_all_runs_together_keep_to_it_and_get_what_others_left(cluster, script, tmp_path):
    """The last checkpoint of each attempt comes when the budget is used up."""
    path = script(LONG, name="in.swept")
    with pytest.raises(UsageError, match="for each run and for all"):
        cluster.sweep(path, {"N": [1, 2]}, budget_s=20.0, resources=Resources(budget_s=5.0))
    whole_s, last_s = 24.0, scaled(2)
    sweep = cluster.sweep(path, {"N": "100,200000000,300000000"}, budget_s=whole_s)
    assert sweep.wait(check=False) == {"finished": 1, "interrupted": 2}
    states = sweep.statuses()
    assert [state.exit_code for state in states] == [0, BUDGET_SPENT, BUDGET_SPENT]
    assert all("budget of 8s" in state.reason for state in states[1:])
    first = used(sweep)
    assert all(8 <= seconds <= 8 + last_s for seconds in first[1:])
    assert sum(first) < whole_s

    again = sweep.retry()  # the short one has left some of its share
    assert [run.name for run in again] == [state.name for state in states[1:]]
    assert sweep.wait(check=False) == {"finished": 1, "interrupted": 2}
    assert all(state.checkpoint_step and state.attempt == 2 for state in sweep.statuses()[1:])
    second = used(sweep)
    assert whole_s - 1e-3 <= sum(second) <= whole_s + 2 * last_s
    assert [run.spec.resources.budget_s for run in sweep.runs[1:]] == pytest.approx(
        [seconds + (whole_s - sum(first)) / 2 for seconds in first[1:]]
    )
    with pytest.raises(BudgetSpent, match=r"The sweep swept has used .* its budget is 24s") as error:
        sweep.retry()
    assert "lammps-jobs retry swept --budget" in error.value.remedy
    assert [state.attempt for state in sweep.statuses()] == [1, 2, 2]

    said = CliRunner().invoke(
        commands, ["--store", str(tmp_path / "store"), "retry", "swept", "--budget", "32s", "--no-follow"]
    )
    assert said.exit_code == 0, said.output
    assert sweep.wait(check=False) == {"finished": 1, "interrupted": 2}
    third = used(sweep)
    assert 32 - 1e-3 <= sum(third) <= 32 + 2 * last_s
