"""Comparing two logs: the thermo values and the frame of YAML around them; times and speeds differ by nature."""

from __future__ import annotations

from pathlib import Path

from lammps_jobs.formats.thermo import Section, sections
from lammps_jobs.rehearsal.compare import SHOWN, Difference

VOLATILE = frozenset({"CPU", "CPULeft", "CPUremain", "S/CPU", "T/CPU", "Time/CPU", "Part"})
"""Thermo columns that differ between any two runs (page `thermo_style`)."""
NOISE = 1e-8
"""A thermo column whose values are all below this share of the largest column is taken as noise about zero."""
FRAME = ("---", "...", "keywords:", "data:")
"""Lines of a YAML document with thermo rows that are no rows."""


def is_log(*contents: bytes) -> bool:
    return all(content.startswith(b"LAMMPS (") or b"\nLoop time of " in content for content in contents)


def logs_in(folder: Path) -> list[str]:
    """The logs below a folder, by name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in files if is_log(path.read_bytes())]


def compare(name: str, left: str, right: str) -> Difference | None:
    """The first row of thermo output, or line around such rows, in which two logs differ."""
    a, b = sections(left), sections(right)
    for number, (x, y) in enumerate(zip(a, b, strict=False), start=1):
        difference = _compare_section(name, number, x, y)
        if difference:
            return difference
    if len(a) != len(b):
        return Difference(name, "thermo output", f"{len(a)} runs", f"{len(b)} runs")
    return _compare_frames(name, left, right)


def lasting(section: Section) -> list[int]:
    """The columns that two runs can share."""
    return [at for at, column in enumerate(section.columns) if column not in VOLATILE]


def _compare_section(name: str, number: int, left: Section, right: Section) -> Difference | None:
    if left.columns != right.columns:
        return Difference(name, f"run {number}", " ".join(left.columns), " ".join(right.columns))
    columns = lasting(left)
    for row, (x, y) in enumerate(zip(left.rows, right.rows, strict=False), start=1):
        a, b = ([f"{values[at]:.17g}" for at in columns] for values in (x, y))
        if a != b:
            step = int(x[left.columns.index("Step")]) if "Step" in left.columns else None
            return Difference(name, f"run {number}, row {row}", " ".join(a)[:SHOWN], " ".join(b)[:SHOWN],
                              _against_columns([x[at] - y[at] for at in columns], left, columns), step)  # fmt: skip
    if len(left.rows) != len(right.rows):
        return Difference(name, f"run {number}", f"{len(left.rows)} rows", f"{len(right.rows)} rows")
    return None


def _against_columns(differences: list[float], section: Section, columns: list[int]) -> float:
    """The largest difference, each against the largest value of its column: noise about zero is small, not large."""
    largest = [max((abs(row[at]) for row in section.rows), default=0.0) for at in columns]
    floor = max([*largest, 1e-300]) * NOISE
    return max(abs(d) / max(scale, floor) for d, scale in zip(differences, largest, strict=True))


def _compare_frames(name: str, left: str, right: str) -> Difference | None:
    a, b = _frames(left), _frames(right)
    if a == b:
        return None
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    here, there = (f"{' '.join(lines[max(0, at - 1) : at + 2])} ({len(lines)} lines)"[:SHOWN] for lines in (a, b))
    return Difference(name, "YAML around thermo rows", here, there)


def _frames(log: str) -> list[str]:
    """The lines that make thermo rows a YAML document, in order, rows as one word each."""
    lines = (line.rstrip() for line in log.splitlines())
    kept = ["row" if line.startswith("  - [") else line for line in lines if line.startswith((*FRAME, "  - ["))]
    return kept if any(line.startswith("keywords:") for line in kept) else []
