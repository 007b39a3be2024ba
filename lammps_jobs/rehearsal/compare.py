"""Comparing the outputs of two runs: every folder, link and file; files byte for byte, of logs the thermo values."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.formats import dcd

SHOWN = 160
STATE = "final.state"
"""Last positions and velocities in full precision, kept beside the outputs of our sides."""
LOOKED_AT = 1 << 16
"""Bytes from the beginning of a file by which a text is told from anything else."""
RESTART, HEADER, CLOCK = b"LammpS RestartT", 2000, 32
"""A restart file of LAMMPS: its first bytes, where its header ends at the latest, and the length in bytes of
the two entries of the header (a flag and 8 bytes each) that hold when the simulated time was last added up."""
DAYS, MONTHS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun", "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
TIME = r"\d+:\d\d:\d\d(?:\.\d+)?"
WALL_TIME = re.compile(rf"\b(?:{DAYS}) (?:{MONTHS}) +\d+ {TIME} (?:\w+ )?\d{{4}}\b"
                       rf"|\b\d{{4}}-\d\d-\d\d[T ]{TIME}|\b{TIME}\b")  # fmt: skip
"""A date with a time of day, as `ctime`, `date` and ISO 8601 write it, or a time or duration alone. A year alone is a
number like any other."""


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
    """The first difference of each file and link of two folders, by name; `ignored` are passed over."""
    a, b = entries(left), entries(right)
    found: list[Difference] = []
    for name in sorted((a.keys() | b.keys()) - ignored):
        difference = _compare_entry(name, a.get(name), b.get(name), left, right)
        if difference:
            found.append(difference)
    return found


def entries(folder: Path) -> dict[str, str]:
    """What lies below a folder, by name: `a file`, `an empty folder`, or the link that it is. No link is followed."""
    found: dict[str, str] = {}
    for path, folders, files in os.walk(folder):
        here = Path(path)
        if not folders and not files and here != folder:
            found[str(here.relative_to(folder))] = "an empty folder"
        for name in (*folders, *files):
            entry = here / name
            if entry.is_symlink():
                found[str(entry.relative_to(folder))] = f"a link to {os.readlink(entry)}"
            elif name in files:
                found[str(entry.relative_to(folder))] = "a file"
    return found


def _compare_entry(name: str, left: str | None, right: str | None, a: Path, b: Path) -> Difference | None:
    if left == right == "a file":
        return _compare_file(name, a / name, b / name)
    if left == right:
        return None
    for kind, other, side in ((left, right, b), (right, left, a)):
        if kind == "an empty folder" and (other is None or ((side / name).is_dir() and not (side / name).is_symlink())):
            return None  # a download holds files; what lies in it on the other side is said of that
    return Difference(name, "the file itself", left or "missing", right or "missing")


def _compare_file(name: str, left: Path, right: Path) -> Difference | None:
    skipped = [dcd.header_size(side) for side in (left, right)]  # it holds the time of day
    a, b = (side.read_bytes()[skip:] for side, skip in zip((left, right), skipped, strict=True))
    if a == b or (a.startswith(RESTART) and _differ_in_clock(a, b)):
        return None
    if not (is_text(a) and is_text(b)):
        at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        return Difference(name, f"byte {at}", f"{len(a)} bytes", f"{len(b)} bytes")
    from lammps_jobs.rehearsal import logs

    how: Callable[[str, str, str], Difference | None] = logs.compare if logs.is_log(a, b) else _compare_text
    return how(name, a.decode(errors="replace"), b.decode(errors="replace"))


def is_text(content: bytes) -> bool:
    """True unless there are bytes that no text has; pictures have them, also those without a zero byte."""
    beginning = content[:LOOKED_AT]
    strange = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in beginning)
    if strange:
        return False
    text = beginning.decode(errors="replace")
    return text[:-3].count("\ufffd") <= len(text) // 50  # old Latin-1 texts have a few; the last one may be cut apart


def _differ_in_clock(a: bytes, b: bytes) -> bool:
    """True if two restart files differ only in when the simulated time was last added up (ATIME, ATIMESTEP)."""
    places = [at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    return len(a) == len(b) and places[-1] < HEADER and places[-1] - places[0] < CLOCK


def _compare_text(name: str, left: str, right: str) -> Difference | None:
    a, b = left.splitlines(), right.splitlines()
    for number, (x, y) in enumerate(zip(a, b, strict=False), start=1):
        if x != y and not is_wall_time(x, y):
            return Difference(name, f"line {number}", x[:SHOWN], y[:SHOWN], relative_difference(x.split(), y.split()))
    if len(a) != len(b):
        return Difference(name, f"after line {min(len(a), len(b))}", f"{len(a)} lines", f"{len(b)} lines")
    if left != right and not WALL_TIME.search(left):
        return Difference(name, "the ends of its lines", repr(left[-SHOWN:]), repr(right[-SHOWN:]))
    return None


def is_wall_time(left: str, right: str) -> bool:
    """True if the lines differ in a time of day or a duration only, which no two runs share."""
    return bool(WALL_TIME.search(left)) and WALL_TIME.sub("", left) == WALL_TIME.sub("", right)


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
        if a != b:
            largest = max(largest, abs(a - b) / max(abs(a), abs(b)))
    return largest
