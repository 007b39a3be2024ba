"""What stands in for malloc and its kin gives what they give, and zeros behind it."""

from __future__ import annotations

import ctypes
import platform

import pytest

from lammps_jobs.engine.memory import clean_blocks
from lammps_jobs.engine.memory.process import LIBC

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the instructions are for x86-64"),
]
SIZES = (1, 7, 8, 9, 23, 24, 25, 40, 41, 100, 1000, 4095, 70_000, 300_000)
DIRT = b"\x5a"
size_t, pointer = ctypes.c_size_t, ctypes.c_void_p


@pytest.fixture(scope="module")
def stubs() -> dict[str, int]:
    return clean_blocks._written()


@pytest.fixture(autouse=True)
def dirty() -> None:
    """Freed memory that is full of dirt, in blocks of many sizes."""
    LIBC.free.argtypes = [pointer]
    blocks = [LIBC.malloc(size) for size in (*range(16, 2000, 40), *SIZES) for _ in range(20)]
    for block in blocks:
        ctypes.memset(block, DIRT[0], LIBC.malloc_usable_size(block))
    for block in blocks[::2] + blocks[1::2]:
        LIBC.free(block)


def behind(block: int, size: int) -> bytes:
    """The bytes of a block behind those that were asked for, but for the last ones, which say how many these were."""
    usable = LIBC.malloc_usable_size(block)
    assert int.from_bytes(ctypes.string_at(block + usable - 8, 8), "little") == size
    return ctypes.string_at(block + size, usable - 8 - size)


@pytest.mark.parametrize("size", SIZES)
def test_malloc(stubs, size):
    call = ctypes.CFUNCTYPE(pointer, size_t)(stubs["malloc"])
    blocks = [call(size) for _ in range(30)]
    assert len(set(blocks)) == 30
    assert not any(any(behind(block, size)) for block in blocks)
    for block in blocks:
        LIBC.free(block)


@pytest.mark.parametrize("size", SIZES)
def test_calloc(stubs, size):
    call = ctypes.CFUNCTYPE(pointer, size_t, size_t)(stubs["calloc"])
    for block in [call(3, size) for _ in range(30)]:
        assert not any(behind(block, 3 * size) + ctypes.string_at(block, 3 * size))
        LIBC.free(block)
    assert call(1 << 40, 1 << 40) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alignment", [16, 64, 4096])
def test_posix_memalign(stubs, size, alignment):
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(pointer), size_t, size_t)(stubs["posix_memalign"])
    for _ in range(10):
        block = pointer()
        assert call(ctypes.byref(block), alignment, size) == 0
        assert block.value % alignment == 0
        assert not any(behind(block.value, size))
        LIBC.free(block)
    assert call(ctypes.byref(block), 3, size) != 0  # no power of two


@pytest.mark.parametrize("first", SIZES)
@pytest.mark.parametrize("then", SIZES)
def test_realloc_keeps_what_is_there_and_clears_the_rest(stubs, first, then):
    malloc = ctypes.CFUNCTYPE(pointer, size_t)(stubs["malloc"])
    call = ctypes.CFUNCTYPE(pointer, pointer, size_t)(stubs["realloc"])
    block = malloc(first)
    ctypes.memset(block, 1, first)
    block = call(block, then)
    kept = min(first, then)
    assert ctypes.string_at(block, then) == b"\1" * kept + b"\0" * (then - kept)
    assert not any(behind(block, then))
    LIBC.free(block)


@pytest.mark.parametrize("then", SIZES)
def test_realloc_of_a_block_that_somebody_else_got_loses_nothing(stubs, then):
    call = ctypes.CFUNCTYPE(pointer, pointer, size_t)(stubs["realloc"])
    block = LIBC.malloc(40)
    ctypes.memset(block, 1, 40)
    block = call(block, then)
    kept = min(40, then)
    assert ctypes.string_at(block, kept) == b"\1" * kept
    behind(block, then)
    LIBC.free(block)


def test_realloc_of_nothing_is_malloc(stubs):
    call = ctypes.CFUNCTYPE(pointer, pointer, size_t)(stubs["realloc"])
    block = call(None, 9)
    assert not any(behind(block, 9))
    LIBC.free(block)


def test_no_memory_is_said_as_ever(stubs):
    call = ctypes.CFUNCTYPE(pointer, size_t)(stubs["malloc"])
    assert call((1 << 62) - 1) is None


def test_machine_without_known_instructions_is_named(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(clean_blocks.CannotClean, match="riscv64"):
        clean_blocks.install()
