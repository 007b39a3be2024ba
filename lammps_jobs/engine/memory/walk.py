"""The walk through the memory of a process that makes a graph of its objects.

Blocks may hold hundreds of thousands of pointers, one for each atom's row: so pointers are looked up in order of their
address, and all that lead into the same block, or the same library, at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

import numpy as np
from numpy.typing import NDArray

from lammps_jobs.engine.memory import counted, process
from lammps_jobs.engine.memory.graph import KNOWN, NOWHERE, Block, Graph, Kind, Words, empty
from lammps_jobs.engine.memory.process import WORD, Mapping

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
_SEARCHED = 1 << 16
"""Bytes of a block of others' that are searched: what lies behind is numbers, or rows of blocks known by then."""
_COUNTED = ("fix ", "compute ")
"""How the names of objects begin of which arrays that are counted from another number than 0 are looked for. Other
objects have none that outlive a timestep: a kspace style fills its grids anew in each."""
OF_GRIDS = "KSpace"
"""The object whose arrays are nearly all counted so, and none of which outlives a timestep: there a pointer counts only
where it can be nothing else, and what lies behind the others stays as the set-up has made it."""
_HOLDS_ARRAYS = 512
"""Bytes up to which a block of such an object may hold the places of its arrays: the object itself may be larger."""
_FEW, _AT_ONCE = 16, 4096
"""Pointers that are looked at together: not less, and not more."""
_OTHERS, _NAMED = -1, -2
"""In place of the index of a block: it is no part of the graph, or it is an object with a name."""
_Links = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int64]]


class Walk:
    """One look at the memory of a process that is at rest."""

    def __init__(self, named: dict[str, int], foreign: list[int], shallow: list[int], answers: list[int]) -> None:
        """`named`: every object that has a name, by its address. What is reached through the objects in `foreign` is
        theirs, and ELSEWHERE for all others; so is what is reached through those in `shallow`, of which only the
        numbers in themselves are state. `answers`: vectors that LAMMPS makes again when it is asked for them."""
        self._answers = answers
        self._mapping = Mapping()
        self._lows, self._highs, self._files = self._mapping.table()
        self._has_file = self._mapping.has_file()
        self._names: dict[int, str] = {address: name for name, address in named.items()}
        self._name_index: dict[str, int] = {}
        self._starts: list[int] = []
        self._claimed: dict[int, tuple[int, int]] = {}
        """By the address of a block: its size, and its index in the graph, _OTHERS or _NAMED."""
        self._unsaid: list[tuple[Block, NDArray[np.int64]]] = []
        """Pointers that lead into no block that was known when they were met."""
        self._from_elsewhere: dict[tuple[int, int], tuple[int, int]] = {}
        """By block and word: to which block an array's place leads that is counted from another number than 0, and
        how far from its begin."""
        self._certain: set[int] = set()
        """Blocks below such an array."""
        for address in self._names:
            self._put(address, process.block_size(address), _NAMED)
        for address in [*foreign, *shallow]:
            self._claim(address)

    @property
    def libraries(self) -> dict[str, int]:
        """Where each file of code is loaded, by its name."""
        return {name: base for base, name in self._files.values()}

    def _put(self, address: int, size: int, index: int) -> None:
        if address not in self._claimed:
            insort(self._starts, address)
        self._claimed[address] = size, index

    def _block_around(self, address: int) -> tuple[int, int, int] | None:
        """Begin, end and index of the known block that holds `address`, or ends there, as vectors say their end."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        start = self._starts[at]
        size, index = self._claimed[start]
        return (start, start + size, index) if address <= start + size else None

    # -- what is not ours --------------------------------------------------------------------------

    def _claim(self, root: int) -> None:
        """Mark all that is reached from `root`."""
        queue = [(root, process.block_size(root))]
        while queue:
            address, size = queue.pop()
            words = _words(address, min(size, _SEARCHED))
            is_pointer = self._is_mapped(words)
            if self._is_buffer(address, words, is_pointer):
                continue
            pointers: list[int] = np.sort(words[is_pointer]).tolist()
            at = 0
            while at < len(pointers):
                word = pointers[at]
                known = self._block_around(word)
                start, found = (word, 0) if known else process.block_at(word)
                if found:
                    known = start, start + found, _OTHERS
                    self._put(start, found, _OTHERS)
                    if not self._is_registry(start, found):
                        queue.append((start, found))
                at = bisect_right(pointers, known[1], at) if known else at + 1

    def _is_buffer(self, address: int, words: Words, is_pointer: NDArray[np.bool_]) -> bool:
        """Whether a block holds numbers, and what looks like addresses in it are leftovers: it is big, no object, and
        not full of pointers as an array of rows is."""
        if len(words) * WORD <= _STRUCTS or process.class_of(address):
            return False
        return 2 * int(np.count_nonzero(is_pointer)) < int(np.count_nonzero(words))

    def _is_mapped(self, words: Words) -> NDArray[np.bool_]:
        is_mapped: NDArray[np.bool_] = (words >= self._lows[0]) & (words < self._highs[-1])
        some = np.flatnonzero(is_mapped)
        at = np.searchsorted(self._lows, words[some], side="right") - 1
        is_mapped[some] = words[some] < self._highs[at]
        return is_mapped

    # -- what is ours ------------------------------------------------------------------------------

    def graph(self, objects: dict[str, int]) -> Graph:
        """The graph of these named objects."""
        graph = Graph()
        for number, (name, address) in enumerate(objects.items()):
            graph.objects.append((name, process.class_of(address)))
            self._put(address, process.block_size(address), number)
            graph.blocks.append(empty(address, number))
        for number, (name, address) in enumerate(objects.items()):
            before = seen = len(graph.blocks)
            pending, holders = [number], [number]
            if not self._claimed[address][0]:
                graph.unseen.append(name)
                continue
            while pending:
                pending += self._follow(graph, graph.blocks[pending.pop()])
                if len(graph.blocks) - before > MOST_BLOCKS:
                    graph.unseen.append(name)
                    break
                if not pending and name.startswith(_COUNTED):
                    pending += self._look_for_counted(graph, number, [*holders, *range(seen, len(graph.blocks))])
                    seen, holders = len(graph.blocks), pending.copy()
        self._say_the_rest()
        for (number, word), (target, offset) in self._from_elsewhere.items():
            block = graph.blocks[number]
            at = np.searchsorted(block.at, word)
            block.kind[at], block.target[at], block.offset[at] = Kind.OWN, target, offset
        certain = self._certain | {target for target, _ in self._from_elsewhere.values()}
        owners = np.array([block.owner for block in graph.blocks], np.int64)
        for number, block in enumerate(graph.blocks):
            _doubt(graph, number, block, owners, certain)
        graph.names = list(self._name_index)
        return graph

    def _follow(self, graph: Graph, block: Block) -> range:
        """Read a block, and say what its pointers lead to; indices of blocks that were found by it."""
        size = self._claimed[block.address][0]
        words = _words(block.address, size)
        for answer in self._answers:
            if 0 <= answer - block.address < size:
                first = (answer - block.address) // WORD
                words = words.copy()
                words[first : first + _VECTOR] = 0
        is_pointer = self._is_mapped(words)
        block.words, block.at = words, np.flatnonzero(is_pointer).astype(np.uint32)
        if not len(block.at) or self._is_buffer(block.address, words, is_pointer):
            block.kind, block.target, block.offset = _elsewhere(len(block.at))
            return range(0)
        before = len(graph.blocks)
        pointers, back = np.unique(words[block.at], return_inverse=True)
        kind, target, offset = self._say(graph, pointers, block.owner)
        block.kind, block.target, block.offset = kind[back], target[back], offset[back]
        unsaid = np.flatnonzero(block.kind == Kind.ELSEWHERE)
        if len(unsaid):
            self._unsaid.append((block, unsaid))
        return range(before, len(graph.blocks))

    def _look_for_counted(self, graph: Graph, owner: int, holders: list[int]) -> list[int]:
        """Find arrays that are counted from another number than 0; blocks that have not been read yet.

        Nothing is looked for where a pointer leads into a block whose begin the same owner holds: in an object beside
        it (`_follows_its_begin`)."""
        bounds = counted.bounds_of(graph.blocks[owner].words)
        owners = np.array([block.owner for block in graph.blocks], np.int64)
        found: list[int] = []
        for number in holders:
            block = graph.blocks[number]
            if number != owner and len(block.words) * WORD > _HOLDS_ARRAYS:
                continue
            is_own = block.kind == Kind.OWN
            if _is_object(block):
                leads_astray = ~_is_a_begin(block, owners) & ~_follows_its_begin(block)
            else:
                leads_astray = ~is_own | ~np.isin(block.target, block.target[is_own & (block.offset == 0)])
            leads_astray &= (block.kind == Kind.ELSEWHERE) | is_own
            for word in block.at[leads_astray].tolist():
                pointer = int(block.words[word])
                begin = counted.rows_at(pointer, bounds)
                index = self._counted_block(graph, begin, owner, bounds, found) if begin else _OTHERS
                if index >= 0:
                    self._from_elsewhere[number, word] = index, pointer - begin
        return found

    def _counted_block(self, graph: Graph, begin: int, owner: int, bounds: frozenset[int], unread: list[int]) -> int:
        """The index of the block at `begin`, an array of pointers or of numbers; _OTHERS when it is not ours."""
        if begin in self._claimed:
            return max(self._claimed[begin][1], _OTHERS)
        index, size = len(graph.blocks), process.block_size(begin)
        block = empty(begin, owner)
        graph.blocks.append(block)
        self._put(begin, size, index)
        next_level = counted.below(begin, size, bounds)
        target = self._counted_block(graph, next_level, owner, bounds, unread) if next_level else _OTHERS
        if target < 0:
            unread.append(index)
            return index
        block.words = _words(begin, size)
        block.at = np.arange(len(block.words), dtype=np.uint32)
        block.kind = np.full(len(block.at), Kind.OWN, np.uint8)
        block.target = np.full(len(block.at), target, np.int32)
        block.offset = block.words.astype(np.int64) - next_level
        self._certain.add(target)
        return index

    def _say(self, graph: Graph, pointers: Words, owner: int) -> _Links:
        """What each of `pointers`, which ascend, leads to."""
        kind, target, offset = links = _elsewhere(len(pointers))
        addresses: list[int] = pointers.tolist()
        at = 0
        while at < len(addresses):
            word = addresses[at]
            known = self._block_around(word) or self._discover(graph, word, owner)
            if known is None:
                file = self._mapping.file_of(word)
                if not (file and file.startswith("/")):
                    at = self._next_that_may_lead(pointers, addresses, at)
                    continue
                base, name = self._files[file]
                end = bisect_left(addresses, self._mapping.end_of(word), at)
                said = Kind.LIBRARY, self._name(name), base
            else:
                end = bisect_right(addresses, known[1], at)
                said = self._of_block(*known)
            kind[at:end], target[at:end] = said[:2]
            if said[0] != Kind.ELSEWHERE:
                offset[at:end] = pointers[at:end].astype(np.int64) - said[2]
            at = end
        return links

    def _next_that_may_lead(self, pointers: Words, addresses: list[int], at: int) -> int:
        """The index of the next pointer after `at` that may lead anywhere: leftovers come by the thousand."""
        beyond = bisect_right(self._starts, addresses[at])
        end = bisect_left(addresses, self._starts[beyond], at + 1) if beyond < len(self._starts) else len(addresses)
        some = pointers[at + 1 : min(end, at + 1 + _AT_ONCE)]
        if len(some) <= _FEW:
            return at + 1
        has_file = self._has_file[np.searchsorted(self._lows, some, side="right") - 1]
        may_lead = has_file | process.may_lead_to_blocks(some)
        return at + 1 + (int(may_lead.argmax()) if may_lead.any() else len(some))

    def _of_block(self, start: int, _end: int, index: int) -> tuple[Kind, int, int]:
        """What pointers into a known block lead to, and from where they are counted."""
        if index >= 0:
            return Kind.OWN, index, start
        if start in self._names:
            return Kind.NAMED, self._name(self._names[start]), start
        return Kind.ELSEWHERE, KNOWN, 0

    def _discover(self, graph: Graph, word: int, owner: int) -> tuple[int, int, int] | None:
        """The block to whose begin `word` leads and that was not known, if there is one."""
        start, size = process.block_at(word)
        if not size:
            return None
        index = _OTHERS
        if process.symbol(process.word(word))[0] in LIBRARIES:
            graph.unseen.append(graph.objects[owner][0])
        elif not (self._is_file(start, size) or self._is_registry(start, size) or _is_machinery(word)):
            index = len(graph.blocks)
            graph.blocks.append(empty(start, owner))
        self._put(start, size, index)
        return start, start + size, index

    def _say_the_rest(self) -> None:
        """Say the pointers into the middle of blocks that were not known when they were met."""
        starts = np.array(self._starts, np.uint64)
        claims = np.array([self._claimed[start] for start in self._starts], np.int64).reshape(-1, 2)
        for block, unsaid in self._unsaid:
            pointers = block.words[block.at[unsaid]]
            around = np.maximum(np.searchsorted(starts, pointers, side="right") - 1, 0)
            offset = pointers.astype(np.int64) - starts[around].astype(np.int64)
            size, index = claims[around].T
            is_inside = (offset >= 0) & (offset < size)
            block.target[unsaid[is_inside]] = KNOWN
            is_own = is_inside & (index >= 0)
            said = unsaid[is_own]
            block.kind[said], block.target[said], block.offset[said] = Kind.OWN, index[is_own], offset[is_own]

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


def _doubt(graph: Graph, number: int, block: Block, owners: NDArray[np.int64], certain: set[int]) -> None:
    """Say ELSEWHERE of pointers that lead into blocks by chance.

    LAMMPS keeps an array that is counted from `low` on by where its element 0 would lie (class Memory,
    `create3d_offset`): outside of it, and by chance in some other block. So a pointer into the middle of a block counts
    only where its owner holds the begin as well: the end of an std::vector lies beside its begin, rows of an array
    beside the first one; and what a part of a list or map leads back to leads to that part. An object holds many begins
    that have nothing to do with each other: there only those beside each other count. What was found by more than its
    place (`counted`) is `certain`. `owners`: of each block of the graph.
    """
    is_own = (block.kind == Kind.OWN) & (block.target >= len(graph.objects))
    inside = is_own & (block.offset != 0) & (block.target != number) & ~np.isin(block.target, [*certain])
    for at in np.flatnonzero(inside & (block.offset == WORD)):
        inside[at] = not _is_array_of_objects(graph.blocks[int(block.target[at])])
    begins = block.target[is_own & ~inside]
    if _is_object(block):
        inside &= ~_follows_its_begin(block)
        if graph.objects[block.owner][0] == OF_GRIDS:
            inside |= is_own & ~_is_a_begin(block, owners) & ~_follows_its_begin(block)
    else:
        inside &= ~np.isin(block.target, begins)
    for target in np.unique(block.target[inside]).tolist():
        back = graph.blocks[target]
        if not ((back.kind == Kind.OWN) & (back.target == number)).any():
            doubted = inside & (block.target == target)
            block.kind[doubted], block.target[doubted], block.offset[doubted] = Kind.ELSEWHERE, KNOWN, 0


def _is_object(block: Block) -> bool:
    """Whether a block begins with a table of virtual functions."""
    return bool(len(block.at) and block.at[0] == 0 and block.kind[0] == Kind.LIBRARY)


def _is_array_of_objects(block: Block) -> bool:
    """Whether a block begins with a word that says how many objects follow (`process.block_at`)."""
    count = int(block.words[0]) if len(block.words) else 0
    return 0 < count < len(block.words) * WORD and (len(block.words) - 1) * WORD % count == 0


def _is_a_begin(block: Block, owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each pointer, whether it leads to the begin of a block of the same owner, and no other one here does."""
    leads_to_begin = (block.kind == Kind.OWN) & (block.offset == 0)
    targets, count = np.unique(block.target[leads_to_begin], return_counts=True)
    is_a_begin: NDArray[np.bool_] = leads_to_begin & np.isin(block.target, targets[count == 1])
    is_a_begin[is_a_begin] = owners[block.target[is_a_begin]] == block.owner
    return is_a_begin


def _follows_its_begin(block: Block) -> NDArray[np.bool_]:
    """Of each pointer, whether it stands behind one to the begin of the same block, or behind one that does."""
    is_own = block.kind == Kind.OWN
    goes_on = np.zeros(len(block.at), bool)
    goes_on[1:] = is_own[1:] & is_own[:-1] & (np.diff(block.at.astype(np.int64)) == 1)
    goes_on[1:] &= (block.target[1:] == block.target[:-1]) & (block.offset[1:] >= block.offset[:-1])
    first = np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(block.at))))
    follows: NDArray[np.bool_] = goes_on & (block.offset[first] == 0)
    return follows


def _is_machinery(address: int) -> bool:
    """Whether an object only moves data between ranks, with buffers that it makes and frees whenever it does."""
    return process.class_of(address) in MACHINERY


def _elsewhere(count: int) -> _Links:
    return np.full(count, Kind.ELSEWHERE, np.uint8), np.full(count, NOWHERE, np.int32), np.zeros(count, np.int64)


def _words(address: int, size: int) -> Words:
    return np.frombuffer(process.read(address, size // WORD * WORD) or b"", np.uint64)
