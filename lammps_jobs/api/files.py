"""An output of a run as a file that is read without a copy of it on disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, Literal

from lammps_jobs.record.documents import Blob
from lammps_jobs.record.run_record import RunRecord


class SegmentsFile(io.RawIOBase):
    """Joined segments as one file, for reading and seeking; one segment at a time is in memory."""

    def __init__(self, record: RunRecord, segments: Sequence[Blob]) -> None:
        super().__init__()
        self._record, self._segments = record, segments
        self._ends = list(accumulate(segment.size for segment in segments))
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        if base + offset < 0:
            raise ValueError("A file has no place before its beginning.")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than any buffer
        """Up to the end of the segment at most. Raises Damaged where that is not what it should be."""
        number = next((at for at, end in enumerate(self._ends) if end > self._at), None)
        if number is None:
            return 0
        if self._held[0] != number:
            self._held = (number, self._record.content_of(self._segments[number]))
        start = self._at - (self._ends[number] - self._segments[number].size)
        part = self._held[1][start : start + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def opened(record: RunRecord, segments: Sequence[Blob], mode: Literal["r", "rb"]) -> IO[str] | IO[bytes]:
    """A text file, of UTF-8, or one of bytes."""
    file = io.BufferedReader(SegmentsFile(record, segments))
    return io.TextIOWrapper(file, encoding="utf-8", errors="replace") if mode == "r" else file
