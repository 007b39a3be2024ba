"""Addresses that lead somewhere by chance: what malloc left in a buffer, and where an array's element 0 would lie."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

BEGIN = """
import ctypes
import numpy as np
from lammps_jobs.engine.memory import process, walk
from lammps_jobs.engine.memory.graph import Kind
from lammps_jobs.engine.memory.own_thread import OwnThread

thread = OwnThread()
def block(words):
    return thread.call(process.allocate, 8 * words)
def put(place, *words):
    process.write(place, np.array(words, np.uint64).tobytes())
CODE = ctypes.cast(process.LIBC.malloc, ctypes.c_void_p).value
"""
LEFTOVERS = """
WORDS = 6000
top, gone = block(WORDS), block(64 * WORDS)
held = [block(size) for size in range(3, 60)]
process.write(gone, np.random.default_rng(1).random(64 * WORDS).tobytes())
rows = gone + 64 + 8 * 24 * np.arange(WORDS, dtype=np.uint64)
rows[100::100][: len(held)] = held                   # what is alive, between what is gone
rows[57] = CODE
rows[58] = gone + 3                                  # no address of anything
array = block(9)
put(array, 4)
rows[59] = array + 8                                 # an array of objects, behind how many they are
process.write(top, rows.tobytes())
process.block_size(gone)

looked = []
def links():
    before = process.block_at
    process.block_at = lambda address: (looked.append(address), before(address))[1]
    graph = walk.Walk({"top": top}, [], [], []).graph({"top": top})
    process.block_at = before
    return [(block.address, block.at.tolist(), block.kind.tolist(), block.target.tolist(), block.offset.tolist())
            for block in graph.blocks], graph.names

together, few = links(), len(looked)
walk._FEW = 10**9
one_by_one, many = links(), len(looked) - few
assert together == one_by_one
assert len(together[0]) >= len(held) + 2, len(together[0])
print(few, many)
"""


CHANCE = """
thing, other, a, b, c, shared, array = block(12), block(3), block(9), block(9), block(9), block(9), block(9)
put(b, 1 << 40)
put(array, 4)
put(other, CODE, shared)
put(thing, CODE, a, 0, a + 24, b + 8, 0, c, c + 16, c + 32, 0, shared, array + 8)
objects = {"other": other, NAME: thing}
graph = walk.Walk(objects, [], [], []).graph(objects)
links = graph.blocks[1]
print([int(at) for at in links.at[links.kind == Kind.OWN]])
"""


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_leftovers_are_looked_up_together_and_lead_to_the_same():
    few, many = map(int, python(LEFTOVERS).split())
    assert few < 300
    assert many > 5000


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("fix 1", [1, 6, 7, 8, 10, 11]),  # a, the vector c, what both share, an array of objects
        ("KSpace", [1, 6, 7, 8]),  # nothing that could be another's
    ],
)
def test_of_an_objects_pointers_count_begins_and_what_stands_beside_them(name, counts):
    """A place where the element 0 of an array would lie may be in any block: `pppm` crashed on two ranks."""
    assert python(f"NAME = {name!r}\n{CHANCE}") == f"{counts}\n"
