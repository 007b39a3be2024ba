"""LAMMPS's last rebuild of its neighbour lists: where the atoms were then, in which box, and how long ago it was.

Between two rebuilds, lists and ghost atoms are those of the last one, and much of what LAMMPS's objects hold counts
in them: contacts by their place in a list, clusters and bodies by the number of a ghost. A new process makes the same
lists and ghosts when it sets up with atoms and box as they were then; only afterwards they get their present places.
Class Neighbor keeps those places for its own check (`Neighbor::check_distance`, src/neighbor.cpp).
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import atoms, objects, process
from lammps_jobs.engine.memory.process import WORD, Unknown

_SEARCHED = 1 << 10
"""Bytes from the beginning of class Neighbor in which its settings and counters are looked for."""
_MARK = 123_454_321
"""A number that is written into a place for a moment, to see whether LAMMPS then says it."""
OTHERWISE = "class Neighbor is laid out in another way"
_INT = 4
_ROW = 3 * WORD
_ROUNDING = 1e-12
"""Share of the edge of a tilted box by which places change when LAMMPS says them in fractions of it, and back."""
_CORNERS = 8
_SET_BOX = tuple(f"_ZN9LAMMPS_NS6Domain{name}Ev" for name in ("14set_global_box", "13set_local_box"))
"""Methods of class Domain that work out all else of the box from its edges, as `lammps_reset_box` has them do."""
_EDGES = {"boxlo": 3, "boxhi": 3, "xy": 1, "yz": 1, "xz": 1}
"""What `lammps_extract_global` says of the box: numbers each."""

Box = NDArray[np.float64]
"""Low edges, high edges, xy, yz, xz: shape (9,), in the distance units of the run."""


@dataclass
class LastBuild:
    """What a set-up needs to make the lists and ghosts that LAMMPS has now."""

    x: NDArray[np.float64]
    """Positions at the last rebuild of the atoms that this rank owns, shape (atoms, 3)."""
    box: Box
    counters: NDArray[np.int64]
    """Steps since then; rebuilds of this run, dangerous ones among them; the timestep of the last one; the timestep
    from which on the next one sorts the atoms."""
    ghosts: NDArray[np.int64]
    """How many ghost atoms this rank has had since then, and a checksum of their IDs in their order."""

    @classmethod
    def take(cls, lmp: Any) -> LastBuild:
        """Raises Unknown where LAMMPS does not keep it, or keeps it where we do not find it."""
        counters, is_kept = cls.look(lmp)
        present = atoms.positions(lmp)
        if is_kept:  # also right after a rebuild: a fix may have moved atoms and box at the end of that step
            return cls(_kept_positions(lmp, len(present)), _kept_box(lmp), counters, _ghosts(lmp))
        return cls(present.copy(), _box(lmp), counters, _ghosts(lmp))

    @classmethod
    def look(cls, lmp: Any) -> tuple[NDArray[np.int64], bool]:
        """The counters, and whether LAMMPS keeps where the atoms were. Raises Unknown where nobody can tell."""
        ints, longs = _counters_at(lmp)
        ago = int(lmp.extract_setting("neigh_ago"))
        counters = np.array([ago, *map(_signed, (longs, longs + WORD, longs + 2 * WORD, _nextsort_at(lmp)))], np.int64)
        is_for_one_group = _int(ints + 3 * _INT) != 0  # `neigh_modify include`, which follows `page` and `one`
        is_kept = bool(lmp.extract_setting("neigh_dist_check")) and not is_for_one_group
        if ago and not is_kept:
            raise Unknown("LAMMPS does not keep where the atoms were at the last rebuild (neigh_modify check no)")
        return counters, is_kept

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            for array in (self.x, self.box, self.counters, self.ghosts):
                np.save(file, array)

    @classmethod
    def load(cls, path: Path) -> LastBuild:
        """Raises ValueError or EOFError when the file is torn."""
        with path.open("rb") as file:
            return cls(*(np.load(file, allow_pickle=False) for _ in range(4)))

    def lay(self, lmp: Any) -> None:
        """Put atoms and box where they were, for the set-up to come. Raises Unknown."""
        x = atoms.positions(lmp)
        if x.shape != self.x.shape:
            raise Unknown("a rank holds other atoms")
        x[...] = self.x
        if not np.array_equal(self.box, _box(lmp)):
            _put_box(lmp, self.box)

    def count(self, lmp: Any) -> None:
        """After the set-up: have LAMMPS count as if that rebuild had been the last one. Raises Unknown."""
        ints, longs = _counters_at(lmp)
        ago, *others = self.counters.tolist()
        process.write(ints, int(ago).to_bytes(_INT, "little", signed=True))
        for place, value in zip((longs, longs + WORD, longs + 2 * WORD, _nextsort_at(lmp)), others, strict=True):
            process.write(place, int(value).to_bytes(WORD, "little", signed=True))

    def differs(self, lmp: Any) -> bool:
        """Whether LAMMPS has now made its lists otherwise: elsewhere, in another box, or with other ghosts."""
        try:
            now = LastBuild.take(lmp)
        except Unknown:
            return True
        rounding = _ROUNDING * float(np.max(self.box[3:6] - self.box[:3])) if lmp.extract_setting("triclinic") else 0.0
        is_same = self.x.shape == now.x.shape and np.allclose(self.x, now.x, rtol=0.0, atol=rounding)
        is_same = is_same and np.allclose(self.box, now.box, rtol=0.0, atol=rounding)
        return not (is_same and (self.counters == now.counters).all() and (self.ghosts == now.ghosts).all())


def _neighbor(lmp: Any) -> int:
    address = objects.parts(lmp).get("Neighbor", 0)
    if process.class_of(address) != "8Neighbor":
        raise Unknown("LAMMPS's neighbour lists are those of an accelerator")
    return address


def _counters_at(lmp: Any) -> tuple[int, int]:
    """Where class Neighbor has `ago`, and where `ncalls`, `ndanger` and `lastcall`, which follow each other.

    LAMMPS says what they are; which of the numbers that are the same are meant, it says when they are changed.
    """
    base = _neighbor(lmp)
    size = min(_SEARCHED, process.block_size(base))
    ago = int(lmp.extract_setting("neigh_ago"))
    settings = [int(lmp.extract_setting(f"neigh_{name}")) for name in ("every", "delay", "dist_check")] + [ago]
    counts = [int(lmp.get_thermo("nbuild")), int(lmp.get_thermo("ndanger")), int(lmp.extract_global("ntimestep")) - ago]
    start = process.read(base, size // WORD * WORD) or b""
    ints = [base + _INT * (at + 3) for at in _places(np.frombuffer(start, np.int32), settings)]
    longs = [base + WORD * at for at in _places(np.frombuffer(start, np.int64), counts)]
    return (
        _meant(ints, _INT, ago, lambda: int(lmp.extract_setting("neigh_ago"))),
        _meant(longs, WORD, counts[0], lambda: int(lmp.get_thermo("nbuild"))),
    )


def _nextsort_at(lmp: Any) -> int:
    get = lmp.lib.lammps_extract_global
    get.restype = ctypes.c_void_p
    return int(get(lmp.lmp, b"nextsort"))


def _places(among: NDArray[Any], wanted: Sequence[int]) -> list[int]:
    """Where the numbers `wanted` follow each other."""
    windows = np.lib.stride_tricks.sliding_window_view(among, len(wanted))
    return [int(at) for at in np.flatnonzero((windows == np.array(wanted)).all(axis=1))]


def _meant(places: Iterable[int], size: int, value: int, said: Callable[[], int]) -> int:
    """Which of the `places` that hold `value` is the one that LAMMPS speaks of. Raises Unknown."""
    for place in places:
        try:
            process.write(place, _MARK.to_bytes(size, "little"))
            if said() == _MARK:
                return place
        finally:
            process.write(place, value.to_bytes(size, "little", signed=True))
    raise Unknown(OTHERWISE)


def _kept_positions(lmp: Any, count: int) -> NDArray[np.float64]:
    rows, _, size = _kept(lmp)
    if size < count:
        raise Unknown("class Neighbor keeps other atoms' places")
    return np.frombuffer(process.read(rows, count * _ROW) or b"", np.float64).reshape(-1, 3)


def _kept(lmp: Any) -> tuple[int, int, int]:
    """Where the kept positions lie, where class Neighbor points to them, and for how many atoms there is room."""
    get = getattr(lmp.lib, "_ZN9LAMMPS_NS8Neighbor9get_xholdEv", None)
    base = _neighbor(lmp)
    if get is None:
        raise Unknown("this build of LAMMPS does not say where the atoms were at the last rebuild")
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    table = int(get(base) or 0)
    size = process.block_size(base)
    words = np.frombuffer(process.read(base, size // WORD * WORD) or b"", np.uint64)
    found = np.flatnonzero(words == table)
    if not table or len(found) != 1:
        raise Unknown(OTHERWISE)
    at = base + WORD * int(found[0])
    rows, room = process.word(table), _int(at + WORD)
    if not 0 < room * _ROW <= process.block_size(rows):
        raise Unknown(OTHERWISE)
    return rows, at, room


def _kept_box(lmp: Any) -> Box:
    """The box at the last rebuild, which LAMMPS keeps where the box may change in a run.

    In class Neighbor (src/neighbor.h) the pointer to the positions is followed by their number, whether the box is
    kept, and the box: low and high edges, or where it is tilted eight corners.
    """
    _, at, _ = _kept(lmp)
    is_kept, present = _int(at + WORD + _INT), _box(lmp)
    if not is_kept:
        return present
    kept = np.frombuffer(process.read(at + 2 * WORD, (6 + 3 * _CORNERS) * WORD) or b"", np.float64)
    if not lmp.extract_setting("triclinic"):
        box = np.concatenate([kept[:6], present[6:]])
    else:
        origin, x, y, _, z = kept[6:].reshape(_CORNERS, 3)[:5]
        high = np.array([x[0], y[1], z[2]])
        box = np.array([*origin, *high, y[0] - origin[0], z[1] - origin[1], z[0] - origin[0]])
    edge = float(np.max(present[3:6] - present[:3]))
    if is_kept != 1 or not np.isfinite(box).all() or np.abs(box - present).max() > edge:
        raise Unknown(OTHERWISE)
    return box


def _box(lmp: Any) -> Box:
    return np.concatenate([_edges(lmp, name) for name in _EDGES])


def _put_box(lmp: Any, box: Box) -> None:
    at = 0
    for name, count in _EDGES.items():
        _edges(lmp, name)[...] = box[at : at + count]
        at += count
    domain = objects.parts(lmp).get("Domain", 0)
    for method in _SET_BOX:
        call = getattr(lmp.lib, method, None)
        if call is None or not domain:
            raise Unknown("class Domain is laid out in another way")
        call.restype, call.argtypes = None, [ctypes.c_void_p]
        lmp.thread.call(call, domain)


def _edges(lmp: Any, name: str) -> NDArray[np.float64]:
    """LAMMPS's own numbers."""
    get = lmp.lib.lammps_extract_global
    get.restype = ctypes.c_void_p
    content = (ctypes.c_char * (_EDGES[name] * WORD)).from_address(get(lmp.lmp, name.encode()))
    return np.frombuffer(memoryview(content), np.float64)


def _ghosts(lmp: Any) -> NDArray[np.int64]:
    """Their number, and a checksum of their IDs, which lie behind those of the atoms that the rank owns."""
    own, count = (int(lmp.extract_global(name) or 0) for name in ("nlocal", "nghost"))
    get = lmp.lib.lammps_extract_atom
    get.restype = ctypes.c_void_p
    size, first = int(lmp.extract_setting("tagint")), get(lmp.lmp, b"id")
    ids = process.read(first + own * size, count * size) if first and count else b""
    return np.array([count, zlib.crc32(ids or b"")], np.int64)


def _int(address: int) -> int:
    return int.from_bytes(process.read(address, _INT) or b"", "little", signed=True)


def _signed(address: int) -> int:
    return int.from_bytes(process.read(address, WORD) or b"", "little", signed=True)
