"""How the box is divided among the ranks, where `balance` or `fix balance` has made the parts uneven.

Class Comm keeps for each direction the places of the cuts as fractions of the box, in three arrays whose pointers
follow each other (LAMMPS, src/comm.h: xsplit, ysplit, zsplit), and Domain says what part a rank has. A restart file
holds nothing of it: whoever reads one has even parts. (`comm_style tiled` divides otherwise, and is not followed.)
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import objects, process
from lammps_jobs.engine.memory.process import WORD

Cuts = tuple[tuple[float, ...], ...]
"""For x, y and z: 0, the places of the cuts, and 1."""
Part = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Where a rank's part of the box begins and ends, in fractions of it."""
DIRECTIONS = "xyz"


def uneven_cuts(lmp: Any) -> Cuts:
    """The cuts; empty where they are even, or where one cannot tell."""
    grid = [int(count) for count in (lmp.extract_global("procgrid") or [])[:3]]
    comm = objects.parts(lmp).get("Comm", 0)
    if len(grid) != len(DIRECTIONS) or not comm:
        return ()
    words = np.frombuffer(process.read(comm, process.block_size(comm)) or b"", np.uint64).tolist()
    for at in range(len(words) - len(grid) + 1):
        found = tuple(_cuts_at(place, count) for place, count in zip(words[at : at + len(grid)], grid, strict=True))
        if all(found):
            return () if found == _even(grid) else found
    return ()


def even_part(lmp: Any, cuts: Cuts) -> Part:
    """The part that this rank, which has one of those between `cuts`, has where the box is divided evenly."""
    return _part(lmp, now=cuts, then=_even(len(line) - 1 for line in cuts))


def part_between(lmp: Any, cuts: Cuts) -> Part:
    """The part between `cuts` that this rank has, where the box is divided evenly by now."""
    return _part(lmp, now=_even(len(line) - 1 for line in cuts), then=cuts)


def command(cuts: Cuts) -> str:
    """What makes LAMMPS divide its box so."""
    words = ["balance", "1.0"]
    for name, line in zip(DIRECTIONS, cuts, strict=True):
        words += [name, *(repr(place) for place in line[1:-1])] * (len(line) > 2)
    return " ".join(words)


def _even(grid: Iterable[int]) -> Cuts:
    return tuple((*(number * 1.0 / count for number in range(count)), 1.0) for count in grid)


def _part(lmp: Any, now: Cuts, then: Cuts) -> Part:
    if lmp.extract_setting("triclinic"):
        begin = np.array(lmp.extract_global("sublo_lambda"))
    else:
        low, high, *_ = lmp.extract_box()
        begin = (np.array(lmp.extract_global("sublo")) - low) / (np.array(high) - np.array(low))
    place = [int(np.argmin(np.abs(np.array(line[:-1]) - at))) for line, at in zip(now, begin, strict=True)]
    first, last = ([line[at + more] for line, at in zip(then, place, strict=True)] for more in (0, 1))
    return np.array(first), np.array(last)


def _cuts_at(place: int, count: int) -> tuple[float, ...]:
    """The numbers of an array of cuts into `count` parts; empty where none lies there."""
    size = (count + 1) * WORD
    if process.block_size(place) != size:
        return ()
    line = tuple(np.frombuffer(process.read(place, size) or b"", np.float64).tolist())
    ascends = all(before < after for before, after in pairwise(line))
    return line if line and line[0] == 0.0 and line[-1] == 1.0 and ascends else ()
