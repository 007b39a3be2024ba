"""What "the physics goes on" claims of two logs: the same rows, equal means and fluctuations, no jump at a cut.

Means are compared by block averages of the difference between the two runs, row for row, so that ramps and drifts of
both cancel (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989), on errors from blocks). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, stdev

from lammps_jobs.formats.thermo import Section
from lammps_jobs.rehearsal.compare import SHOWN, Difference
from lammps_jobs.rehearsal.logs import lasting

BLOCKS = 10
FEWEST = 2 * BLOCKS
"""Rows after the first cut without which nothing can be said of means."""
TOO_FAR = 7.0
"""Standard errors from which on two means are called different: by chance 6 times in 100,000 (9 degrees of freedom)."""
JUMP = 8.0
"""Root-mean-square changes from row to row from which on a change at a cut is called a jump."""
LARGER = 2.0
"""And how many times the largest change anywhere else it must be: where grains are poured, rows differ by bursts."""
FEWEST_CHANGES = 8
LOUDER = math.log(1.3)
"""Ratio of mean squared changes below which fluctuations are called equal."""
PRINTED = 1e-6
"""Share of a column's largest value below which its differences are those of its printed digits."""
WANDERING = 0.2
"""Mean squared change over a tenth of the rows, as a share of what a random walk has, from which on a column is taken
for one that wanders (a mean squared displacement, an energy that is conserved): then not its level is compared but how
fast it moves. Two values that forget within a few rows have much less."""


EARLY = "before anything was cut"
"""Of a difference that no cut can have made."""


@dataclass
class Column:
    """One thermo column of both runs from the first cut on: values, and changes from row to row."""

    left: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    left_changes: list[float] = field(default_factory=list)
    right_changes: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    """All changes of the run that kept its machine, those before the first cut, too."""
    jumps: list[tuple[int, float]] = field(default_factory=list)
    """Step of each cut, and by how much the changes of the two runs there differ."""


@dataclass(frozen=True)
class Findings:
    """What contradicts the claim, and how many rows it was looked at in."""

    faults: tuple[Difference, ...]
    rows: int


def examine(name: str, left: list[Section], right: list[Section], cuts: Sequence[tuple[int, int]]) -> Findings:
    """Compare the thermo sections of the run that kept its machine (`left`) with those of the one that was cut."""
    unlike = _unlike_rows(name, left, right)
    if unlike:
        return Findings((unlike,), 0)
    columns: dict[str, Column] = {}
    is_cut = False
    for number, (a, b) in enumerate(zip(left, right, strict=True), start=1):
        here = [step for stage, step in cuts if _lies_in(a, number, stage, step)]
        if not is_cut:
            early = _early(name, number, a, b, _rows_until(a, min(here) - 1) if here else len(a.rows))
            if early:
                return Findings((early,), 0)
            is_cut = bool(here)
        if is_cut:
            _gather(columns, a, b, sorted({_rows_until(a, step) for step in here}))
    faults = [fault for title, column in columns.items() for fault in _faults(name, title, column)]
    return Findings(tuple(faults), max((len(column.left) for column in columns.values()), default=0))


# -- rows that belong together --------------------------------------------------------------------------


def _unlike_rows(name: str, left: list[Section], right: list[Section]) -> Difference | None:
    if len(left) != len(right):
        return Difference(name, "thermo output", f"{len(left)} runs", f"{len(right)} runs")
    for number, (a, b) in enumerate(zip(left, right, strict=True), start=1):
        if a.columns != b.columns:
            return Difference(name, f"run {number}", " ".join(a.columns), " ".join(b.columns))
        if _steps(a) != _steps(b):
            return Difference(name, f"run {number}", f"{len(a.rows)} rows", f"{len(b.rows)} rows, or at other steps")
    return None


def _steps(section: Section) -> list[float]:
    at = section.columns.index("Step") if "Step" in section.columns else None
    return [float(row) if at is None else values[at] for row, values in enumerate(section.rows)]


def _lies_in(section: Section, number: int, stage: int, step: int) -> bool:
    """Whether a cut lies in a section of the log; by its stage where there are no steps."""
    steps = _steps(section)
    if "Step" not in section.columns:
        return number == stage
    return bool(steps) and steps[0] <= step < steps[-1]


def _rows_until(section: Section, step: int) -> int:
    """How many rows there are of steps up to `step`; that of a cut itself may be written by either process."""
    if "Step" not in section.columns:
        return 0
    return sum(at <= step for at in _steps(section))


def _early(name: str, number: int, a: Section, b: Section, rows: int) -> Difference | None:
    """A difference that no cut can have made, because it was before the first."""
    kept = lasting(a)
    for row, (x, y) in enumerate(zip(a.rows[:rows], b.rows[:rows], strict=True), start=1):
        if [f"{x[at]:.17g}" for at in kept] != [f"{y[at]:.17g}" for at in kept]:
            left, right = (" ".join(f"{values[at]:.10g}" for at in kept)[:SHOWN] for values in (x, y))
            return Difference(name, f"run {number}, row {row}, {EARLY}", left, right)
    return None


def _gather(columns: dict[str, Column], a: Section, b: Section, cuts: list[int]) -> None:
    first = max(0, (cuts[0] - 1) if cuts and not columns else 0)
    for at in lasting(a):
        if a.columns[at] == "Step":
            continue
        column = columns.setdefault(a.columns[at], Column())
        x, y = ([row[at] for row in side.rows] for side in (a, b))
        column.left += x[first + 1 :]
        column.right += y[first + 1 :]
        column.whole += [here - before for before, here in pairwise(x)]
        for row in range(first + 1, len(x)):
            change, other = x[row] - x[row - 1], y[row] - y[row - 1]
            if row in cuts:
                column.jumps.append((int(_steps(a)[row - 1]), other - change))
            else:
                column.left_changes.append(change)
                column.right_changes.append(other)


# -- what contradicts -----------------------------------------------------------------------------------


def _faults(name: str, title: str, column: Column) -> list[Difference]:
    values = [*column.left, *column.right]
    if not all(math.isfinite(value) for value in values):
        return [] if all(map(math.isfinite, column.left)) is all(map(math.isfinite, column.right)) else [
            Difference(name, f"column {title}", "all numbers", "not all numbers")]  # fmt: skip
    floor = PRINTED * max(map(abs, values), default=0.0)
    found = [_jump(name, title, column, floor), _mean(name, title, column, floor), _noise(name, title, column, floor)]
    return [fault for fault in found if fault]


def _jump(name: str, title: str, column: Column, floor: float) -> Difference | None:
    if len(column.whole) < FEWEST_CHANGES or not column.jumps:
        return None
    usual = math.sqrt(fmean(change * change for change in column.whole))
    step, size = max(column.jumps, key=lambda jump: abs(jump[1]))
    if abs(size) <= max(JUMP * usual, LARGER * max(map(abs, column.whole)), floor):
        return None
    return Difference(name, f"column {title}, a jump at the cut after step {step}", f"changes by {usual:.3g} as a rule",
                      f"changed by {size:.3g} more than without the cut", step=step)  # fmt: skip


def _mean(name: str, title: str, column: Column, floor: float) -> Difference | None:
    if len(column.left) < FEWEST:
        return None
    apart = [y - x for x, y in zip(column.left, column.right, strict=True)]
    blocks = [fmean(block) for block in _split(apart)]
    compared, what = blocks, "mean"
    if _wanders(apart):
        compared, what = [y - x for x, y in pairwise(blocks)], "drift"
    distance, error = fmean(compared), stdev(compared) / math.sqrt(len(compared))
    if abs(distance) <= max(TOO_FAR * error, floor):
        return None
    means = [fmean(side) for side in (column.left, column.right)]
    return Difference(name, f"column {title}, {what} after the first cut", f"mean {means[0]:.6g}",
                      f"mean {means[1]:.6g}, {abs(distance) / error if error else math.inf:.0f} standard errors away",
                      abs(means[0] - means[1]) / max(map(abs, means)) if any(means) else None)  # fmt: skip


def _noise(name: str, title: str, column: Column, floor: float) -> Difference | None:
    if len(column.left_changes) < FEWEST:
        return None
    powers = [[fmean(c * c for c in block) for block in _split(side)]
              for side in (column.left_changes, column.right_changes)]  # fmt: skip
    if max(map(math.sqrt, map(fmean, powers))) <= floor:
        return None
    left, right = (f"{math.sqrt(fmean(power)):.3g} from row to row" for power in powers)
    if 0.0 in map(fmean, powers):
        return Difference(name, f"column {title}, fluctuations", left, right)
    ratios = [math.log(y / x) for x, y in zip(*powers, strict=True) if x > 0 and y > 0]
    if len(ratios) < BLOCKS // 2:
        return None
    distance, error = fmean(ratios), stdev(ratios) / math.sqrt(len(ratios))
    if abs(distance) <= max(TOO_FAR * error, LOUDER):
        return None
    return Difference(name, f"column {title}, fluctuations after the first cut", left, right)


def _split(values: list[float]) -> list[list[float]]:
    edges = [round(number * len(values) / BLOCKS) for number in range(BLOCKS + 1)]
    return [values[a:b] for a, b in pairwise(edges)]


def _wanders(values: list[float]) -> bool:
    """Whether values move away as a random walk does, rather than fluctuate about a mean."""
    lag = max(2, len(values) // BLOCKS)
    near, far = (fmean((y - x) ** 2 for x, y in zip(values, values[step:], strict=False)) for step in (1, lag))
    return far > WANDERING * lag * near > 0
