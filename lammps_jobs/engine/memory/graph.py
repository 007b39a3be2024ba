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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import process
from lammps_jobs.engine.memory.process import WORD, Mapping

Words = NDArray[np.uint64]
MOST_BLOCKS = 20_000
"""Blocks of one object; one with more is not followed any further, and counts as not seen."""
MACHINERY = ("9Irregular",)
"""Classes of LAMMPS whose objects only move data between ranks, with buffers that they make and free as they do."""
LIBRARIES = ("_ZTV18colvarproxy_lammps",)
"""Virtual tables of whole libraries inside LAMMPS with streams and files of their own, of which memory is but a part:
whoever owns one takes up again what it has put into the restart file."""
_VECTOR = 3
"""Words of an std::vector: its begin, its end, the end of its room."""
_STRUCTS = 4096
"""Bytes up to which a block may be some structs with pointers between numbers."""
_FILE_SIZE, _FILE_TABLE = 0x1D8, 0xD8
"""Of a FILE of glibc: its bytes, and where the pointer to its functions lies, which are in libc."""


_MAP_SIZE, _NODE_SIZE, _SEVERAL = 56, 72, 8
"""Of libstdc++'s std::map from a string to a pointer: usable bytes of the block of its head (five words and a
comparison) and of a node (four words, the string, the pointer), and from how many entries on it is taken for one."""


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
            np.savez(
                file,
                meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
                blocks=np.array(lengths, np.int64).reshape(-1, 3),
                words=_joined([b.words for b in self.blocks], np.uint64),
                at=_joined([b.at for b in self.blocks], np.uint32),
                kind=_joined([b.kind for b in self.blocks], np.uint8),
                target=_joined([b.target for b in self.blocks], np.int32),
                offset=_joined([b.offset for b in self.blocks], np.int64),
            )

    @classmethod
    def load(cls, path: Path) -> Graph:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            graph = cls(
                [(name, kind) for name, kind in meta["objects"]], [], meta["names"], meta["unseen"], meta["build"],
                meta["missing"],
            )  # fmt: skip
            words, at, kind = stored["words"], stored["at"], stored["kind"]
            target, offset = stored["target"], stored["offset"]
            word, link = 0, 0
            for owner, size, links in stored["blocks"].tolist():
                cut = slice(link, link + links)
                graph.blocks.append(
                    Block(0, owner, words[word : word + size], at[cut], kind[cut].copy(), target[cut], offset[cut])
                )
                word, link = word + size, link + links
        return graph


def _joined(arrays: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)


class Walk:
    """One look at the memory of a process that is at rest."""

    def __init__(self, named: dict[str, int], foreign: list[int], shallow: list[int], answers: list[int]) -> None:
        """`named`: every object that has a name, by its address. What is reached through the objects in `foreign` is
        theirs, and ELSEWHERE for all others; so is what is reached through those in `shallow`, of which only the
        numbers in themselves are state. `answers`: vectors that LAMMPS makes again when it is asked for them."""
        self._answers = answers

        self._mapping = Mapping()
        self._lows, self._highs, self._files = self._mapping.table()
        self._names: dict[int, str] = {address: name for name, address in named.items()}
        self._claimed: dict[int, tuple[int, int]] = {}
        """By the address of a block: its size, and its index in the graph or -1."""
        self._intervals: tuple[Words, Words] | None = None
        for address in self._names:
            self._claimed[address] = (process.block_size(address), -2)
        base = named["LAMMPS"]
        self._lammps = (base, base + process.block_size(base))
        for address in [*foreign, *shallow]:
            self._claim(address)

    @property
    def libraries(self) -> dict[str, int]:
        """Where each file of code is loaded, by its name."""
        return {name: base for base, name in self._files.values()}

    # -- what is not ours --------------------------------------------------------------------------

    def _claim(self, root: int) -> None:
        """Mark all that is reached from `root`. Big blocks are marked, not searched: they hold numbers, or rows of
        blocks that are marked by then."""
        queue = [(root, process.block_size(root))]
        while queue:
            address, size = queue.pop()
            content = process.read(address, min(size, 1 << 16))
            if content is None:
                continue
            words = np.frombuffer(content[: len(content) // WORD * WORD], np.uint64)
            if self._is_buffer(address, words):
                continue
            end = 0
            for word in np.unique(words[self._is_mapped(words)]).tolist():
                if word < end or word in self._claimed:
                    continue
                found = process.block_size(word)
                if found:
                    end = word + found
                    self._claimed[word] = (found, -1)
                    if not self._is_registry(word, found):
                        queue.append((word, found))

    def _is_buffer(self, address: int, words: Words) -> bool:
        """Whether a block holds numbers, and what looks like addresses in it are leftovers: it is big, no object, and
        not full of pointers as an array of rows is."""
        if len(words) * WORD <= _STRUCTS or process.class_of(address):
            return False
        used = int(np.count_nonzero(words))
        return 2 * int(np.count_nonzero(self._is_mapped(words))) < used

    def _is_mapped(self, words: Words) -> NDArray[np.bool_]:
        at = np.searchsorted(self._lows, words, side="right") - 1
        return (at >= 0) & (words < self._highs[np.maximum(at, 0)])

    # -- what is ours ------------------------------------------------------------------------------

    def graph(self, objects: dict[str, int]) -> Graph:
        """The graph of these named objects."""
        graph = Graph()
        self._name_index: dict[str, int] = {}
        for number, (name, address) in enumerate(objects.items()):
            graph.objects.append((name, process.class_of(address)))
            self._claimed[address] = (process.block_size(address), number)
            graph.blocks.append(_empty(address, number))
        for number, (name, address) in enumerate(objects.items()):
            before = len(graph.blocks)
            pending = [number]
            if not self._claimed[address][0]:
                graph.unseen.append(name)
                continue
            while pending:
                index = pending.pop()
                pending += self._follow(graph, index)
                if len(graph.blocks) - before > MOST_BLOCKS:
                    graph.unseen.append(name)
                    break
        graph.names = list(self._name_index)
        return graph

    def _follow(self, graph: Graph, index: int) -> list[int]:
        """Read block `index`, and say what its pointers lead to; indices of blocks that were found by it."""
        block = graph.blocks[index]
        size = self._claimed[block.address][0]
        content = process.read(block.address, size // WORD * WORD) or b""
        words = np.frombuffer(content, np.uint64)
        is_pointer = self._is_mapped(words)
        for answer in self._answers:
            if 0 <= answer - block.address < size:
                first = (answer - block.address) // WORD
                is_pointer[first : first + _VECTOR] = False
                words = words.copy()
                words[first : first + _VECTOR] = 0
        at = np.flatnonzero(is_pointer).astype(np.uint32)
        if self._is_buffer(block.address, words):
            self._leave(block, words, at)
            return []
        new: list[int] = []
        kinds, targets, offsets = [], [], []
        inside: tuple[int, int, int] = (block.address, block.address + size, index)
        for word in words[at].tolist():
            if self._lammps[0] <= word < self._lammps[1]:  # each object refers to all parts
                kinds.append(Kind.NAMED)
                targets.append(self._name("LAMMPS"))
                offsets.append(word - self._lammps[0])
                continue
            if inside[0] <= word <= inside[1]:  # the end of a vector is where its block ends
                kinds.append(Kind.OWN)
                targets.append(inside[2])
                offsets.append(word - inside[0])
                continue
            kind, target, offset, found = self._say(graph, word, block.owner)
            if kind is Kind.OWN:
                start = graph.blocks[target].address
                inside = (start, start + self._claimed[start][0], target)
            if found is not None:
                new.append(found)
            kinds.append(kind)
            targets.append(target)
            offsets.append(offset)
        block.words, block.at = words, at
        block.kind, block.target = np.array(kinds, np.uint8), np.array(targets, np.int32)
        block.offset = np.array(offsets, np.int64)
        return new

    def _leave(self, block: Block, words: Words, at: NDArray[np.uint32]) -> None:
        """Take the block as data; what looks like a pointer in it leads ELSEWHERE."""
        block.words, block.at = words, at
        block.kind = np.full(len(block.at), Kind.ELSEWHERE, np.uint8)
        block.target, block.offset = np.full(len(block.at), -1, np.int32), np.zeros(len(block.at), np.int64)

    def _say(  # noqa: PLR0911  one return a kind
        self, graph: Graph, word: int, owner: int
    ) -> tuple[Kind, int, int, int | None]:
        """What `word` leads to: its kind, target and byte, and the index of a block that was found by it."""
        known = self._claimed.get(word)
        if known is None:
            size = process.block_size(word)
            file = self._mapping.file_of(word) if not size else ""
            if size and (self._is_file(word, size) or self._is_registry(word, size) or _is_machinery(word)):
                self._claimed[word] = (size, -1)
                return Kind.ELSEWHERE, -1, 0, None
            if size and process.symbol(process.word(word))[0] in LIBRARIES:
                self._claimed[word] = (size, -1)
                graph.unseen.append(graph.objects[owner][0])
                return Kind.ELSEWHERE, -1, 0, None
            if size:
                index = len(graph.blocks)
                self._claimed[word] = (size, index)
                graph.blocks.append(_empty(word, owner))
                return Kind.OWN, index, 0, index
            if file and file.startswith("/"):
                base, name = self._files[file]
                return Kind.LIBRARY, self._name(name), word - base, None
            return self._inside(graph, word)
        if known[1] >= 0:
            return Kind.OWN, known[1], 0, None
        if word in self._names:
            return Kind.NAMED, self._name(self._names[word]), 0, None
        return Kind.ELSEWHERE, -1, 0, None

    def _inside(self, graph: Graph, word: int) -> tuple[Kind, int, int, int | None]:
        """A pointer into the middle of a block that is known."""
        if self._intervals is None or len(self._claimed) != len(self._intervals[0]):
            starts = sorted(self._claimed)
            sizes = [self._claimed[start][0] for start in starts]
            self._intervals = np.array(starts, np.uint64), np.array(sizes, np.uint64)
        at = int(np.searchsorted(self._intervals[0], np.uint64(word), side="right")) - 1
        if at < 0:
            return Kind.ELSEWHERE, -1, 0, None
        start, size = int(self._intervals[0][at]), int(self._intervals[1][at])
        if not start <= word < start + size:
            return Kind.ELSEWHERE, -1, 0, None
        index = self._claimed[start][1]
        if index >= 0:
            return Kind.OWN, index, word - start, None
        if start in self._names:
            return Kind.NAMED, self._name(self._names[start]), word - start, None
        return Kind.ELSEWHERE, -1, 0, None

    def _name(self, name: str) -> int:
        return self._name_index.setdefault(name, len(self._name_index))

    def _is_registry(self, address: int, size: int) -> bool:
        """Whether an std::map lies there that names functions of a library: what LAMMPS knows how to make. It is
        the same in every process, and its hundreds of nodes are not worth a look."""
        if size == _NODE_SIZE and self._is_code(process.word(address + _NODE_SIZE - WORD)):
            return True
        if size != _MAP_SIZE:
            return False
        root = process.word(address + 16)
        is_big = _SEVERAL < process.word(address + 40) < MOST_BLOCKS
        if not is_big or process.block_size(root) < _NODE_SIZE or process.word(root + WORD) != address + WORD:
            return False
        return self._is_code(process.word(root + _NODE_SIZE - WORD))

    def _is_code(self, address: int) -> bool:
        return bool(self._mapping.file_of(address)) and process.symbol(address)[1] == 0

    def _is_file(self, address: int, size: int) -> bool:
        if size < _FILE_SIZE:
            return False
        file = self._mapping.file_of(process.word(address + _FILE_TABLE))
        return bool(file and "/libc" in file)


def _is_machinery(address: int) -> bool:
    """Whether an object only moves data between ranks, with buffers that it makes and frees whenever it does."""
    return process.class_of(address) in MACHINERY


def _empty(address: int, owner: int) -> Block:
    """A block that has not been read yet."""
    words, at, kind = np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint8)
    return Block(address, owner, words, at, kind, np.zeros(0, np.int32), np.zeros(0, np.int64))
