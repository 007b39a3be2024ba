"""What of LAMMPS's memory is state: which objects are carried, and which only hold what a set-up makes again."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

from lammps_jobs.engine.memory import objects, process
from lammps_jobs.engine.memory.carry import Compared, Overlay, compare
from lammps_jobs.engine.memory.graph import Graph
from lammps_jobs.engine.memory.process import WORD, Unknown
from lammps_jobs.engine.memory.walk import Walk

CARRIED = ("Update", "Output", "Domain", "Force", "Group")
FOREIGN = ("Atom", "Neighbor", "Comm")
"""Parts with arrays of their own, which other objects point into."""
SHALLOW = ("Domain",)
"""Of the box itself the edges are state; its table of regions is one of named objects."""
BEGIN_ANEW = ("KSpace",)
"""`KSpace::init` chooses grid and splitting by the box and by what `kspace_modify` has said since; between two runs its
arrays may be of another size than those of a process that has set up since then."""
LIST_OF_DUMPS = "_ZN9LAMMPS_NS6Output13get_dump_listEv"
STYLES = ("Pair", "Bond", "Angle", "Dihedral", "Improper")
ONLY_ONES = {"Force": ("KSpace",), "Update": ("Integrate", "Min")}
"""Classes of which a part has one object, of some class that is derived from them."""


def named_objects(lmp: Any) -> tuple[dict[str, int], list[str]]:
    """Every object of LAMMPS that has a name, by name, and the names of those that are state."""
    parts = objects.parts(lmp)
    named = {"LAMMPS": objects.address_of(lmp), **parts}
    carried = [name for name in CARRIED if name in parts]
    variable = _member(parts.get("Input", 0), "Variable")
    if variable:
        named["Variable"] = variable
        carried.append("Variable")
    for kind in objects.BY_ID:
        for name in lmp.available_ids(kind):
            address = objects.by_id(lmp, kind, name, parts)
            if address:
                named[f"{kind} {name}"] = address
                carried.append(f"{kind} {name}")
    for name, address in _styles(parts.get("Force", 0)):
        if name not in named:
            named[name] = address
            carried.append(name)
    for part, kinds in ONLY_ONES.items():
        for kind in kinds:
            address = _derived(parts.get(part, 0), kind)
            if address:
                named[kind] = address
                carried.append(kind)
    return named, carried


def _derived(owner: int, kind: str) -> int:
    for at in range(0, process.block_size(owner) - WORD, WORD):
        address = process.whole(process.word(owner + at))
        if process.class_of(address) and kind in map(objects.plain, process.bases_of(address)):
            return address
    return 0


def _member(owner: int, kind: str) -> int:
    for at in range(0, process.block_size(owner) - WORD, WORD):
        address = process.word(owner + at)
        if process.block_size(address) and objects.plain(process.class_of(address)) == kind:
            return address
    return 0


def _styles(force: int) -> list[tuple[str, int]]:
    """The objects of pair styles, bond styles and so on, those inside hybrid ones too."""
    found: list[tuple[str, int]] = []
    seen = {force}

    def look(owner: int, name: str, depth: int) -> None:
        size = min(process.block_size(owner), 8192)
        for at in range(0, size - WORD + 1, WORD):
            address = process.whole(process.word(owner + at))
            if address in seen or not process.block_size(address):
                continue
            kind = objects.plain(process.class_of(address))
            if kind.startswith(STYLES):
                seen.add(address)
                inner = f"{name}{kind}+{at}"
                found.append((inner, address))
                look(address, f"{inner}/", 0)
            elif not kind and depth == 0 and owner != force:
                seen.add(address)
                look(address, name, 1)

    if force:
        look(force, "", 0)
    return found


def take(lmp: Any, *, before_set_up: bool = False) -> Graph:
    """The graph of all state of LAMMPS's objects on this rank, now. Raises Unknown where it cannot be told.

    `before_set_up`: what comes next sets LAMMPS up, so objects that begin anew there (`BEGIN_ANEW`) are left out.
    """
    if not lmp.has_clean_blocks:
        raise Unknown("what malloc leaves in blocks cannot be told from what LAMMPS has put there")
    named, carried = named_objects(lmp)
    left_out = BEGIN_ANEW if before_set_up else ()
    graph = _walk(lmp, named).graph({name: named[name] for name in carried if name not in left_out})
    graph.build = build_of(lmp)
    return graph


def _walk(lmp: Any, named: dict[str, int]) -> Walk:
    foreign, shallow = ([named[part] for part in parts if part in named] for parts in (FOREIGN, SHALLOW))
    return Walk(named, foreign, shallow, _answers(lmp, named))


def _answers(lmp: Any, named: dict[str, int]) -> list[int]:
    """Where LAMMPS keeps a list that it makes again whenever it is asked for it: looking at it changes it."""
    found = getattr(lmp.lib, LIST_OF_DUMPS, None)
    if found is None or "Output" not in named:
        return []
    found.restype, found.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    return [int(lmp.thread.call(found, named["Output"]))]


def give_back(lmp: Any, stored: Graph) -> Compared:
    """Make LAMMPS's objects what `stored` says; what was different, and what could not be made the same."""
    named, carried = named_objects(lmp)
    walk = _walk(lmp, named)
    new = walk.graph({name: named[name] for name in carried if name not in _left_out(stored)})
    return Overlay(stored, new, named, walk.libraries, partial(lmp.thread.call, process.allocate)).write()


def is_on_a_device(lmp: Any) -> bool:
    """Whether LAMMPS keeps its atoms with KOKKOS, whose memory is not malloc's and may be a GPU's."""
    return any("Kokkos" in process.class_of(address) for address in objects.parts(lmp).values())


def build_of(lmp: Any) -> str:
    """Which build of LAMMPS this is: its version, and where in the library things lie. Memory of one fits no other."""
    places = [process.symbol_offset(lmp.lib, name) for name in ("lammps_open", "lammps_close", LIST_OF_DUMPS)]
    return f"{lmp.version()} {' '.join(map(str, places))}"


def exists(lmp: Any, name: str) -> bool:
    """Whether LAMMPS has an object of that name now."""
    return name in named_objects(lmp)[0]


def prove(lmp: Any, stored: Graph) -> Compared:
    """What of LAMMPS's state is not as `stored` says."""
    return compare(stored, take(lmp, before_set_up=bool(_left_out(stored))))


def _left_out(stored: Graph) -> set[str]:
    return {name for name in BEGIN_ANEW if name not in dict(stored.objects)}
