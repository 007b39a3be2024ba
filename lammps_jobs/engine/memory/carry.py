"""State from one process laid over the objects of another, block by block, and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import process
from lammps_jobs.engine.memory.graph import Block, Graph, Kind
from lammps_jobs.engine.memory.process import WORD

_HANDLE, _HANDLE_KINDS = np.uint32(0xFFFFF000), (0x44000000, 0x84000000, 0xC4000000)
"""MPICH's handles are 32-bit numbers of these kinds with a small index (mpir_objects.h): names of one process alone."""


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

    def _pair_below(self, root: int, taken: set[int]) -> None:
        pending = [root]
        while pending:
            number = pending.pop()
            at = self.partner[number]
            theirs = _starts(self.new.blocks[at]) if at >= 0 else {}
            for word, target in _starts(self.old.blocks[number]).items():
                candidate = theirs.get(word, -1)
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


def _starts(block: Block) -> dict[int, int]:
    """By the index of a word: the block of the same graph to whose begin it points."""
    chosen = (block.kind == Kind.OWN) & (block.offset == 0)
    return dict(zip(block.at[chosen].tolist(), block.target[chosen].tolist(), strict=True))


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
    count = int(differs.sum())
    their_links = dict(zip(theirs.at.tolist(), range(len(theirs.at)), strict=True))
    for k, word in enumerate(mine.at.tolist()):
        if mine.kind[k] == Kind.ELSEWHERE:
            continue
        at = their_links.get(word)
        if at is None or (theirs.kind[at] != Kind.ELSEWHERE and not _same_link(mine, k, theirs, at, pairing)):
            count += 1
    return count


def _fits(block: Block, other: Block) -> bool:
    """Whether another block is as large: what is not used of a block is room that its owner counts on."""
    return len(block.words) <= len(other.words)


def _cut(block: Block, size: int) -> Block:
    inside = block.at < size
    return Block(
        block.address, block.owner, block.words[:size], block.at[inside], block.kind[inside], block.target[inside],
        block.offset[inside],
    )  # fmt: skip


def _same_link(mine: Block, k: int, theirs: Block, at: int, pairing: Pairing) -> bool:
    if mine.kind[k] != theirs.kind[at] or mine.offset[k] != theirs.offset[at]:
        return False
    target, other = int(mine.target[k]), int(theirs.target[at])
    if mine.kind[k] == Kind.OWN:
        return pairing.partner[target] == other
    return pairing.old.names[target] == pairing.new.names[other]


def _keeps(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Words that stay as the new process has them: they name something of a process, not of the simulation."""
    handles = np.zeros(len(old), bool)
    mine, theirs = (
        words.view(np.uint32).reshape(-1, 2) for words in (np.ascontiguousarray(old), np.ascontiguousarray(new))
    )
    for kind in _HANDLE_KINDS:
        both = ((mine & _HANDLE) == kind) & ((theirs & _HANDLE) == kind)
        handles |= both.any(axis=1)
    return handles


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
        return all(
            kind == Kind.OWN or (kind == Kind.NAMED and self.old.names[target] in self._named)
            or (kind == Kind.LIBRARY and self.old.names[target] in self._libraries)
            for kind, target in zip(block.kind.tolist(), block.target.tolist(), strict=True)
        )  # fmt: skip

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
        is_new = at < 0 or place != self.new.blocks[at].address
        size = len(block.words) if is_new else min(len(block.words), len(self.new.blocks[at].words))
        block = _cut(block, size)
        words = block.words.copy()
        other = _cut(self.new.blocks[at], size) if at >= 0 else None
        known = np.zeros(0, np.uint64) if other is None else other.words
        own = block.kind == Kind.OWN
        words[block.at[own]] = self._place[block.target[own]] + block.offset[own].astype(np.uint64)
        for kind, places in ((Kind.NAMED, self._named), (Kind.LIBRARY, self._libraries)):
            for k in np.flatnonzero(block.kind == kind).tolist():
                base = places.get(self.old.names[int(block.target[k])])
                word = int(block.at[k])
                if base is not None:
                    words[word] = base + int(block.offset[k])
                elif word < len(known):
                    words[word] = known[word]
        if other is None:
            words[block.at[block.kind == Kind.ELSEWHERE]] = 0
        else:
            span = len(known)
            stays = np.zeros(size, bool)
            elsewhere = block.at[(block.kind == Kind.ELSEWHERE) & (block.at < span)]
            stays[elsewhere] = True
            stays[other.at[other.kind == Kind.ELSEWHERE]] = True
            stays[block.at[block.kind != Kind.ELSEWHERE]] = False
            is_data = np.ones(size, bool)
            is_data[block.at] = False
            stays[:span] |= is_data[:span] & _keeps(block.words[:span], known)
            words[:span][stays[:span]] = known[stays[:span]]
        changed = size - len(known) if is_new else 0
        changed += int((words[: len(known)] != known).sum())
        if changed:
            process.write(place, words.tobytes())
        return changed
