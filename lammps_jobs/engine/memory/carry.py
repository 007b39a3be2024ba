"""State from one process laid over the objects of another, block by block, and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import process
from lammps_jobs.engine.memory.graph import NOWHERE, Block, Graph, Kind, Words
from lammps_jobs.engine.memory.process import WORD

_HANDLE, _HANDLE_KINDS = np.uint32(0xFFFFF000), (0x44000000, 0x84000000, 0xC4000000)
"""MPICH's handles of communicators are 32-bit numbers of these kinds with a small index (mpir_objects.h): names of one
process alone. The first few that are made are of the second kind, all others of the third."""


@dataclass
class Compared:
    """How two graphs of the same objects compare, by the name of the object."""

    changed: Counter[str] = field(default_factory=Counter)
    """Words that differ."""
    missing: list[str] = field(default_factory=list)
    """Objects that one side does not have, or whose graph could not be followed or laid over."""

    @property
    def differing(self) -> list[str]:
        return sorted({*self.changed, *self.missing})


class Pairing:
    """The blocks of `old` beside those of `new`, reached on the same way from objects of the same name and class."""

    def __init__(self, old: Graph, new: Graph) -> None:
        self.old, self.new = old, new
        self.partner: list[int] = [-1] * len(old.blocks)
        """By the index of an old block: that of the new one, or -1."""
        self.missing: list[str] = list(old.unseen)
        self.reached: set[int] = set(range(len(old.objects)))
        """Old blocks to which an address leads that is no leftover."""
        index = {name: number for number, (name, _) in enumerate(new.objects)}
        taken: set[int] = set(range(len(new.objects)))
        for number, (name, kind) in enumerate(old.objects):
            at = index.get(name, -1)
            if at < 0 or new.objects[at][1] != kind or name in new.unseen:
                self.missing.append(name)
                continue
            self.partner[number] = at
        for number in range(len(old.objects)):
            if self.partner[number] >= 0:
                self._pair_below(number, taken)
        names = {name: number for number, name in enumerate(new.names)}
        self._blocks = np.array(self.partner, np.int64)
        self._names = np.array([names.get(name, -2) for name in old.names], np.int64)

    def counterparts(self, kind: NDArray[np.uint8], target: NDArray[np.int32]) -> NDArray[np.int64]:
        """What the targets of old pointers are called in the new graph."""
        is_own = kind == Kind.OWN
        found = np.full(len(kind), -2, np.int64)
        found[is_own] = self._blocks[target[is_own]]
        found[~is_own] = self._names[target[~is_own]]
        return found

    def _pair_below(self, root: int, taken: set[int]) -> None:
        pending = [root]
        while pending:
            number = pending.pop()
            at = self.partner[number]
            theirs = _starts(self.new.blocks[at]) if at >= 0 else {}
            for word, (target, offset) in _starts(self.old.blocks[number]).items():
                candidate, other = theirs.get(word, (-1, 0))
                if other != offset:
                    candidate = -1
                if target < len(self.old.objects):
                    continue
                if self.partner[target] < 0 and candidate not in taken and self._is_alike(target, candidate):
                    self.partner[target] = candidate
                    taken.add(candidate)
                if target not in self.reached:
                    self.reached.add(target)
                    pending.append(target)

    def _is_alike(self, target: int, candidate: int) -> bool:
        """Whether two blocks can be the same thing."""
        return candidate >= 0 and _class(self.old, self.old.blocks[target]) == _class(
            self.new, self.new.blocks[candidate]
        )


def _class(graph: Graph, block: Block) -> tuple[str, int] | None:
    """The table of functions with which an object begins, by file and place; None for what is no object."""
    if not len(block.at) or block.at[0] != 0 or block.kind[0] != Kind.LIBRARY:
        return None
    return graph.names[int(block.target[0])], int(block.offset[0])


def _filled(graph: Graph, block: Block) -> int:
    """How many words of a block have been filled by its owner.

    An array of pointers may have room for more than have been put there: behind those, leftovers lead nowhere.
    """
    leads_nowhere = (block.kind == Kind.ELSEWHERE) & (block.target == NOWHERE)
    first = int(np.argmax(leads_nowhere)) if leads_nowhere.any() else 0
    is_tail = first > 0 and bool(leads_nowhere[first:].all()) and not (block.kind[:first] == Kind.ELSEWHERE).any()
    return int(block.at[first]) if is_tail and not _class(graph, block) else len(block.words)


def _starts(block: Block) -> dict[int, tuple[int, int]]:
    """By the index of a word: the block of the same graph to which it leads, and how far from its begin: to it, or one
    word behind, where an array of objects begins; of a block that is led to in no such way, the first word that is."""
    chosen = (block.kind == Kind.OWN) & ((block.offset == 0) | (block.offset == WORD))
    others = np.flatnonzero((block.kind == Kind.OWN) & ~np.isin(block.target, block.target[chosen]))
    chosen[others[np.unique(block.target[others], return_index=True)[1]]] = True
    columns = (column[chosen].tolist() for column in (block.at, block.target, block.offset))
    return {at: (target, offset) for at, target, offset in zip(*columns, strict=True)}


def compare(old: Graph, new: Graph) -> Compared:
    """What differs between two graphs, pointers said as what they lead to. ELSEWHERE on either side is not compared."""
    pairing = Pairing(old, new)
    found = Compared(missing=sorted(set(pairing.missing)))
    for number, block in enumerate(old.blocks):
        name = old.objects[block.owner][0]
        if name in found.missing:
            continue
        at = pairing.partner[number]
        if number not in pairing.reached:
            continue
        if at < 0 or not _fits(block, new.blocks[at]):
            found.changed[name] += 1
            continue
        count = _differing(block, new.blocks[at], pairing)
        if count:
            found.changed[name] += count
    return found


def _differing(block: Block, other: Block, pairing: Pairing) -> int:
    size = min(len(block.words), len(other.words))
    mine, theirs = _cut(block, size), _cut(other, size)
    differs = (mine.words != theirs.words) & ~_keeps(mine.words, theirs.words)
    differs[mine.at] = False
    differs[theirs.at] = False
    is_said = mine.kind != Kind.ELSEWHERE
    both, here, there = np.intersect1d(mine.at[is_said], theirs.at, assume_unique=True, return_indices=True)
    here = np.flatnonzero(is_said)[here]
    same = (mine.kind[here] == theirs.kind[there]) & (mine.offset[here] == theirs.offset[there])
    same &= pairing.counterparts(mine.kind[here], mine.target[here]) == theirs.target[there]
    same |= theirs.kind[there] == Kind.ELSEWHERE
    return int(differs.sum()) + int(np.count_nonzero(is_said)) - len(both) + int(np.count_nonzero(~same))


def _fits(block: Block, other: Block) -> bool:
    """Whether another block is as large: what is not used of a block is room that its owner counts on."""
    return len(block.words) <= len(other.words)


def _cut(block: Block, size: int) -> Block:
    inside = block.at < size
    return Block(
        block.address, block.owner, block.words[:size], block.at[inside], block.kind[inside], block.target[inside],
        block.offset[inside],
    )  # fmt: skip


def _keeps(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Words that stay as the new process has them: they name something of a process, not of the simulation."""
    mine, theirs = (
        np.isin(np.ascontiguousarray(words).view(np.uint32) & _HANDLE, _HANDLE_KINDS) for words in (old, new)
    )
    both = np.asarray(mine & theirs).reshape(-1, 2)
    return both[:, 0] | both[:, 1]


class Overlay:
    """Makes the objects of this process what `old` says, and `new` what they are now."""

    def __init__(
        self, old: Graph, new: Graph, named: dict[str, int], libraries: dict[str, int], allocate: Callable[[int], int]
    ) -> None:
        """`named`: addresses by name in this process; `libraries`: where each file of code is loaded; `allocate`:
        gives LAMMPS a new block of so many bytes."""
        self.pairing = Pairing(old, new)
        self.old, self.new = old, new
        self._named, self._libraries, self._allocate = named, libraries, allocate
        self.left = set(self.pairing.missing)
        """Objects that are left as they are."""
        self._place = np.zeros(len(old.blocks), np.uint64)

    def write(self) -> Compared:
        """Write what differs; what was different, and what could not be written."""
        self._leave_what_cannot_be_made()
        self._find_places()
        found = Compared(missing=sorted(self.left))
        for number, block in enumerate(self.old.blocks):
            name = self.old.objects[block.owner][0]
            if name in self.left or not self._place[number]:
                continue
            changed = self._write(number, block)
            if changed:
                found.changed[name] += changed
        return found

    def _leave_what_cannot_be_made(self) -> None:
        """Objects that would need a new block with something of another process in it are left as they are."""
        for number, block in enumerate(self.old.blocks):
            if self.pairing.partner[number] < 0 and number in self.pairing.reached and not self._can_be_made(block):
                self.left.add(self.old.objects[block.owner][0])

    def _can_be_made(self, block: Block) -> bool:
        filled = _cut(block, _filled(self.old, block))
        return all(
            self._base(Kind(kind), int(name)) is not None
            for kind in np.unique(filled.kind[filled.kind != Kind.OWN])
            for name in np.unique(filled.target[filled.kind == kind])
        )

    def _base(self, kind: Kind, name: int) -> int | None:
        """Where pointers to something with a name are counted from in this process."""
        places = {Kind.NAMED: self._named, Kind.LIBRARY: self._libraries}.get(kind, {})
        return places.get(self.old.names[name]) if places else None

    def _find_places(self) -> None:
        for number, block in enumerate(self.old.blocks):
            if self.old.objects[block.owner][0] in self.left:
                at = self.pairing.partner[number]
                self._place[number] = self.new.blocks[at].address if at >= 0 else 0
                continue
            at = self.pairing.partner[number]
            if number not in self.pairing.reached:
                continue
            fits = at >= 0 and _fits(block, self.new.blocks[at])
            self._place[number] = self.new.blocks[at].address if fits else self._allocate(len(block.words) * WORD)

    def _write(self, number: int, block: Block) -> int:
        at = self.pairing.partner[number]
        place = int(self._place[number])
        other = self.new.blocks[at] if at >= 0 else None
        is_new = other is None or place != other.address
        size = len(block.words) if is_new or other is None else min(len(block.words), len(other.words))
        block = _cut(block, size)
        known = np.zeros(0, np.uint64) if other is None else other.words[:size]
        words, unsaid = self._said_here(block)
        if other is None:
            words[unsaid] = 0
        else:
            span = len(known)
            stays = np.zeros(span, bool)
            stays[other.at[(other.kind == Kind.ELSEWHERE) & (other.at < span)]] = True
            stays[block.at[block.at < span]] = False
            stays[unsaid[unsaid < span]] = True
            is_data = np.ones(span, bool)
            is_data[block.at[block.at < span]] = False
            stays |= is_data & _keeps(block.words[:span], known)
            words[:span][stays] = known[stays]
        changed = size - len(known) if is_new else 0
        changed += int(np.count_nonzero(words[: len(known)] != known))
        if changed:
            process.write(place, words.tobytes())
        return changed

    def _said_here(self, block: Block) -> tuple[Words, NDArray[np.uint32]]:
        """The block's words with its pointers as they are in this process, and which of them cannot be said here."""
        words = block.words.copy()
        is_said = np.zeros(len(block.at), bool)
        for kind in (Kind.NAMED, Kind.LIBRARY):
            for name in np.unique(block.target[block.kind == kind]):
                base = self._base(kind, int(name))
                if base is not None:
                    chosen = (block.kind == kind) & (block.target == name)
                    words[block.at[chosen]] = np.uint64(base) + block.offset[chosen].astype(np.uint64)
                    is_said |= chosen
        own = np.flatnonzero(block.kind == Kind.OWN)
        own = own[self._place[block.target[own]] != 0]
        words[block.at[own]] = self._place[block.target[own]] + block.offset[own].astype(np.uint64)
        is_said[own] = True
        return words, block.at[~is_said]
