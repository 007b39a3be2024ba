"""DCD trajectories: the one output whose header counts its frames, and is patched with every frame.

Layout as LAMMPS writes it (`dump dcd`, the CHARMM format): a Fortran record of 84 bytes that begins with
`CORD`, the number of frames (int32 at byte 8) and the last timestep (int32 at byte 20), then frames of equal length.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MARK = struct.pack("<i4s", 84, b"CORD")
FRAMES_AT, FIRST_AT, EVERY_AT, LAST_AT = 8, 12, 16, 20


def without_counts(head: bytes) -> bytes:
    """The beginning of a file with the patched numbers blanked, when it is the beginning of a DCD."""
    if not head.startswith(MARK) or len(head) < LAST_AT + 4:
        return head
    return head[:FRAMES_AT] + b"\0" * 4 + head[FRAMES_AT + 4 : LAST_AT] + b"\0" * 4 + head[LAST_AT + 4 :]


def mend(path: Path) -> None:
    """Make the header of a joined file tell how many frames there are. Any other file is left alone."""
    with path.open("r+b") as file:
        head = file.read(LAST_AT + 4)
        if not head.startswith(MARK) or len(head) < LAST_AT + 4:
            return
        frames = _frames(path)
        (every,) = struct.unpack_from("<i", head, EVERY_AT)
        (first,) = struct.unpack_from("<i", head, FIRST_AT)
        file.seek(FRAMES_AT)
        file.write(struct.pack("<i", frames))
        file.seek(LAST_AT)
        file.write(struct.pack("<i", first + (frames - 1) * every if frames else 0))


def header_size(path: Path) -> int:
    """Bytes of the three header records; 0 when the file is no DCD."""
    with path.open("rb") as file:
        if file.read(len(MARK)) != MARK:
            return 0
        file.seek(0)
        for _ in range(3):
            _skip_record(file)
        return file.tell()


def head_of(path: Path) -> bytes:
    """The three header records; empty when the file is no DCD."""
    with path.open("rb") as file:
        return file.read(header_size(path))


def _frames(path: Path) -> int:
    """How many frames follow the header; a torn last one is not counted."""
    size, start = path.stat().st_size, header_size(path)
    if start + 4 > size:
        return 0
    with path.open("rb") as file:
        file.seek(start)
        (length,) = struct.unpack("<i", file.read(4))
        file.seek(start)
        records = 4 if length == 48 else 3  # a record of the unit cell, then x, y, z
        for _ in range(records):
            _skip_record(file)
        return (size - start) // (file.tell() - start)


def _skip_record(file: BinaryIO) -> None:
    (length,) = struct.unpack("<i", file.read(4))
    file.seek(length + 4, 1)
