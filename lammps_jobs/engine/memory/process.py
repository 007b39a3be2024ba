"""This process's memory: safe reads, blocks of malloc, and the names of what lies in loaded libraries.

Nothing here is guessed from an offset. A virtual table is recognised by the dynamic linker (`dladdr`), a block by the
header that glibc's malloc keeps in front of it (glibc, malloc/malloc.c: "malloc_chunk details"), checked on both
sides. Reads go through /proc/self/mem, which refuses instead of crashing.
"""

from __future__ import annotations

import ctypes
import os
from bisect import bisect_right
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD = 8
LOWEST, HIGHEST = 1 << 16, 1 << 47
"""Where a user's addresses lie on Linux, x86-64 and arm64 alike."""
_HEADER = 16
"""Bytes of a chunk in front of the block: size of the one before, own size with three flags."""
_FLAGS, _IN_USE, _IS_MAPPED, _IS_OF_A_THREAD = 7, 1, 2, 4
_LARGEST = 1 << 40
"""More bytes than any block has: numbers that are none of malloc's are larger than that as a rule."""
_ALL = (1 << 64) - 1
_SMALL, _ALIGNMENT = 256, 64
_MOST_LEFT = 48
"""Bytes that malloc gives out beyond what it was asked for, with alignment and a rest too small for a block."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NEAR, _FEW = 4096, 8
"""Addresses that are no further apart are looked at together, where there are more than a few."""


class Unknown(Exception):
    """This machine, or this build of LAMMPS, is laid out in a way that we do not recognise."""


class _DlInfo(ctypes.Structure):
    _fields_ = [
        ("file", ctypes.c_char_p), ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p), ("symbol_at", ctypes.c_void_p),
    ]  # fmt: skip


def _libc() -> Any:
    libc = ctypes.CDLL(None)
    libc.dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(_DlInfo)]
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.malloc_usable_size.restype, libc.malloc_usable_size.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    libc.posix_memalign.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_size_t]
    return libc


LIBC = _libc()
_MEMORY = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC) if os.path.exists("/proc/self/mem") else -1


def look_at_own_memory() -> None:
    """In a copy of the process that imported this module, whose memory is looked at until then."""
    if _MEMORY >= 0:
        own = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(own, _MEMORY, inheritable=False)
        os.close(own)


def read(address: int, size: int) -> bytes | None:
    """`size` bytes at `address`; None where not all of them can be read."""
    if not LOWEST <= address < HIGHEST:
        return None
    try:
        found = os.pread(_MEMORY, size, address)
    except OSError:
        return None
    return found if len(found) == size else None


def word(address: int) -> int:
    """The unsigned 64-bit number at `address`; 0 where nothing can be read."""
    found = read(address, WORD)
    return int.from_bytes(found, "little") if found else 0


def block_size(address: int) -> int:
    """Bytes that LAMMPS has asked malloc for at `address`, in whole words; 0 when no block of its begins there.

    Blocks of LAMMPS's are told by its thread (`own_thread`) and say their size (`clean_blocks`); of one that a library
    has asked for on LAMMPS's behalf it is what malloc gave out.
    """
    if address % _HEADER or not LOWEST <= address < HIGHEST:
        return 0
    header = read(address - _HEADER, _HEADER)
    if header is None:
        return 0
    before, own = int.from_bytes(header[:WORD], "little"), int.from_bytes(header[WORD:], "little")
    size = own & ~_FLAGS
    if size >= _LARGEST:
        return 0
    if own & _IS_MAPPED:
        start = address - _HEADER - before
        is_whole = before % _HEADER == 0 and start % _PAGE == 0 and (before + size) % _PAGE == 0
        return _asked_for(address, size - _HEADER) if is_whole and size > _HEADER else 0
    if size < 2 * _HEADER or size % _HEADER or not own & _IS_OF_A_THREAD:
        return 0
    following = word(address - WORD + size)
    return _asked_for(address, size - WORD) if following & _IN_USE and following & ~_FLAGS else 0


def block_at(address: int) -> tuple[int, int]:
    """Where the block begins that `address` leads to, and its bytes; (address, 0) when none is known there.

    An array of objects lies behind a word that says how many they are (`new T[n]`: Itanium C++ ABI, 2.7).
    """
    size = block_size(address)
    if not size and address % _HEADER == WORD:
        behind = block_size(address - WORD)
        count = word(address - WORD) if behind else 0
        if 0 < count < behind and (behind - WORD) % count == 0:
            return address - WORD, behind
    return address, size


def may_lead_to_blocks(addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """For which of `addresses`, which ascend, it is worth asking `block_at`: all others lead to the begin of none.

    What lies close together is read at once: leftovers in a buffer may be the rows of an array that is long gone.
    """
    found: NDArray[np.bool_] = (addresses % np.uint64(WORD)) == 0
    begins = addresses & ~np.uint64(_HEADER - 1)
    for part in np.split(np.flatnonzero(found), np.flatnonzero(np.diff(begins[found]) > _NEAR) + 1):
        if len(part) <= _FEW:
            continue
        first = int(begins[part[0]]) - _HEADER
        content = read(first, int(begins[part[-1]]) - first)
        if content is not None:
            words, at = np.frombuffer(content, np.uint64), (begins[part] - np.uint64(first)) // np.uint64(WORD)
            before, own = words[at - np.uint64(2)], words[at - np.uint64(1)]
            size, flags = own & np.uint64(~_FLAGS & _ALL), own & np.uint64(_FLAGS)
            is_mapped = (flags & np.uint64(_IS_MAPPED)) != 0
            may_be = np.where(is_mapped, (before + size) % np.uint64(_PAGE) == 0, flags >= _IS_OF_A_THREAD)
            found[part] = may_be & (size % np.uint64(_HEADER) == 0) & (size > _HEADER) & (size < _LARGEST)
    return found


def _asked_for(address: int, usable: int) -> int:
    said = read(address + usable - WORD, WORD)
    if said is None:
        return 0
    asked = int.from_bytes(said, "little")
    return max(WORD, -(-asked // WORD) * WORD) if 0 <= usable - WORD - asked < _MOST_LEFT else usable


def allocate(size: int) -> int:
    """A new block of malloc with `size` bytes; a large one at a multiple of 64, as LAMMPS's own arrays lie.

    It holds zeros, and says its size as LAMMPS's own blocks do (`clean_blocks`).
    """
    if size <= _SMALL:
        address = int(LIBC.malloc(size + WORD) or 0)
    else:
        pointer = ctypes.c_void_p()
        failed = LIBC.posix_memalign(ctypes.byref(pointer), _ALIGNMENT, size + WORD)
        address = 0 if failed else int(pointer.value or 0)
    if not address:
        raise MemoryError(f"{size} bytes for the state of LAMMPS")
    usable = LIBC.malloc_usable_size(address)
    ctypes.memset(address, 0, usable)
    write(address + usable - WORD, size.to_bytes(WORD, "little"))
    return address


def write(address: int, content: bytes) -> None:
    """Write to memory that is known to be a living block."""
    ctypes.memmove(address, content, len(content))


class Mapping:
    """What the process has mapped, as of the moment it is made: which addresses lie in a file of code."""

    def __init__(self) -> None:
        rows = []
        with open("/proc/self/maps") as file:
            for line in file:
                words = line.split()
                low, high = (int(part, 16) for part in words[0].split("-"))
                rows.append((low, high, words[5] if len(words) > 5 else ""))
        self._lows = [row[0] for row in rows]
        self._rows = rows

    def table(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], dict[str, tuple[int, str]]]:
        """Lowest and highest address of each mapping, and by file where it is loaded and what it is called."""
        files: dict[str, tuple[int, str]] = {}
        for low, _, file in self._rows:
            if file.startswith("/"):
                files.setdefault(file, (low, os.path.basename(file)))
        lows, highs = (np.array([row[at] for row in self._rows], np.uint64) for at in (0, 1))
        return lows, highs, files

    def has_file(self) -> NDArray[np.bool_]:
        """Of each mapping, in the order of `table`: whether it is of a file."""
        return np.array([file.startswith("/") for _, _, file in self._rows])

    def file_of(self, address: int) -> str | None:
        """The file whose mapping holds `address`: "" for memory of no file, None for what is not mapped."""
        at = bisect_right(self._lows, address) - 1
        return self._rows[at][2] if at >= 0 and address < self._rows[at][1] else None

    def end_of(self, address: int) -> int:
        """Where the mapping ends that holds `address`."""
        return self._rows[bisect_right(self._lows, address) - 1][1]


@cache
def symbol(address: int) -> tuple[str, int]:
    """The exported symbol at or before `address` in its library, and how many bytes before; ("", 0) if none."""
    info = _DlInfo()
    if not LIBC.dladdr(address, ctypes.byref(info)) or not info.symbol:
        return "", 0
    return info.symbol.decode(), address - (info.symbol_at or 0)


def symbol_offset(library: Any, name: str) -> int:
    """How far from the beginning of its file an exported function lies; -1 when there is none."""
    found = getattr(library, name, None)
    info = _DlInfo()
    if found is None or not LIBC.dladdr(ctypes.cast(found, ctypes.c_void_p), ctypes.byref(info)):
        return -1
    return int(info.symbol_at or 0) - int(info.base or 0)


def class_of(address: int) -> str:
    """The mangled name of the class of LAMMPS whose object lies at `address`, such as `6Verlet`; "" if none does.

    Its table leads with the functions of the object itself, behind where that begins (0) and its type; in front of
    these lies where its virtual bases begin, if it has any (Itanium C++ ABI, 2.5.2).
    """
    table = word(address)
    if not LOWEST <= table < HIGHEST or table % WORD:
        return ""
    name, offset = symbol(table)
    is_table = name.startswith(VTABLE) and (offset == 2 * WORD or (offset > 2 * WORD and not word(table - 2 * WORD)))
    return name.removeprefix(VTABLE).removesuffix("E") if is_table else ""


def whole(address: int) -> int:
    """Where the object of LAMMPS begins of which a part lies at `address`; `address` where there is no such part.

    A class that is derived `virtual` from another, as `pair_style eam/alloy` is, holds that somewhere inside, and is
    known by where that lies. The part's own table says how far before it the object begins (Itanium C++ ABI, 2.5.2).
    """
    table = word(address) if LOWEST <= address < HIGHEST and not address % WORD else 0
    if not LOWEST <= table < HIGHEST or table % WORD:
        return address
    name, offset = symbol(table)
    if not name.startswith(VTABLE) or offset <= 2 * WORD:
        return address
    begin = (address + word(table - 2 * WORD)) % (1 << 64)
    return begin if class_of(begin) and 0 < address - begin < block_size(begin) else address


def bases_of(address: int) -> set[str]:
    """The mangled names of the classes from which the class of the object at `address` is derived, and its own.

    A virtual table is preceded by the type's description, which leads to those of its bases (Itanium C++ ABI, 2.9.5).
    """
    found: set[str] = set()
    pending = [word(word(address) - WORD)]
    while pending:
        described = pending.pop()
        name = symbol(described)[0]
        if not name.startswith(_TYPE) or name in found:
            continue
        found.add(name)
        kind = symbol(word(described))[0]
        if kind == _ONE_BASE:
            pending.append(word(described + 2 * WORD))
        elif kind == _SEVERAL_BASES:
            count = word(described + 2 * WORD) >> 32
            pending += [word(described + (3 + 2 * number) * WORD) for number in range(min(count, _MOST_BASES))]
    return {name.removeprefix(_TYPE).removesuffix("E") for name in found}


VTABLE = "_ZTVN9LAMMPS_NS"
_TYPE = "_ZTIN9LAMMPS_NS"
_ONE_BASE = "_ZTVN10__cxxabiv120__si_class_type_infoE"
_SEVERAL_BASES = "_ZTVN10__cxxabiv121__vmi_class_type_infoE"
_MOST_BASES = 16
