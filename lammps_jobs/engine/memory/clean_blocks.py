"""Blocks of malloc without leftovers, that say how many bytes LAMMPS has asked for.

malloc gives out more bytes than it was asked for, and what has lain there before stays: addresses that nobody holds,
which cannot be told from those that an object holds. How many it was asked for it does not keep. So the calls of
LAMMPS's library, and of C++'s, to malloc and its kin lead through a few instructions of ours: they ask for 8 bytes
more, clear what was not asked for, and write into the last 8 bytes how many were. The places of such calls are in
tables that every shared library has (ELF: DT_JMPREL and DT_RELA; System V ABI, AMD64 supplement, "Relocation").
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from collections.abc import Iterator

import numpy as np

from lammps_jobs.engine.memory import process
from lammps_jobs.engine.memory.process import LIBC

LIBRARIES = ("liblammps", "libstdc++")
_GLOB_DAT, _JUMP_SLOT = 6, 7
_STRTAB, _SYMTAB, _RELA, _RELA_SIZE, _JMPREL_SIZE, _JMPREL = 5, 6, 7, 8, 2, 23
_DYNAMIC = 2
_RELOCATION, _SYMBOL = 24, 24
_LONGEST_NAME = 64
_PAGE = mmap.PAGESIZE

# rbx: the bytes that were asked for; r12: the first byte to clear; r13: for posix_memalign, where the block goes.
_BEGIN = """
f3 0f 1e fa        endbr64
53                 push rbx
41 54              push r12
41 55              push r13
"""
_CALL = """
48 b8 *            mov rax, the function itself
ff d0              call rax
"""
_CLEAR = """
48 8b 48 f8        mov rcx, [rax-8]
48 89 ca           mov rdx, rcx
48 83 e1 f8        and rcx, -8
48 83 e9 10        sub rcx, 16
f6 c2 02           test dl, 2
74 04              jz said
48 83 e9 08        sub rcx, 8
48 89 1c 08        said: mov [rax+rcx], rbx
4c 29 e1           sub rcx, r12
76 0e              jbe done
4a 8d 3c 20        lea rdi, [rax+r12]
49 89 c0           mov r8, rax
31 c0              xor eax, eax
f3 aa              rep stosb
4c 89 c0           mov rax, r8
"""
_END = """
41 5d              end: pop r13
41 5c              pop r12
5b                 pop rbx
c3                 ret
"""
_UNLESS_NULL = """
48 85 c0           test rax, rax
74 2f              jz end
"""
STUBS = {
    "malloc": f"""{_BEGIN}
48 89 fb           mov rbx, rdi
49 89 fc           mov r12, rdi
48 83 c7 08        add rdi, 8
{_CALL}{_UNLESS_NULL}{_CLEAR}{_END}""",
    "calloc": f"""{_BEGIN}
31 c0              xor eax, eax
48 89 fb           mov rbx, rdi
48 0f af de        imul rbx, rsi
70 4c              jo end
49 89 dc           mov r12, rbx
bf 01 00 00 00     mov edi, 1
48 8d 73 08        lea rsi, [rbx+8]
{_CALL}{_UNLESS_NULL}{_CLEAR}{_END}""",
    "realloc": f"""{_BEGIN}
48 89 f3           mov rbx, rsi
49 89 f4           mov r12, rsi
48 85 ff           test rdi, rdi
74 33              jz call
48 8b 47 f8        mov rax, [rdi-8]
48 89 c2           mov rdx, rax
48 83 e0 f8        and rax, -8
48 83 e8 08        sub rax, 8
f6 c2 02           test dl, 2
74 04              jz usable
48 83 e8 08        sub rax, 8
48 8b 4c 07 f8     usable: mov rcx, [rdi+rax-8]
48 8d 50 f8        lea rdx, [rax-8]
48 29 ca           sub rdx, rcx
48 83 fa 30        cmp rdx, 48
48 0f 42 c1        cmovb rax, rcx
4c 39 e0           cmp rax, r12
4c 0f 42 e0        cmovb r12, rax
48 83 c6 08        call: add rsi, 8
{_CALL}{_UNLESS_NULL}{_CLEAR}{_END}""",
    "posix_memalign": f"""{_BEGIN}
48 89 d3           mov rbx, rdx
49 89 d4           mov r12, rdx
49 89 fd           mov r13, rdi
48 83 c2 08        add rdx, 8
{_CALL}
85 c0              test eax, eax
75 35              jnz end
49 8b 45 00        mov rax, [r13]
{_CLEAR}
31 c0              xor eax, eax
{_END}""",
}
"""By the function of the C library: what is called in its place (x86-64; System V calling convention)."""


class CannotClean(Exception):
    """Blocks cannot be kept free of leftovers here."""


def install() -> None:
    """From now on, blocks that LAMMPS's library asks for hold zeros behind what it has asked for.

    The library must be loaded, and LAMMPS not be open yet. Raises CannotClean.
    """
    if platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        raise CannotClean(f"no instructions are known for {platform.machine()} with {platform.libc_ver()[0] or '?'}")
    stubs = _written()
    count = 0
    for base in _bases():
        for place, name in _calls(base):
            if name in stubs:
                _point(place, stubs[name])
                count += 1
    if not count:
        raise CannotClean("LAMMPS's library does not call malloc where it is looked for")


def _written() -> dict[str, int]:
    """Addresses of the stubs, by what they stand in for."""
    page = mmap.mmap(-1, _PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    stubs = {}
    for name, text in STUBS.items():
        page.seek((page.tell() + 15) // 16 * 16)
        stubs[name] = start + page.tell()
        page.write(_assembled(text, ctypes.cast(getattr(LIBC, name), ctypes.c_void_p).value or 0))
    if LIBC.mprotect(ctypes.c_void_p(start), _PAGE, mmap.PROT_READ | mmap.PROT_EXEC):
        raise CannotClean("this system lets no program write instructions")
    _kept.append(page)
    return stubs


_kept: list[mmap.mmap] = []
"""The stubs are called as long as the process lives."""


def _assembled(text: str, function: int) -> bytes:
    """The bytes that stand at the left of a listing."""
    code = b""
    for line in text.strip().splitlines():
        listed = line[:18].replace("*", function.to_bytes(8, "little").hex())
        code += bytes.fromhex(listed)
    return code


def _bases() -> list[int]:
    """Where the libraries are loaded whose calls are led through us."""
    files = process.Mapping().table()[2].values()
    return [base for base, name in files if name.startswith(LIBRARIES)]


def _calls(base: int) -> Iterator[tuple[int, str]]:
    """Where a library keeps the addresses of functions of others, and their names."""
    found = _dynamic(base)
    names, symbols = found.get(_STRTAB, 0), found.get(_SYMTAB, 0)
    for table, size in ((_JMPREL, _JMPREL_SIZE), (_RELA, _RELA_SIZE)):
        content = process.read(found.get(table, 0), found.get(size, 0) // _RELOCATION * _RELOCATION) or b""
        entries = np.frombuffer(content, np.uint64).reshape(-1, 3)
        kinds = entries[:, 1] & np.uint64(0xFFFFFFFF)
        for offset, info, _ in entries[(kinds == _GLOB_DAT) | (kinds == _JUMP_SLOT)].tolist():
            symbol = process.read(symbols + (info >> 32) * _SYMBOL, 4) or b"\0" * 4
            name = process.read(names + struct.unpack("<I", symbol)[0], _LONGEST_NAME) or b""
            yield base + offset, name.partition(b"\0")[0].decode(errors="replace")


def _dynamic(base: int) -> dict[int, int]:
    """The dynamic section of a loaded library: addresses and sizes by their tags (ELF, "Dynamic Section")."""
    header = process.read(base, 64) or b"\0" * 64
    first, size, count = (*struct.unpack_from("<Q", header, 32), *struct.unpack_from("<HH", header, 54))
    for number in range(count):
        segment = process.read(base + first + number * size, 56) or b"\0" * 56
        kind, _, _, address, _, _, length, _ = struct.unpack("<IIQQQQQQ", segment)
        if kind == _DYNAMIC:
            content = process.read(base + address, length // 16 * 16) or b""
            pairs = dict(struct.iter_unpack("<QQ", content))
            places = (_STRTAB, _SYMTAB, _RELA, _JMPREL)
            return {tag: value + base if tag in places and value < base else value for tag, value in pairs.items()}
    return {}


def _point(place: int, function: int) -> None:
    """Have the table say `function` at `place`, which the linker may have made read-only."""
    page = ctypes.c_void_p(place // _PAGE * _PAGE)
    if LIBC.mprotect(page, _PAGE, mmap.PROT_READ | mmap.PROT_WRITE):
        raise CannotClean("a table of calls cannot be written to")
    process.write(place, function.to_bytes(process.WORD, "little"))
