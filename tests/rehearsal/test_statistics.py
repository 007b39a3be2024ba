"""The claim "statistical" on made-up thermo output: what is the same physics passes, what is not does not."""

from __future__ import annotations

import random

import pytest

from lammps_jobs.formats.thermo import Section
from lammps_jobs.rehearsal.statistics import FEWEST, examine

EVERY, CUT = 10, 300


def series(
    seed: int, rows: int, *, memory: float = 0.5, mean: float = 1.4, size: float = 0.05, other: int | None = None
) -> list[float]:
    """A value that fluctuates about its mean and forgets within some rows; from the cut on with `other` noise."""
    chance, values, x = random.Random(seed), [], 0.0
    for row in range(rows):
        if row == CUT // EVERY + 1 and other is not None:
            chance = random.Random(other)
        x = memory * x + (1 - memory**2) ** 0.5 * chance.gauss(0, size)
        values.append(mean + x)
    return values


def walk(seed: int, rows: int) -> list[float]:
    chance, x, values = random.Random(seed), 0.0, []
    for _ in range(rows):
        x += chance.gauss(0, 1)
        values.append(x)
    return values


def run_of(**columns: list[float]) -> Section:
    steps = [float(EVERY * row) for row in range(len(next(iter(columns.values()))))]
    return Section(["Step", *columns], [list(row) for row in zip(steps, *columns.values(), strict=True)])


def after_the_cut(left: list[float], right: list[float]) -> list[float]:
    """The same values up to the cut, then those of `right`."""
    at = CUT // EVERY + 1
    return left[:at] + right[at:]


def faults(left: Section, right: Section, cut: int = CUT) -> list[str]:
    return [fault.where for fault in examine("log", [left], [right], [(1, cut)]).faults]


@pytest.mark.parametrize("rows", [60, 400])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.97])
def test_same_physics_with_other_numbers_passes(memory, rows):
    found = 0
    for seed in range(100):
        left, right = (series(seed, rows, memory=memory, other=other) for other in (None, 1000 + seed))
        found += bool(faults(run_of(T=left), run_of(T=right)))
    assert found <= 1


def test_what_wanders_and_what_is_ramped_passes():
    found = 0
    for seed in range(200):
        left, right = walk(2 * seed, 300), walk(2 * seed + 1, 300)
        at = CUT // EVERY
        right = left[: at + 1] + [left[at] + value - right[at] for value in right[at + 1 :]]
        ramped = [series(seed, 300, mean=0.0, other=other) for other in (None, 1000 + seed)]
        ramped = [[value + 0.01 * row for row, value in enumerate(values)] for values in ramped]
        found += bool(faults(run_of(msd=left, T=ramped[0]), run_of(msd=right, T=ramped[1])))
    assert found <= 2


def test_other_mean_is_found():
    left, right = series(1, 400), series(2, 400, mean=1.5)
    assert any("column T, mean" in fault for fault in faults(run_of(T=left), run_of(T=after_the_cut(left, right))))


def test_other_ramp_is_found():
    left = [value + 0.01 * row for row, value in enumerate(series(1, 400))]
    right = [value + 0.005 * (row - 30) + 0.3 for row, value in enumerate(series(2, 400))]
    assert faults(run_of(T=left), run_of(T=after_the_cut(left, right)))


def test_other_fluctuations_are_found():
    left, right = series(1, 400), series(2, 400, size=0.15)
    where = faults(run_of(T=left), run_of(T=after_the_cut(left, right)))
    assert any("fluctuations" in fault for fault in where)
    frozen = [1.4] * 400
    assert any("fluctuations" in fault for fault in faults(run_of(T=left), run_of(T=after_the_cut(left, frozen))))


def test_jump_at_the_cut_is_found_also_when_it_is_forgotten_soon():
    left = series(1, 400)
    right = after_the_cut(left, series(2, 400))
    right[CUT // EVERY + 1] += 1.0
    assert any(
        f"column T, a jump at the cut after step {CUT}" in fault for fault in faults(run_of(T=left), run_of(T=right))
    )
    elsewhere = after_the_cut(left, series(2, 400))
    elsewhere[CUT // EVERY + 20] += 1.0
    assert not any("jump" in fault for fault in faults(run_of(T=left), run_of(T=elsewhere)))


def test_bursts_at_the_cut_are_no_jump_where_there_are_bursts():
    left = series(1, 400)
    right = after_the_cut(left, series(2, 400))
    for values in (left, right):
        values[10] += 1.0
    right[CUT // EVERY + 1] += 1.0
    assert not any("jump" in fault for fault in faults(run_of(T=left), run_of(T=right)))


def test_jump_of_what_is_conserved_is_found_although_it_is_small():
    left = series(1, 400, mean=-5000.0, size=1e-2)
    right = [value + 0.5 * (row > CUT // EVERY) for row, value in enumerate(left)]
    assert any("a jump" in fault for fault in faults(run_of(E=left), run_of(E=right)))


def test_constant_that_is_another_one_after_the_cut_is_found():
    left = [7447.2] * 400
    assert faults(run_of(V=left), run_of(V=after_the_cut(left, [7447.9] * 400)))
    assert not faults(run_of(V=left), run_of(V=list(left)))


def test_difference_before_the_first_cut_is_no_statistics():
    left, right = series(1, 400), series(2, 400)
    (fault,) = examine("log", [run_of(T=left)], [run_of(T=right)], [(1, CUT)]).faults
    assert fault.where == "run 1, row 1, before anything was cut"
    early = run_of(T=series(3, 50))
    other = Section(early.columns, [*early.rows[:-1], [early.rows[-1][0], 9.0]])
    later = run_of(T=left)
    later.rows = [[row[0] + 490, row[1]] for row in later.rows]
    (fault,) = examine("log", [early, later], [other, later], [(2, 1000)]).faults
    assert fault.where == "run 1, row 50, before anything was cut"


def test_missing_rows_and_other_columns_are_no_statistics():
    left = run_of(T=series(1, 400))
    for right in (Section(left.columns, left.rows[:-1]), Section(["Step", "P"], left.rows)):
        assert examine("log", [left], [right], [(1, CUT)]).faults
    assert examine("log", [left, left], [left], [(1, CUT)]).faults


def test_values_that_are_no_numbers_any_more_are_found():
    left = series(1, 400)
    assert faults(run_of(T=left), run_of(T=after_the_cut(left, [float("nan")] * 400)))


def test_how_many_rows_were_compared_is_known():
    left = run_of(T=series(1, 40))
    assert examine("log", [left], [left], [(1, CUT)]).rows == 40 - CUT // EVERY - 1
    assert examine("log", [left], [left], [(1, CUT)]).rows < FEWEST
    assert examine("log", [left], [left], []).rows == 0


def test_rows_of_many_short_runs_are_taken_together():
    left = [run_of(T=series(seed, 12)) for seed in range(10)]
    for number, section in enumerate(left):
        section.rows = [[row[0] + 110 * number, row[1]] for row in section.rows]
    right = [
        Section(one.columns, [[row[0], row[1] + (0.3 if row[0] > 50 else 0.0)] for row in one.rows]) for one in left
    ]
    found = examine("log", left, right, [(1, 50)])
    assert found.rows > FEWEST
    assert any("mean" in fault.where for fault in found.faults)
