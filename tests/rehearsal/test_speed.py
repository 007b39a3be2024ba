"""Benchmarks: what is measured, what is recommended of it, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from lammps_jobs import LammpsJobsError, Price
from lammps_jobs.cli import commands
from lammps_jobs.rehearsal.speed import Candidate, Measured, candidates, recommended
from tests.conftest import script_of

ONE, TWO = Measured(Candidate(1), 100.0, per_day=24.0, unit="ns/day"), Measured(Candidate(2), 103.0)


def test_candidates_are_all_combinations():
    assert len(candidates([1, 2], [1, 2], [("-sf", "opt"), ()], ["a", "b"])) == 16
    assert str(Candidate(2, 2, ("-sf", "omp"), "t4")) == "t4, 2 ranks, 2 threads, -sf omp"


def test_of_two_that_are_as_fast_the_one_with_fewer_cores_is_recommended():
    assert recommended([TWO, ONE]) == (ONE, "as fast as 2 ranks to 5 %, on fewer cores")
    fast = replace(TWO, steps_per_s=150.0)
    assert recommended([ONE, fast]) == (fast, "the fastest")
    assert recommended([ONE, Measured(Candidate(4), failed="x")])[0] is ONE
    with pytest.raises(LammpsJobsError, match="No candidate ran"):
        recommended([Measured(Candidate(4), failed="x")])


def test_where_prices_are_known_the_cheapest_is_recommended():
    cheap = replace(ONE, candidate=Candidate(pool="t4"), price=Price(0.5, 0.5))
    dear = replace(TWO, candidate=Candidate(pool="a100"), steps_per_s=400.0, price=Price(20, 20))
    best, why = recommended([dear, cheap])
    assert best is cheap
    assert "a100, 1 rank is 4.0 times as fast" in why
    assert cheap.usd_per_million == pytest.approx(1e6 / 100 / 3600 * 0.5)
    assert cheap.usd_per_ns == pytest.approx(0.5)


@pytest.mark.engine
def test_speed_is_lammps_own_and_what_fails_is_a_row(script, tmp_path):
    path, page = script(script_of("nve", 20_000)), tmp_path / "page.html"
    words = ["--json", "benchmark", str(path), "--switches", "", "--switches", "-sf gpu", "--steps", "100",
             "--for-steps", "1000000", "--out", str(page)]  # fmt: skip
    said = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert said.exit_code == 0, said.output
    answer = json.loads(said.output)
    good, bad = answer["rows"]
    assert good["steps"] == 100
    assert good["atoms"] == 256
    assert good["steps_per_s"] > 0
    assert bad["failed"]
    assert answer["recommended"]["candidate"]["switches"] == []
    assert answer["estimate"]["least_s"] == pytest.approx(1e6 / good["steps_per_s"])
    assert "256 atoms, 100 steps" in page.read_text()
