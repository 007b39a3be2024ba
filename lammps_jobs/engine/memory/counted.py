"""Arrays that are counted from another number than 0, as a rank's part of a grid is: from its first cell to its last.

LAMMPS keeps such an array by the place where its element 0 would lie (class Memory, `create3d_offset`,
`create4d_offset_last`), which is in front of the array, or in its middle, or in some other block. Its owner holds the
numbers of its first and its last element as well: where a block of just so many elements begins at just that distance,
it is the array. Each level of it but the last holds pointers at equal distances, and is counted in the same way.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from lammps_jobs.engine.memory import process
from lammps_jobs.engine.memory.graph import Words
from lammps_jobs.engine.memory.process import WORD

MOST = 4096
"""Cells of a grid in one direction, at most, for which this is tried."""
_SIZES = (WORD, WORD // 2)
"""Bytes of an element: a pointer or a double, or an int."""


def bounds_of(words: Words) -> frozenset[int]:
    """The numbers in an object that may be an array's first or last."""
    numbers = np.ascontiguousarray(words).view(np.int32)
    return frozenset(np.unique(numbers[np.abs(numbers.astype(np.int64)) <= MOST]).tolist())


def rows_at(pointer: int, bounds: frozenset[int]) -> int:
    """Where the array of pointers begins whose element 0 would lie at `pointer`; 0 where there is none, as where a
    block begins right there."""
    for low in bounds if not process.block_size(pointer) else ():
        begin = pointer + low * WORD
        size = process.block_size(begin) if low and begin > 0 else 0
        if size and low + size // WORD - 1 in bounds and stride_of(begin, size) and below(begin, size, bounds):
            return begin
    return 0


def stride_of(begin: int, size: int) -> int:
    """How many bytes lie between what the words of an array of pointers lead to; 0 when it is none.

    A single word proves nothing: it is taken for none. A grid has its ghost cells, so it is never as thin.
    """
    words = np.frombuffer(process.read(begin, size) or b"", np.uint64)
    if len(words) < 2 or not process.LOWEST <= words[0] < process.HIGHEST:
        return 0
    steps = np.unique(np.diff(words.astype(np.int64)))
    return int(steps[0]) if len(steps) == 1 and steps[0] > 0 else 0


def below(begin: int, size: int, bounds: frozenset[int]) -> int:
    """Where the next level of the array of pointers at `begin` lies in memory; 0 where that is not found.

    It is one block for all of them, and each of them is counted from one of `bounds`, 0 too.
    """
    first, stride, count = process.word(begin), stride_of(begin, size), size // WORD
    length = -(-stride * count // WORD) * WORD
    for each, low in product(_SIZES, bounds):
        if length and process.block_size(first + low * each) == length and low + stride // each - 1 in bounds:
            return first + low * each
    return 0
