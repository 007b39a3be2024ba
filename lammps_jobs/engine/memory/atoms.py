"""The atoms of one rank in their order: every per-atom array that LAMMPS gives out by name, or knows by one."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import per_atom, topology
from lammps_jobs.engine.memory.division import Part

NAMES = (
    "id", "type", "mask", "image", "x", "v", "f", "molecule", "q", "mu", "omega", "angmom", "torque", "radius", "rmass",
    "vfrac", "s0", "x0", "sp", "fm", "espin", "spin", "eradius", "ervel", "erforce", "rho", "drho", "e", "de", "desph",
    "esph", "cv", "vest", "contact_radius", "smd_data_9", "smd_stress", "eff_plastic_strain",
    "eff_plastic_strain_rate", "damage", "dpdTheta", "edpd_temp", "area", "ed", "em", "epsilon", "curvature",
    "q_unscaled", "temperature", "heatflow",
)  # fmt: skip
"""What `Atom::extract` knows (src/atom.cpp); the ones that a run's atom style has not are left out."""
AT_BORDERS = ("type", "mask", "molecule", "q", "radius", "rmass", "area", "ed", "em", "epsilon", "curvature")
"""What ghosts are told of an atom only when the neighbour lists are built, so that theirs may be older than its own: a
fix that changes charges or diameters (adapt, adapt/fep, set), a group that is dynamic. (src/atom_vec*.cpp, the fields
`border` that are not in `comm`.) So are arrays of `fix property/atom ... ghost yes`."""
OF_GHOSTS = " of ghosts"
_NONE = np.zeros(1)
_COLUMNS = 5
"""For `lammps_extract_atom_size`: columns (src/library.h)."""
_TYPES: dict[int, tuple[str, int]] = {
    0: ("i4", 1),
    1: ("i4", 2),
    2: ("f8", 1),
    3: ("f8", 2),
    4: ("i8", 1),
    5: ("i8", 2),
}
"""By the number that `lammps_extract_atom_datatype` gives (src/library.h): the type, and 1 or 2 dimensions."""


@contextmanager
def all_inside(lmp: Any, part: Part | None = None) -> Iterator[None]:
    """Meanwhile every atom is inside its rank's part of the box, or inside `part` (`put_inside`)."""
    x = _view(lmp, "x")
    before = None if x is None else x.copy()
    put_inside(lmp, part)
    try:
        yield
    finally:
        if x is not None:
            x[...] = before


@dataclass
class Atoms:
    """Arrays of shape (atoms,) or (atoms, columns), in the units of the run."""

    arrays: dict[str, NDArray[Any]]

    @classmethod
    def take(cls, lmp: Any) -> Atoms:
        given = {name: view.copy() for name, view in _views(lmp).items()}
        return cls(given | topology.types_of(lmp))

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, np.array(list(self.arrays)))
            for array in self.arrays.values():
                np.save(file, array)

    @classmethod
    def load(cls, path: Path) -> Atoms:
        """Raises ValueError or EOFError when the file is torn."""
        with path.open("rb") as file:
            return cls({str(name): np.load(file) for name in np.load(file)})

    def place(self, lmp: Any, x: NDArray[np.float64] | None = None) -> Literal["same", "moved"]:
        """Whether this rank holds the same atoms in the same order. `x`: where they are to be found now."""
        mine, present = self.arrays.get("id"), _view(lmp, "id")
        if mine is None or present is None or not mine.any():  # atoms without IDs: their places have to do
            mine, present = self.arrays.get("x", np.zeros((0, 3))) if x is None else x, _view(lmp, "x")
        if present is None:
            return "same" if not len(mine) else "moved"
        return "same" if np.array_equal(mine, present) else "moved"

    def without_ghosts(self) -> Atoms:
        """These, where LAMMPS has other ghosts, or none: it tells them anew of all."""
        return Atoms({name: array for name, array in self.arrays.items() if not name.endswith(OF_GHOSTS)})

    def write(self, lmp: Any) -> None:
        for name, view in _views(lmp).items():
            array = self.arrays.get(name)
            if array is not None and view.shape == array.shape:
                view[...] = array

    def differing(self, lmp: Any) -> list[str]:
        """Names of the arrays that are not as they were, to the last bit."""
        found, views = [], _views(lmp) | topology.types_of(lmp)
        for name, array in self.arrays.items():
            view = views.get(name)
            if view is None or view.shape != array.shape or view.tobytes() != array.tobytes():
                found.append(f"atoms' {name}")
        return found


def positions(lmp: Any) -> NDArray[np.float64]:
    """LAMMPS's own positions of the atoms that this rank owns, shape (atoms, 3)."""
    x = _view(lmp, "x")
    return np.zeros((0, 3)) if x is None else x


EDGE = 1e-10
"""Share of a rank's part of the box by which atoms that have left it are put inside."""


def put_back(lmp: Any, stored: Iterable[Path]) -> None:
    """Give atoms that were put inside for a restart file their places again (`put_where_they_were`).

    `stored`: what each rank stored of its atoms (`Atoms.save`). One rank puts none inside. Raises ValueError or
    EOFError when a file is torn.
    """
    put_where_they_were(lmp, [Atoms.load(path) for path in stored])


def put_where_they_were(lmp: Any, ranks: list[Atoms]) -> None:
    """Give atoms the places that they have in `ranks`, by their IDs, wherever they are now; one rank has no need."""
    there = [stored.arrays for stored in ranks]
    x, present = _view(lmp, "x"), _view(lmp, "id")
    if len(there) < 2 or x is None or present is None or not all(arrays.get("id", _NONE).all() for arrays in there):
        return
    ids, places = (np.concatenate([arrays[name] for arrays in there]) for name in ("id", "x"))
    order = np.argsort(ids)
    at = order[np.searchsorted(ids, present, sorter=order).clip(max=len(ids) - 1)]
    known = ids[at] == present
    x[known] = places[at[known]]


def put_inside(lmp: Any, part: Part | None = None) -> None:
    """Move the atoms that have left their rank's part of the box since the last rebuild, or `part`, just inside.

    So they stay with their rank, and in their order, when LAMMPS reads a restart file or sets up; where they were, they
    are to be written back.
    """
    x = _view(lmp, "x")
    if x is None or not len(x):
        return
    low, high, xy, yz, xz, _, _ = lmp.extract_box()
    origin, lengths = np.array(low), np.array(high) - np.array(low)
    tilted = np.array([[lengths[0], 0, 0], [xy, lengths[1], 0], [xz, yz, lengths[2]]])
    is_tilted = bool(lmp.extract_setting("triclinic"))
    names = ("sublo_lambda", "subhi_lambda") if is_tilted else ("sublo", "subhi")
    first, last = part or (np.array(lmp.extract_global(name)) for name in names)
    if part and not is_tilted:
        first, last = origin + first * lengths, origin + last * lengths
    where = (x - origin) @ np.linalg.inv(tilted) if is_tilted else x
    margin = EDGE * (last - first)
    inside = np.clip(where, first + margin, last - margin)
    left = ((where < first) | (where >= last)).any(axis=1)
    x[left] = (inside @ tilted + origin if is_tilted else inside)[left]


def _views(lmp: Any) -> dict[str, NDArray[Any]]:
    own = tuple(per_atom.own_names(lmp))
    given = {name: view for name in (*NAMES, *own) if (view := _view(lmp, name)) is not None}
    ghosts = {f"{name}{OF_GHOSTS}": _view(lmp, name, of_ghosts=True) for name in (*AT_BORDERS, *own) if name in given}
    return per_atom.views(lmp) | given | {name: view for name, view in ghosts.items() if view is not None}


def _view(lmp: Any, name: str, *, of_ghosts: bool = False) -> NDArray[Any] | None:
    """LAMMPS's own array, for the atoms that this rank owns, or for its ghosts, behind them; None if it has none."""
    kind = int(lmp.extract_atom_datatype(name))
    if kind not in _TYPES:
        return None
    letters, dimensions = _TYPES[kind]
    count, ghosts = (int(lmp.extract_global(one) or 0) for one in ("nlocal", "nghost"))
    columns = int(lmp.extract_atom_size(name, _COLUMNS)) if dimensions == 2 else 1
    get = lmp.lib.lammps_extract_atom
    get.restype = ctypes.c_void_p
    pointer = get(lmp.lmp, name.encode())
    if dimensions == 2 and pointer:
        pointer = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_void_p))[0]
    if not pointer:
        return None
    first, rows = (count, ghosts) if of_ghosts else (0, count)
    shape = (rows, columns) if dimensions == 2 else (rows,)
    size = columns * np.dtype(letters).itemsize
    if not rows * size:
        return np.zeros(shape, letters)
    memory = (ctypes.c_char * (rows * size)).from_address(int(pointer) + first * size)
    return np.frombuffer(memoryview(memory), letters).reshape(shape)
