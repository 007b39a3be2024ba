"""The thermo output of a run as charts and averages: each stage by its own timestep, minimizations apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lammps_jobs.formats.averages import mean_and_error
from lammps_jobs.formats.thermo import Section
from lammps_jobs.formats.units import time_label, time_of_fs, unit_of
from lammps_jobs.report.chart import Line, chart, number_text

FIRST = ("Temp", "Press", "PotEng", "TotEng", "KinEng", "Density", "Volume")
"""Columns whose charts come first; the script's own (`c_`, `v_`, `f_`) and all others follow in their order."""
AXES = frozenset({"Step", "Time", "CPU", "CPULeft", "S/CPU", "T/CPU", "Elapsed", "Dt", "Part", "TimeoutLeft", "Atoms"})
MOST_CHARTS = 24
ROUGHLY = 0.02
"""How far a timestep that is read off a figure of speed may be wrong: of slow runs LAMMPS prints few digits."""
SKIPPED = 0.5
"""Share of a stage's rows that is left out of its averages as equilibration."""


@dataclass(frozen=True)
class Chart:
    title: str
    svg: str


@dataclass(frozen=True)
class Averages:
    """Means over the second half of one stage."""

    stage: int
    rows: int
    values: tuple[tuple[str, str], ...]
    """Column with its unit, and mean ± standard error, as text."""


def charts(sections: Sequence[Section], units: str, timestep: float | None) -> tuple[list[Chart], list[Chart]]:
    """A chart for each column over the simulated time of all runs; and of minimizations, over their iterations.

    The time is the column `Time` where there is one, else steps times the timestep of each stage (`timestep` for one
    that is not over); steps, where a timestep is not known.
    """
    runs = [(at, section) for at, section in enumerate(sections, start=1) if not section.is_minimization]
    minimizations = [(at, section) for at, section in enumerate(sections, start=1) if section.is_minimization]
    x, label = _times([section for _, section in runs], units, timestep)
    iterations = [_count([section]) for _, section in minimizations]
    of_minimizations = _drawn(minimizations, _joined(iterations), "iterations", units, constant=False)
    return _drawn(runs, x, label, units), of_minimizations


def averages(sections: Sequence[Section], units: str) -> list[Averages]:
    """The averages of every run, but those of so few rows that nothing can be said."""
    found = []
    for stage, section in enumerate(sections, start=1):
        rows = section.rows[int(SKIPPED * len(section.rows)) :]
        if section.is_minimization or len(section.rows) < 4:
            continue
        values = []
        for at, name in enumerate(section.columns):
            if name not in AXES:
                mean, error = mean_and_error([row[at] for row in rows])
                values.append((_labelled(name, units), _with_error(mean, error)))
        found.append(Averages(stage, len(rows), tuple(values)))
    return found


def _with_error(mean: float, error: float) -> str:
    if math.isnan(error) or not error:  # unknown, or a constant
        return number_text(float(f"{mean:.5g}"))
    digits = max(0, 1 - _exponent(error))
    return f"{mean:,.{digits}f} ± {error:.{digits}f}"


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def _drawn(
    stages: Sequence[tuple[int, Section]], x: list[list[float]], label: str, units: str, *, constant: bool = True
) -> list[Chart]:
    """`constant`: draw columns that never change, too."""
    names = list(dict.fromkeys(name for _, section in stages for name in section.columns if name not in AXES))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    marks = [(values[0], f"stage {stage} begins") for (stage, _), values in zip(stages, x, strict=True) if values][1:]
    found = []
    for name in names[:MOST_CHARTS]:
        xs: list[float] = []
        ys: list[float] = []
        for (_, section), values in zip(stages, x, strict=True):
            if name in section.columns:
                at = section.columns.index(name)
                xs += values
                ys += [row[at] for row in section.rows]
        if not constant and len(set(ys)) < 2:
            continue
        svg = chart([Line(name, xs, ys)], label, _labelled(name, units), marks)
        if svg:
            found.append(Chart(name, svg))
    return found


def _labelled(name: str, units: str) -> str:
    unit = unit_of(name, units)
    return f"{name} / {unit}" if unit else name


def _times(sections: Sequence[Section], units: str, timestep: float | None) -> tuple[list[list[float]], str]:
    if sections and all("Time" in section.columns for section in sections):
        own = [[row[section.columns.index("Time")] for row in section.rows] for section in sections]
        flat = [value for values in own for value in values]
        if flat == sorted(flat):
            return own, f"time / {time_label(units)}"
    steps = [_timestep(section, units, timestep) for section in sections]
    if sections and steps[-1] is None:
        steps[-1] = timestep  # it still runs
    if units and sections and all(steps) and all("Step" in section.columns for section in sections):
        return _elapsed(sections, [step or 0.0 for step in steps]), f"time since the start / {time_label(units)}"
    if all("Step" in section.columns for section in sections):
        return _elapsed(sections, [1.0] * len(sections)), "steps since the start"
    return _joined([_count([section]) for section in sections]), "rows of thermo output"


def _timestep(section: Section, units: str, newest: float | None) -> float | None:
    """A stage's timestep; the newest one, which is known exactly, where the figures of speed agree with it."""
    if section.timestep is None:
        return None
    found = time_of_fs(section.timestep, units)
    return newest if newest and abs(found / newest - 1.0) < ROUGHLY else found


def _elapsed(sections: Sequence[Section], timesteps: Sequence[float]) -> list[list[float]]:
    """Steps since the start times the timestep, also over `reset_timestep`: a stage begins where the last one ended."""
    found, end = [], 0.0
    for section, timestep in zip(sections, timesteps, strict=True):
        at = section.columns.index("Step")
        values = [end + (row[at] - section.rows[0][at]) * timestep for row in section.rows]
        found.append(values)
        end = values[-1] if values else end
    return found


def _count(sections: Sequence[Section]) -> list[float]:
    """Steps since each section's begin where they are known, else the numbers of the rows."""
    found: list[float] = []
    for section in sections:
        at = section.columns.index("Step") if "Step" in section.columns else None
        found += [row[at] - section.rows[0][at] if at is not None else float(n) for n, row in enumerate(section.rows)]
    return found


def _joined(stages: Sequence[list[float]]) -> list[list[float]]:
    """Counts of several stages, one behind the other."""
    found, end = [], 0.0
    for values in stages:
        found.append([end + value for value in values])
        end = found[-1][-1] if values else end
    return found
