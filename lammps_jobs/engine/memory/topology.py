"""Types of the bonds, angles, dihedrals and impropers that atoms hold, with their signs.

A negative type is one that is switched off (`delete_bonds`, `fix shake`). A restart file holds none: AtomVec makes all
positive for it (src/atom_vec.cpp, `pack_restart`; src/MOLECULE/atom_vec_bond.cpp, `pack_restart_pre`), and a new
process would switch on again what was off.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import per_atom, process
from lammps_jobs.engine.memory.per_atom import numbers
from lammps_jobs.engine.memory.process import WORD

KINDS = ("bond", "angle", "dihedral", "improper")
_INT = 4


def types_of(lmp: Any) -> dict[str, NDArray[np.int32]]:
    """By `bond_type` and so on: shape (atoms, as many as an atom may hold), 0 where it holds none."""
    table = per_atom.table(lmp)
    return {
        name: np.where(_counted(counts, types), types, 0).astype(np.int32)
        for name, (types, counts) in _arrays(lmp, table).items()
    }


def put_back(lmp: Any, stored: Iterable[Path], load: Any) -> None:
    """Give the atoms that this rank has now the types of what they hold, by their IDs, before LAMMPS sets up.

    `stored`: what each rank stored of its atoms; `load` reads such a file. Raises ValueError or EOFError where one is
    torn.
    """
    arrays = _arrays(lmp, per_atom.table(lmp))
    there = [load(path).arrays for path in stored] if arrays else []
    ids = np.frombuffer(_ids(lmp), np.int64 if int(lmp.extract_setting("tagint")) == WORD else np.int32)
    for name, (types, counts) in arrays.items():
        known = [rank for rank in there if name in rank and rank[name].shape[1:] == types.shape[1:]]
        if not known:
            continue
        named = np.concatenate([rank["id"] for rank in known])
        wanted = np.concatenate([rank[name] for rank in known])
        order = np.argsort(named)
        at = order[np.searchsorted(named, ids, sorter=order).clip(max=len(named) - 1)]
        chosen = (named[at] == ids)[:, None] & _counted(counts, types) & (abs(wanted[at]) == abs(types))
        types[chosen] = wanted[at][chosen]


def _counted(counts: NDArray[np.int32], types: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which of the columns an atom uses."""
    return np.arange(types.shape[1])[None, :] < counts[:, None]


def _ids(lmp: Any) -> bytes:
    get = lmp.lib.lammps_extract_atom
    get.restype = ctypes.c_void_p
    count = int(lmp.extract_global("nlocal") or 0) * int(lmp.extract_setting("tagint"))
    return process.read(int(get(lmp.lmp, b"id") or 0), count) or b"" if count else b""


def _arrays(lmp: Any, table: dict[str, int]) -> dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """LAMMPS's own arrays of types, for the atoms that this rank owns, and how many of each row count."""
    atoms = int(lmp.extract_global("nlocal") or 0)
    found = {}
    for kind in KINDS:
        entry = table.get(f"{kind}_type", 0)
        rows = process.word(process.word(entry + per_atom.ADDRESS)) if entry else 0
        most = per_atom.int_at(process.word(entry + per_atom.MOST)) if rows else 0
        first, counts = process.word(rows), process.word(process.word(entry + per_atom.COUNTS)) if rows else 0
        is_whole = atoms < 2 or process.word(rows + WORD) == first + most * _INT
        if rows and most and atoms and first and counts and is_whole:
            found[f"{kind}_type"] = numbers(first, (atoms, most), "i4"), numbers(counts, (atoms,), "i4")
    return found
