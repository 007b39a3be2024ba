"""What class Atom says of the arrays that it keeps for each atom (src/atom.h, `PerAtom`).

Some of them are in no restart file, and `lammps_extract_atom` gives none of them out: the energies `uCG` of
`atom_style dpd`, say, which `fix rx` takes on from step to step.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import objects, process
from lammps_jobs.engine.memory.process import WORD

ADDRESS, COUNTS, MOST = 32, 40, 48
"""Of struct PerAtom: where it points to the array, to how many columns of each row count, and to how many there are."""
_ENTRY, _TYPE, _COLUMNS = 72, 56, 60
"""Its bytes, and where it says the type and how many columns there are: 0 of a plain array, -1 where they vary."""
_TYPES = ("f8", "i4", "i8")
_FIRST = b"id"
_LONGEST_NAME, _MOST_COLUMNS = 64, 64
_MOST_NAMES = 4096
_PREFIXES = ("i_", "d_", "i2_", "d2_")
_BY_PLACE = frozenset({"ellipsoid", "line", "tri", "body"})
"""Numbers of places in a table of shapes, which are others in another process."""


def table(lmp: Any) -> dict[str, int]:
    """Where class Atom describes each of its arrays, by name; nothing where it does so in another way."""
    base = objects.parts(lmp).get("Atom", 0)
    for at in range(base, base + process.block_size(base) - 2 * WORD, WORD):
        begin, end = process.word(at), process.word(at + WORD)
        if begin < end and (end - begin) % _ENTRY == 0 and process.block_size(begin) and _name(begin) == _FIRST:
            return {_name(entry).decode(errors="replace"): entry for entry in range(begin, end, _ENTRY)}
    return {}


def views(lmp: Any) -> dict[str, NDArray[Any]]:
    """LAMMPS's own arrays for the atoms that this rank owns, by name: shape (atoms,) or (atoms, columns)."""
    atoms = int(lmp.extract_global("nlocal") or 0)
    found = {}
    for name, entry in table(lmp).items() if atoms else ():
        kind, columns = (int_at(entry + at) for at in (_TYPE, _COLUMNS))
        array = process.word(process.word(entry + ADDRESS))
        if name in _BY_PLACE or not array or not 0 <= kind < len(_TYPES) or not 0 <= columns <= _MOST_COLUMNS:
            continue
        first = process.word(array) if columns else array
        size = np.dtype(_TYPES[kind]).itemsize
        if first and (not columns or atoms < 2 or process.word(array + WORD) == first + columns * size):
            found[name] = numbers(first, (atoms, columns) if columns else (atoms,), _TYPES[kind])
    return found


def own_names(lmp: Any) -> list[str]:
    """Names, as `lammps_extract_atom` takes them, of the arrays that `fix property/atom` has added: `d_charge`, say.

    Class Atom lists them without their prefix (src/atom.h, `ivname` and its like); LAMMPS says which are meant.
    """
    base = objects.parts(lmp).get("Atom", 0)
    found: dict[str, None] = {}
    for at in range(base, base + process.block_size(base), WORD):
        rows = process.word(at)
        for row in range(rows, rows + min(process.block_size(rows), _MOST_NAMES * WORD), WORD):
            text = process.word(row)
            name = (process.read(text, min(process.block_size(text), _LONGEST_NAME)) or b"").partition(b"\0")[0]
            if not name.isascii() or not name.replace(b"_", b"").isalnum():
                break
            asked = (prefix + name.decode() for prefix in _PREFIXES)
            found |= {one: None for one in asked if int(lmp.extract_atom_datatype(one)) >= 0}
    return list(found)


def numbers(address: int, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """LAMMPS's own numbers."""
    memory = (ctypes.c_char * (int(np.prod(shape)) * np.dtype(kind).itemsize)).from_address(address)
    return np.frombuffer(memoryview(memory), kind).reshape(shape)


def int_at(address: int) -> int:
    return int.from_bytes(process.read(address, 4) or b"", "little", signed=True)


def _name(entry: int) -> bytes:
    length = process.word(entry + WORD)
    return process.read(process.word(entry), length) or b"" if 0 < length < _LONGEST_NAME else b""
