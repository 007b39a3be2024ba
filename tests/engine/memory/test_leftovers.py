"""Addresses that malloc left in a buffer: looked up by the thousand, they lead to the same as one by one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

PROGRAM = """
import ctypes
import numpy as np
from lammps_jobs.engine.memory import process, walk
from lammps_jobs.engine.memory.own_thread import OwnThread

thread = OwnThread()
WORDS = 6000
top, gone = (thread.call(process.allocate, 8 * size) for size in (WORDS, 64 * WORDS))
held = [thread.call(process.allocate, 8 * size) for size in range(3, 60)]
process.write(gone, np.random.default_rng(1).random(64 * WORDS).tobytes())
rows = gone + 64 + 8 * 24 * np.arange(WORDS, dtype=np.uint64)
rows[100::100][: len(held)] = held                   # what is alive, between what is gone
rows[57] = ctypes.cast(process.LIBC.malloc, ctypes.c_void_p).value
rows[58] = gone + 3                                  # no address of anything
array = thread.call(process.allocate, 8 * 9)
process.write(array, (4).to_bytes(8, "little"))
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


def test_leftovers_are_looked_up_together_and_lead_to_the_same():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    assert few < 300
    assert many > 5000
