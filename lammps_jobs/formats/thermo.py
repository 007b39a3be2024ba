"""The thermo output of a run, read from its stitched log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

_YAML_KEYS, _YAML_ROW = "keywords: [", "  - ["


@dataclass
class Section:
    """The thermo rows of one `run` or `minimize`: column names, and rows of numbers."""

    columns: list[str]
    rows: list[list[float]] = field(default_factory=list)


def sections(log: str) -> list[Section]:
    """The thermo sections of a log (styles one, custom, multi and yaml), in order."""
    found: list[Section] = []
    current: Section | None = None
    multi: dict[str, float] | None = None
    previous: list[str] = []
    for line in log.splitlines():
        if line.startswith("Loop time of"):
            _close(found, multi)
            current, multi = None, None
        elif line.startswith("------------ Step"):
            _close(found, multi)
            multi = {"Step": float(line.split()[2])}
        elif multi is not None and "=" in line:
            multi |= _pairs(line)
        elif line.startswith(_YAML_KEYS):
            current = Section([w.strip(" '\"") for w in line[len(_YAML_KEYS) : -1].rstrip("], ").split(",")])
            found.append(current)
        elif line.startswith(_YAML_ROW) and current:
            current.rows.append([float(w) for w in line[len(_YAML_ROW) :].rstrip("], ").split(",") if w.strip()])
        else:
            row = _numbers(line)
            if row and current and len(row) == len(current.columns):
                current.rows.append(row)
            elif row and len(row) == len(previous) and "Step" in previous:
                current = Section(previous, [row])
                found.append(current)
        previous = line.split()
    _close(found, multi)
    return found


def _close(found: list[Section], multi: dict[str, float] | None) -> None:
    """Add a multi-line row to the last section, or open one when its columns differ."""
    if multi:
        if not found or found[-1].columns != list(multi):
            found.append(Section(list(multi)))
        found[-1].rows.append(list(multi.values()))


def _pairs(line: str) -> dict[str, float]:
    words = line.split()
    pairs = zip(words, words[1:], words[2:], strict=False)
    return {name: float(value) for name, equal, value in pairs if equal == "="}


def _numbers(line: str) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []


def table(log: str) -> pandas.DataFrame:
    """One row per output step, with LAMMPS's column names and `Stage` (1 for the first run).

    The row that a stage prints for the last step of the one before is there once per stage.
    """
    import pandas

    frames = []
    for stage, section in enumerate(sections(log), start=1):
        frame = pandas.DataFrame(section.rows, columns=section.columns)
        frame.insert(0, "Stage", stage)
        frames.append(frame)
    if not frames:
        return pandas.DataFrame({"Stage": [], "Step": []})
    whole = pandas.concat(frames, ignore_index=True)
    if "Step" in whole:
        whole["Step"] = whole["Step"].astype("int64")
    return whole
