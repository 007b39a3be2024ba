"""A set-up that leaves the atoms in their order.

LAMMPS sorts the atoms by place whenever it sets up, and else every 1000 steps or so (page `atom_modify`). A
rebuild of the neighbour lists does all that a set-up does but sort; so at a rebuild, a set-up that does not sort
either leaves no trace: sums keep their order, hence their last bits. In a single bin as large as
the box there is nothing to sort. The bins of the script are laid out after it, for the sorts to come.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lammps_jobs.script.journal import Sort

LAY_OUT_BINS = "_ZN9LAMMPS_NS4Atom5setupEv"
"""`void Atom::setup()`. No command lays out the bins without sorting; the method is public, and exported."""
ATOM = 4
"""Place of `Atom *atom` in class LAMMPS, after memory, error, universe and input; verified before it is used."""
LARGEST = 1 << 16
BOX = "1e30"


def is_sorted(lmp: Any) -> bool:
    """Whether LAMMPS sorts the atoms now and then."""
    return int(lmp.extract_global("nextsort")) > 0


def can_be_kept(lmp: Any) -> bool:
    return _atom(lmp) is not None and hasattr(lmp.lib, LAY_OUT_BINS)


@contextmanager
def kept(lmp: Any, sort: Sort | None, at_rest: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Set-ups inside do not sort; `sort` is what holds again afterwards. None: they do as they like.

    `at_rest` is where LAMMPS takes commands.
    """
    if sort is None:
        yield
        return
    lmp.command(f"atom_modify sort {sort.every} {BOX}")
    yield
    with at_rest():
        lmp.command(f"atom_modify sort {sort.every} {sort.bin}")
    lmp.thread.call(getattr(lmp.lib, LAY_OUT_BINS), _atom(lmp))


def _atom(lmp: Any) -> ctypes.c_void_p | None:
    """The object that holds the atoms; None when it is not where we expect it."""
    atom = ctypes.cast(lmp.lmp, ctypes.POINTER(ctypes.c_void_p))[ATOM]
    member = lmp.lib.lammps_extract_global
    member.restype = ctypes.c_void_p
    inside = atom and all(0 < member(lmp.lmp, name) - atom < LARGEST for name in (b"nlocal", b"nextsort"))
    return ctypes.c_void_p(atom) if inside else None
