"""The thermo output of a run, read from its stitched log.

What a script prints itself (`print`, `fix print`) can look like a row. LAMMPS's own are told by their layout: a header
ends with a space, the first line of numbers after it is a row, and the others are laid out as that one: padded to the
end, as all are unless the script asks for other formats, or with the first number right-aligned to the same column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lammps_jobs.formats.units import units_of

if TYPE_CHECKING:
    import pandas

_YAML_KEYS, _YAML_ROW = "keywords: [", "  - ["


@dataclass
class Section:
    """The thermo rows of one `run` or `minimize`: column names, and rows of numbers."""

    columns: list[str]
    rows: list[list[float]] = field(default_factory=list)
    timestep: float | None = field(default=None, compare=False)
    """In τ, in fs for all units but lj, as LAMMPS's own figures of speed tell it; None for a run that is not over."""
    is_minimization: bool = field(default=False, compare=False)


def sections(log: str) -> list[Section]:
    """The thermo sections of a log (styles one, custom, multi and yaml), in order."""
    found: list[Section] = []
    current: Section | None = None
    multi: dict[str, float] | None = None
    header: list[str] = []
    layout: int | None = None
    is_new = True
    for line in log.splitlines():
        if line.startswith("Loop time of"):
            _close(found, multi, is_new=is_new)
            current, multi, header, is_new = None, None, [], True
        elif found and line.startswith("Performance:"):
            found[-1].timestep = _timestep(line)
        elif found and line.startswith("Minimization stats:"):
            found[-1].is_minimization = True
        elif line.startswith("------------ Step"):
            is_new = not _close(found, multi, is_new=is_new) and is_new
            multi = {"Step": float(line.split()[2])}
        elif multi is not None and "=" in line:
            multi |= _pairs(line)
        elif line.startswith(_YAML_KEYS):
            layout = None
            current = Section([w.strip(" '\"") for w in line[len(_YAML_KEYS) : -1].rstrip("], ").split(",")])
            found.append(current)
        elif line.startswith(_YAML_ROW) and current:
            current.rows.append([float(w) for w in line[len(_YAML_ROW) :].rstrip("], ").split(",") if w.strip()])
        else:
            row = _numbers(line)
            if not row:
                header = line.split() if line.endswith(" ") else header
            elif current:
                if len(row) == len(current.columns) and layout in (None, _layout(line)):
                    current.rows.append(row)
            elif len(row) == len(header):
                current, layout = Section(header, [row]), _layout(line)
                found.append(current)
    _close(found, multi, is_new=is_new)
    return found


_PER_DAY = {"tau/day": 86400.0, "ns/day": 86400.0e-6}
"""What one timestep/s makes of one τ or fs: LAMMPS prints tau/day for lj, ns/day for all other units."""


def _timestep(line: str) -> float | None:
    """The timestep that a line like `Performance: 2131138.033 tau/day, 4933.190 timesteps/s` tells, in tau or fs."""
    found = re.match(r"Performance: (\S+) (tau/day|ns/day), (?:\S+ hours/ns, )?(\S+) timesteps/s", line)
    if not found or not float(found[3]):
        return None
    return float(f"{float(found[1]) / _PER_DAY[found[2]] / float(found[3]):.4g}")


def _layout(row: str) -> int | None:
    """How a row is laid out: 0 for one that is padded to its end, else where its right-aligned first number ends."""
    if row.endswith(" "):
        return 0
    return len(row) - len(row.lstrip()) + len(row.split(maxsplit=1)[0]) if row.startswith(" ") else None


def _close(found: list[Section], multi: dict[str, float] | None, *, is_new: bool) -> bool:
    """Add a multi-line row, if there is one, to the last section, or to a new one for a new run or other columns."""
    if not multi:
        return False
    if is_new or found[-1].columns != list(multi):
        found.append(Section(list(multi)))
    found[-1].rows.append(list(multi.values()))
    return True


def _pairs(line: str) -> dict[str, float]:
    words = line.split()
    pairs = zip(words, words[1:], words[2:], strict=False)
    return {name: float(value) for name, equal, value in pairs if equal == "="}


def _numbers(line: str) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []


def table(log: str, units: str = "") -> pandas.DataFrame:
    """One row per output step, with LAMMPS's column names and `Stage` (1 for the first run). The units of the style
    `units` are in `attrs["units"]`, by column, the style itself in `attrs["unit_style"]`.

    The row that a stage prints for the last step of the one before is there once per stage.
    """
    import pandas

    frames = []
    for stage, section in enumerate(sections(log), start=1):
        frame = pandas.DataFrame(section.rows, columns=section.columns)
        frame.insert(0, "Stage", stage)
        frames.append(frame)
    whole = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame({"Stage": [], "Step": []})
    if frames and "Step" in whole and whole["Step"].notna().all():
        whole["Step"] = whole["Step"].astype("int64")
    whole.attrs.update(units=units_of(whole.columns, units), unit_style=units)
    return whole
