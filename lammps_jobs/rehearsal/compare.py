"""Comparing the outputs of two runs: every file byte for byte, of logs the thermo values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.formats import dcd
from lammps_jobs.formats.thermo import Section, sections

VOLATILE = frozenset({"CPU", "CPULeft", "CPUremain", "S/CPU", "T/CPU", "Time/CPU", "Part"})
"""Thermo columns that differ between any two runs (page `thermo_style`)."""

SHOWN = 160
NOISE = 1e-8
"""A thermo column whose values are all below this share of the largest column is taken as noise about zero."""
RESTART, HEADER, CLOCK = b"LammpS RestartT", 2000, 32
"""A restart file of LAMMPS: its first bytes, where its header ends at the latest, and the length in bytes of
the two entries of the header (a flag and 8 bytes each) that hold when the simulated time was last added up."""


@dataclass(frozen=True)
class Difference:
    """The first place where two files differ."""

    file: str
    where: str
    """Line, byte, or row of thermo output."""
    left: str
    right: str
    relative: float | None = None
    """The largest relative difference of numbers there."""
    step: int | None = None
    """The timestep of a row of thermo output."""

    def __str__(self) -> str:
        size = "" if self.relative is None else f" (relative difference {self.relative:.2g})"
        return f"{self.file}, {self.where}{size}:\n  {self.left}\n  {self.right}"


def compare(left: Path, right: Path, ignored: frozenset[str] = frozenset()) -> list[Difference]:
    """The first difference of each file of two folders, by name; `ignored` names are passed over."""
    names = {str(path.relative_to(side)) for side in (left, right) for path in side.rglob("*") if path.is_file()}
    differences = (_compare_file(name, left / name, right / name) for name in sorted(names - ignored))
    return [difference for difference in differences if difference]


def _compare_file(name: str, left: Path, right: Path) -> Difference | None:
    if not (left.is_file() and right.is_file()):
        on_left, on_right = ("here", "missing") if left.is_file() else ("missing", "here")
        return Difference(name, "the file itself", on_left, on_right)
    skipped = [dcd.header_size(side) for side in (left, right)]  # it holds the time of day
    a, b = (side.read_bytes()[skip:] for side, skip in zip((left, right), skipped, strict=True))
    if a == b:
        return None
    if _is_log(a) and _is_log(b):
        return _compare_thermo(name, a.decode(errors="replace"), b.decode(errors="replace"))
    if a.startswith(RESTART) and _differ_in_clock(a, b):
        return None
    if b"\0" in a[:4096] or b"\0" in b[:4096]:
        at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        return Difference(name, f"byte {at}", f"{len(a)} bytes", f"{len(b)} bytes")
    return _compare_text(name, a.decode(errors="replace"), b.decode(errors="replace"))


def _differ_in_clock(a: bytes, b: bytes) -> bool:
    """True if two restart files differ only in when the simulated time was last added up (ATIME, ATIMESTEP)."""
    places = [at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    return len(a) == len(b) and places[-1] < HEADER and places[-1] - places[0] < CLOCK


def _is_log(content: bytes) -> bool:
    return content.startswith(b"LAMMPS (") or b"\nLoop time of " in content


def _compare_text(name: str, left: str, right: str) -> Difference | None:
    a, b = left.splitlines(), right.splitlines()
    for number, (x, y) in enumerate(zip(a, b, strict=False), start=1):
        if x != y and not _is_wall_time(x, y):
            return Difference(name, f"line {number}", x[:SHOWN], y[:SHOWN], relative_difference(x.split(), y.split()))
    if len(a) != len(b):
        return Difference(name, f"after line {min(len(a), len(b))}", f"{len(a)} lines", f"{len(b)} lines")
    return None


def _is_wall_time(left: str, right: str) -> bool:
    """True if the lines differ in a time of day or a duration only, which no two runs share."""
    clock = re.compile(r"\b\d+:\d\d:\d\d\b|\b\w{3} \w{3} +\d+ |\b20\d\d\b")
    return bool(clock.search(left)) and clock.sub("", left) == clock.sub("", right)


def _compare_thermo(name: str, left: str, right: str) -> Difference | None:
    a, b = sections(left), sections(right)
    for number, (x, y) in enumerate(zip(a, b, strict=False), start=1):
        difference = _compare_section(name, number, x, y)
        if difference:
            return difference
    if len(a) != len(b):
        return Difference(name, "thermo output", f"{len(a)} runs", f"{len(b)} runs")
    return None


def _compare_section(name: str, number: int, left: Section, right: Section) -> Difference | None:
    if left.columns != right.columns:
        return Difference(name, f"run {number}", " ".join(left.columns), " ".join(right.columns))
    lasting = [at for at, column in enumerate(left.columns) if column not in VOLATILE]
    for row, (x, y) in enumerate(zip(left.rows, right.rows, strict=False), start=1):
        a, b = ([f"{values[at]:.17g}" for at in lasting] for values in (x, y))
        if a != b:
            step = int(x[left.columns.index("Step")]) if "Step" in left.columns else None
            return Difference(name, f"run {number}, row {row}", " ".join(a)[:SHOWN], " ".join(b)[:SHOWN],
                              _against_columns([x[at] - y[at] for at in lasting], left, lasting), step)  # fmt: skip
    if len(left.rows) != len(right.rows):
        return Difference(name, f"run {number}", f"{len(left.rows)} rows", f"{len(right.rows)} rows")
    return None


def _against_columns(differences: list[float], section: Section, columns: list[int]) -> float:
    """The largest difference, each against the largest value of its column: noise about zero is small, not large."""
    largest = [max((abs(row[at]) for row in section.rows), default=0.0) for at in columns]
    floor = max([*largest, 1e-300]) * NOISE
    return max(abs(d) / max(scale, floor) for d, scale in zip(differences, largest, strict=True))


def relative_difference(left: list[str], right: list[str]) -> float | None:
    """The largest relative difference of two rows of words; None when a word that is no number differs."""
    if len(left) != len(right):
        return None
    largest = 0.0
    for x, y in zip(left, right, strict=True):
        if x == y:
            continue
        try:
            a, b = float(x), float(y)
        except ValueError:
            return None
        if not (math.isfinite(a) and math.isfinite(b)):
            return None
        largest = max(largest, abs(a - b) / max(abs(a), abs(b)))
    return largest
