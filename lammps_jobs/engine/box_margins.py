"""The margin that LAMMPS keeps around the atoms in a shrink-wrapped dimension.

It is 1e-4 of the edge that the box had when it was *made* (`Domain::set_initial_box`). A new process takes the
edge in the restart file instead, and the volume differs in the seventh digit. So the margin is noted when
the box is made, and set again after `read_restart` by a `change_box` that the next set-up wraps at once.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

SMALL = 1e-4
SEARCHED = 64
Margins = tuple[float | None, float | None, float | None]
NONE: Margins = (None, None, None)


class Boundary:
    """Styles of the six faces as the last `boundary` (or `change_box ... boundary`) said: p, f, s or m."""

    def __init__(self, faces: str = "pp pp pp") -> None:
        self.faces = faces

    def take(self, words: list[str]) -> None:
        if "boundary" in words[:-3]:
            at = len(words) - 1 - words[::-1].index("boundary")
            self.faces = " ".join(word * 2 if len(word) == 1 else word for word in words[at + 1 : at + 4])

    @property
    def is_periodic(self) -> bool:
        return set(self.faces) <= {"p", " "}

    def shrinks(self, dimension: int) -> int:
        """How many faces of the dimension are shrink-wrapped without a minimum."""
        return self.faces.split()[dimension].count("s")

    def has_minimum(self, dimension: int) -> bool:
        return "m" in self.faces.split()[dimension]


def margins(lmp: Any, words: list[str], boundary: Boundary, folder: Path, before: Margins) -> Margins:
    """The margin in each dimension, None where nothing is shrink-wrapped.

    `words` is the command that has just made or changed the box, `before` what was known until then.
    """
    if not any(boundary.shrinks(dimension) for dimension in range(3)):
        return NONE
    if words[0] == "read_data" and "add" in words:
        return before
    header = _header(folder / words[1]) if words[0] == "read_data" else {}
    low, high = lmp.extract_box()[:2]
    found: list[float | None] = []
    for dimension, axis in enumerate("xyz"):
        faces = boundary.shrinks(dimension)
        expanded = words[0] != "read_restart"  # which takes the box as the file has it
        margin = SMALL * ((high[dimension] - low[dimension]) / (1 + SMALL * faces * expanded))
        if axis in header:
            margin = SMALL * header[axis]
        elif expanded and math.isclose(-low[dimension], margin, rel_tol=1e-12):
            margin = -low[dimension]  # the box began at 0: this is the margin to the last bit
        found.append(margin if faces else None)
    x, y, z = found
    return x, y, z


def _header(path: Path) -> dict[str, float]:
    """Edge lengths in the header of a data file."""
    found = {}
    with path.open(errors="replace") as file:
        for line, _ in zip(file, range(200), strict=False):
            bounds = re.match(r"\s*(\S+)\s+(\S+)\s+([xyz])lo\s+[xyz]hi", line)
            if bounds:
                found[bounds[3]] = float(bounds[2]) - float(bounds[1])
    return found


def command(wanted: Margins, boundary: Boundary) -> str:
    """The command that gives a restored box its margins back; empty when there is nothing to do.

    Each keyword of `change_box` computes all margins from the box that the keywords before it have widened; the
    edges make up for that. A face with a minimum (m) is left alone.
    """
    wrapped = [
        (axis, margin, boundary.faces.split()[dimension])
        for dimension, (axis, margin) in enumerate(zip("xyz", wanted, strict=True))
        if margin is not None and not boundary.has_minimum(dimension)
    ]
    said = [
        f"{axis} final 0.0 {_edge(margin, faces, len(wrapped) - 1 - at)!r}"
        for at, (axis, margin, faces) in enumerate(wrapped)
    ]
    return f"change_box all {' '.join(said)} units box" if said else ""


def _edge(margin: float, faces: str, widened: int) -> float:
    """The edge of a box from 0 of which LAMMPS takes just this margin after it was widened so many times."""
    guess = margin / SMALL / (1 + SMALL * faces.count("s")) ** widened
    up = down = guess
    for _ in range(SEARCHED):
        for edge in (up, down):
            if _margin_of(edge, faces, widened) == margin:
                return edge
        up, down = math.nextafter(up, math.inf), math.nextafter(down, 0.0)
    return guess


def _margin_of(edge: float, faces: str, widened: int) -> float:
    """`Domain::set_initial_box`, in its own arithmetic, `widened` times and once more."""
    low, high = 0.0, edge
    for _ in range(widened):
        small = SMALL * (high - low)
        low, high = (low - small if faces[0] == "s" else low), (high + small if faces[1] == "s" else high)
    return SMALL * (high - low)
