"""Sweeps: members from ranges, rows and tables; each run as it would be alone; as many at once as there are cores."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from click.testing import CliRunner

from lammps_jobs import Interrupted, NoSuchRun, UsageError
from lammps_jobs.api.over import members_of, names_of, values_of
from lammps_jobs.cli.base import commands
from lammps_jobs.formats.averages import mean_and_error
from lammps_jobs.record.sweep_record import Member
from tests.conftest import START, bare
from tests.waiting import scaled


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1..3", ["1", "2", "3"]),
        ("0.7:1.0:0.1", ["0.7", "0.8", "0.9", "1.0"]),
        ("a, b", ["a", "b"]),
        ("2:1:-0.5", ["2.0", "1.5", "1.0"]),
    ],
)
def test_values_of_a_range_and_a_list(text, values):
    assert values_of(text) == values


def test_members_are_products_zips_rows_and_tables(tmp_path):
    product = members_of({"T": [1.0, 1.5], "seed": "1..2"})
    assert product == [{"T": t, "seed": s} for t in ("1.0", "1.5") for s in ("1", "2")]
    assert members_of({"T": "1,2", "P": "3,4"}, zipped=True) == [{"T": "1", "P": "3"}, {"T": "2", "P": "4"}]
    (tmp_path / "cases.csv").write_text("T, P\n1,3\n2,4\n")
    assert members_of(tmp_path / "cases.csv") == members_of([{"T": 1, "P": 3}, {"T": 2, "P": 4}])
    assert names_of("melt", product)[0] == "melt-T1.0-seed1"
    assert names_of("melt", [{"model": "eam/alloy"}, {"model": "sw"}]) == ["melt-00001", "melt-00002"]
    before = [Member(run="melt-00001", variables={"model": "eam/alloy"})]
    assert names_of("melt", [{"model": "a/b"}, {"model": "eam/alloy"}], before) == ["melt-00002", "melt-00001"]
    assert len(members_of([{"T": 1, "P": 2}, {"P": 1, "T": 2}])) == 2
    assert len(members_of({"a": "1..50000"})) == 50_000


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"a": "1..50001"}, "50,001"),
        ({"a": "1..300", "b": "1..300"}, "90,000 members"),
        ({"T": [1, 2, 1]}, "1 and 3 of the sweep are the same: T=1"),
        ({"T": []}, "no members"),
        ({"T": "1:2:0"}, "0 values"),
        ({"T": "1:x:2"}, "is no range"),
        ([{"T": 1}, {"P": 1}], "same variables"),
    ],
)
def test_sweep_that_makes_no_sense_is_refused_in_words(over, words):
    with pytest.raises(UsageError, match=words):
        members_of(over)


def test_lists_side_by_side_must_be_equally_long():
    with pytest.raises(UsageError, match="T has 2, P has 1"):
        members_of({"T": [1, 2], "P": [1]}, zipped=True)


def test_error_of_a_mean_is_that_of_correlated_values():
    values = [float(at // 10 % 2) for at in range(400)]  # runs of ten equal values
    mean, error = mean_and_error(values)
    assert mean == 0.5
    assert error == 0.0  # each block of 40 holds as many of both
    assert math.isnan(mean_and_error([1.0, 2.0])[1])
    drifting = mean_and_error([float(at) for at in range(100)])[1]
    assert drifting == pytest.approx(9.574, abs=0.01)


SWEPT = f"""variable T index 1.0
variable seed index 1
{START}
velocity all create $T ${{seed}}
fix 1 all nve
thermo 10
run 200
if "${{seed}} == 13" then "frobnicate"
"""


@pytest.mark.engine
def test_sweep_runs_each_member_as_it_would_be_alone_and_retries_what_failed(cluster, script, tmp_path):
    path = script(SWEPT, name="in.swept")
    with pytest.raises(UsageError, match="'temp'"):
        cluster.sweep(path, {"temp": [1, 2]})
    assert cluster.runs() == []
    sweep = cluster.sweep(path, {"T": "1.0,1.5", "seed": [11, 13]}, variables={})
    ended = [run.name for run in sweep.as_completed()]
    assert sorted(ended) == sorted(member.run for member in sweep.members)
    with pytest.raises(Interrupted, match=r"2 of 4 runs did not finish: swept-T1\.0-seed13 is failed"):
        sweep.wait()
    assert [run.name for run in sweep.retry()] == ["swept-T1.0-seed13", "swept-T1.5-seed13"]
    assert sweep.wait(check=False) == {"finished": 2, "failed": 2}
    assert sweep.run(T=1.5, seed=11).status.attempt == 1
    with pytest.raises(NoSuchRun, match="2 runs"):
        sweep.run(T=1.5)

    sweep = cluster.sweep(path, {"T": ["1.5"], "seed": [11, 12]})  # one of them is there
    assert len(sweep) == 5
    sweep.wait(check=False)
    assert sweep.run(T=1.5, seed=11).status.attempt == 1
    path.write_text(SWEPT.replace("T index 1.0", "T index 1.5").replace("seed index 1\n", "seed index 12\n"))
    alone = bare(path, tmp_path / "bare")["log.lammps"].decode()
    last = alone.splitlines()[next(n for n, line in enumerate(alone.splitlines()) if line.startswith("Loop")) - 1]
    assert last in sweep.run(T=1.5, seed=12).logs()

    table = sweep.averages()
    assert list(table.columns[:4]) == ["T", "seed", "Temp", "Temp_error"]
    assert set(sweep.thermo()["run"]) == {member.run for member in sweep.members}
    words = [sys.executable, "-m", "lammps_jobs", "--store", str(tmp_path / "store"), "averages", "swept", "--json"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=scaled(60)).stdout
    assert len(json.loads(said)) == 5
    shown = _said(tmp_path, "sweep-status", "swept", "--state", "failed")
    assert "swept: 5 runs, 3 finished, 2 failed" in shown
    assert "frobnicate" in shown
    assert _said(tmp_path, "thermo", "swept").startswith("T,seed,Stage,Step,")


def _said(folder, *words: str) -> str:
    done = CliRunner().invoke(commands, ["--store", str(folder / "store"), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.engine
def test_members_wait_for_cores_and_are_cancelled_together(cluster, script, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    path = script(SWEPT.replace("run 200", "run 2000000"), name="in.swept")
    monkeypatch.setattr(type(cluster._backend), "in_background", lambda *_: None)  # it would use all cores
    sweep = cluster.sweep(path, {"seed": "1..3"})
    states = [state.state for state in sweep.advance()]
    assert states.count("waiting") == 2
    sweep.cancel()
    assert {state.state for state in sweep.statuses()} == {"cancelled"}
    assert [state.attempt for state in sweep.statuses()].count(0) == 2
