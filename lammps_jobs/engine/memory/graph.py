"""Objects of LAMMPS as a graph of blocks: what each of them owns, with every pointer said as what it points to.

So said, the same state is the same graph in any process, wherever malloc put it: a graph can be compared, stored, and
laid over the objects that another process has made. A word is a pointer when it leads into mapped memory; it leads
into a block of the same object, into another object that has a name, into a library, or elsewhere, which cannot be
said of another process. All other words are data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


class Kind(IntEnum):
    """What a pointer leads to."""

    OWN = 0
    """(block, byte): a block of the same graph."""
    NAMED = 1
    """(name, byte): the first block of an object with a name."""
    LIBRARY = 2
    """(name, byte): a file of code, counted from where it is loaded."""
    ELSEWHERE = 3
    """What cannot be said of another process: another object's array, an open file, a stack."""


KNOWN, NOWHERE = -1, -2
"""In place of the target of an ELSEWHERE: a living block of others, or no block that is known. The latter is nearly
always a leftover: an array of pointers has room for more of them than its owner has put there."""


@dataclass
class Block:
    """One block of malloc: its place in this process, its words, and which of these are pointers."""

    address: int
    owner: int
    """Which of the graph's objects it was found through."""
    words: Words
    at: NDArray[np.uint32]
    """Indices of the words that are pointers."""
    kind: NDArray[np.uint8]
    target: NDArray[np.int32]
    """Index of a block or of a name, as `kind` says."""
    offset: NDArray[np.int64]


COLUMNS = {"words": np.uint64, "at": np.uint32, "kind": np.uint8, "target": np.int32, "offset": np.int64}
"""The arrays of a block, in this order."""


@dataclass
class Graph:
    """Some objects (`objects`: name and class), and all blocks that they own; block i < len(objects) is object i."""

    objects: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Names that pointers of the kinds NAMED and LIBRARY refer to."""
    unseen: list[str] = field(default_factory=list)
    """Objects that were not followed to their end."""
    build: str = ""
    """Which build of LAMMPS the objects are of."""
    missing: str = ""
    """Why there are none."""

    def save(self, path: Path) -> None:
        lengths = [(b.owner, len(b.words), len(b.at)) for b in self.blocks]
        meta = {"objects": self.objects, "names": self.names, "unseen": self.unseen, "build": self.build,
                "missing": self.missing}  # fmt: skip
        with path.open("wb") as file:
            np.save(file, np.frombuffer(json.dumps(meta).encode(), np.uint8))
            np.save(file, np.array(lengths, np.int64).reshape(-1, 3))
            for column, dtype in COLUMNS.items():
                arrays = [getattr(block, column) for block in self.blocks]
                np.save(file, np.concatenate(arrays) if arrays else np.zeros(0, dtype))

    @classmethod
    def load(cls, path: Path) -> Graph:
        """Raises ValueError or EOFError when the file is torn."""
        with path.open("rb") as file:
            meta, lengths, *columns = (np.load(file, allow_pickle=False) for _ in range(2 + len(COLUMNS)))
        graph = cls(**json.loads(meta.tobytes()))
        graph.objects = [(name, kind) for name, kind in graph.objects]
        word, link = 0, 0
        for owner, size, links in lengths.tolist():
            words, pointers = slice(word, word + size), slice(link, link + links)
            graph.blocks.append(Block(0, owner, columns[0][words], *(column[pointers] for column in columns[1:])))
            word, link = word + size, link + links
        return graph


def empty(address: int, owner: int) -> Block:
    """A block that has not been read yet."""
    return Block(address, owner, *(np.zeros(0, dtype) for dtype in COLUMNS.values()))
