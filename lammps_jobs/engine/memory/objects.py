"""LAMMPS's objects by identity: the parts of class LAMMPS by their virtual tables, the rest by their IDs."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from lammps_jobs.engine.memory import process

PARTS = (
    "Memory", "Error", "Universe", "Input", "Atom", "Update", "Neighbor", "Comm", "Domain", "Force", "Modify",
    "Group", "Output", "Timer",
)  # fmt: skip
"""Members of class LAMMPS (lammps.h), each of its own class or of one derived from it (Comm, Domain, ...)."""
_STRING = "RKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
BY_ID = {
    "fix": ("Modify", f"_ZNK9LAMMPS_NS6Modify13get_fix_by_idE{_STRING}"),
    "compute": ("Modify", f"_ZNK9LAMMPS_NS6Modify17get_compute_by_idE{_STRING}"),
    "dump": ("Output", f"_ZNK9LAMMPS_NS6Output14get_dump_by_idE{_STRING}"),
    "region": ("Domain", f"_ZNK9LAMMPS_NS6Domain16get_region_by_idE{_STRING}"),
}
"""By the kind of ID: the part that knows the objects, and its exported lookup."""


def parts(lmp: Any) -> dict[str, int]:
    """Addresses of LAMMPS's parts by name; those that cannot be recognised are missing."""
    base = address_of(lmp)
    found: dict[str, int] = {}
    for at in range(0, process.block_size(base) - process.WORD, process.WORD):
        address = process.word(base + at)
        name = plain(process.class_of(address)) if process.block_size(address) else ""
        for part in PARTS:
            if name.startswith(part) and part not in found:
                found[part] = address
    return found


def address_of(lmp: Any) -> int:
    """Where the object of class LAMMPS lies."""
    return int(lmp.lmp.value)


def plain(mangled: str) -> str:
    """A class name without the length in front of it: `6Verlet` is Verlet."""
    return mangled.lstrip("0123456789")


def by_id(lmp: Any, kind: str, name: str, part: dict[str, int]) -> int:
    """The object of a fix, compute, dump or region; 0 when LAMMPS does not know it or exports no lookup."""
    owner, lookup = BY_ID[kind]
    if owner not in part or not hasattr(lmp.lib, lookup):
        return 0
    find = getattr(lmp.lib, lookup)
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]
    text, content = _string(name)
    return process.whole(int(find(part[owner], ctypes.addressof(text)) or 0)) if content else 0


def _string(value: str) -> tuple[Any, Any]:
    """A std::string of libstdc++, laid out by hand: where its characters lie, how many, room for short ones."""
    content = ctypes.create_string_buffer(value.encode())
    text = ctypes.create_string_buffer(32)
    struct.pack_into("<QQQ", text, 0, ctypes.addressof(content), len(value.encode()), len(value.encode()))
    return text, content
