"""The blobs of one run: inputs, pieces of outputs, restart files, each named by the hash of its content."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

from lammps_jobs.errors import Damaged
from lammps_jobs.formats import dcd
from lammps_jobs.record import layout
from lammps_jobs.record.documents import OLDER, Blob, now
from lammps_jobs.record.object_store import (
    AT_ONCE,
    CHUNK,
    MOST_PARTS,
    chunks_of,
    create_only,
    explained,
    explaining,
    is_folder,
    make_durable,
    sha256_of,
)
from lammps_jobs.record.run_objects import RunObjects

if TYPE_CHECKING:
    from obstore.store import ObjectStore

READS = 2
"""How often something is read before it is called damaged: a transfer, too, can go wrong."""
MOST_KNOWN = 20_000
"""Names of stored blobs that are kept in memory, so that they are not put again."""
SMALL, READ_AHEAD = 1024 * 1024, 16
"""Segments of up to so many bytes are read so many at once while a file is joined; others one after the other."""
PUT_AT_ONCE = 8
"""Pieces of up to `CHUNK` bytes that are stored side by side; a longer one goes up in parts, which are so already."""
BY_LIST = 50
"""Objects from which on their sizes are listed, a thousand a call, instead of asked for one by one."""
DIGITS = "0123456789abcdef"
"""What the names of blobs begin with, in order."""


@dataclass(frozen=True)
class Piece:
    """The bytes [start, stop) of a file, to be stored for the attempt `of` alone or for all."""

    path: Path
    start: int = 0
    stop: int | None = None
    of: int = 0

    @property
    def size(self) -> int:
        return (self.path.stat().st_size if self.stop is None else self.stop) - self.start


class Blobs(RunObjects):
    """Content that is stored once, checked when it is read, and stored anew where it was found damaged."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        super().__init__(root, name)
        self._known: set[str] = set()
        self._suspect: set[str] = set()
        """Blobs that were read and found damaged: when their content comes again, it is written over them."""

    def put_bytes(self, content: bytes, *, of: int = 0) -> Blob:
        """Store content, for the attempt `of` alone or for all."""
        blob = Blob(sha256=hashlib.sha256(content).hexdigest(), size=len(content), of=of)
        self._put_blob(blob, content)
        return blob

    def put_file(self, path: Path, start: int = 0, stop: int | None = None, *, of: int = 0) -> Blob:
        """Store the bytes [start, stop) of a file; raises Damaged when the file is shorter.

        Never more than these bytes: a simulation may be appending to the file meanwhile.
        """
        stop = path.stat().st_size if stop is None else stop
        if stop - start <= CHUNK:
            return self.put_bytes(b"".join(chunks_of(path, start, stop)), of=of)
        blob = Blob(sha256=sha256_of(path, start, stop), size=stop - start, of=of)
        is_stored = blob.name not in self._suspect and self._own_size(blob) == blob.size
        if blob.name not in self._known and not is_stored:
            part = max(CHUNK, math.ceil(blob.size / MOST_PARTS))
            with explaining(self._blob_key(blob)):
                obstore.put(self.root, self._blob_key(blob), chunks_of(path, start, stop), chunk_size=part,
                            max_concurrency=AT_ONCE)  # fmt: skip
                make_durable(self.root, self._blob_key(blob))
        self._note_stored(blob)
        return blob

    def put_files(self, pieces: Sequence[Piece]) -> list[Blob]:
        """Store pieces of files, the short ones side by side; when it returns, all of them are stored.

        Raises what `put_file` raises of one of them, when no other is under way any more.
        """

        def put(piece: Piece) -> Blob:
            return self.put_file(piece.path, piece.start, piece.stop, of=piece.of)

        long = {piece for piece in pieces if piece.size > CHUNK}
        short = [piece for piece in pieces if piece not in long]
        with ThreadPoolExecutor(PUT_AT_ONCE) as pool:
            begun = pool.map(put, short)
            stored = {piece: put(piece) for piece in long}
            stored.update(zip(short, begun, strict=True))
        return [stored[piece] for piece in pieces]

    def take_over(self, other: Blobs, blob: Blob) -> None:
        """Have the content of another run of the same store, too; the store copies it."""
        if self._own_size(blob) != blob.size:
            there = other._places_of(blob)
            key = there[0] if other._own_size(blob) is not None else there[-1]
            with explaining(key):
                obstore.copy(self.root, key, self._blob_key(blob))
        self._known.add(blob.name)

    def _put_blob(self, blob: Blob, content: bytes) -> None:
        if blob.name in self._known:
            return
        key = self._blob_key(blob)
        with explaining(key):
            try:
                create_only(self.root, key, content)
                make_durable(self.root, key)
            except AlreadyExistsError:
                if blob.name in self._suspect or self._own_size(blob) != blob.size:  # or a crashed writer's torn upload
                    obstore.put(self.root, key, content)
                    make_durable(self.root, key)
        self._note_stored(blob)

    def _note_stored(self, blob: Blob) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known.add(blob.name)
        self._suspect.discard(blob.name)

    def suspect(self, blob: Blob) -> None:
        """Take a stored object for damaged, so that its content, when it comes again, is stored anew."""
        self._known.discard(blob.name)
        self._suspect.add(blob.name)

    def is_intact(self, blob: Blob) -> bool:
        """Whether the object is what its name says. Reads it, twice before it says no."""
        for _ in range(READS):
            with contextlib.suppress(Damaged):
                for _ in self.read_blob(blob):
                    pass
                return True
        return False

    def _blob_key(self, blob: Blob) -> str:
        return self._key(layout.blob(blob.name))

    def size_of(self, blob: Blob) -> int | None:
        """Size of the stored object in bytes, the run's own or a sweep's; None when it is missing."""
        return next((size for key in self._places_of(blob) if (size := self._size_at(key)) is not None), None)

    def _own_size(self, blob: Blob) -> int | None:
        return self._size_at(self._blob_key(blob))

    def _size_at(self, key: str) -> int | None:
        try:
            return obstore.head(self.root, key)["size"]
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise explained(error, key) from error

    def _places_of(self, blob: Blob) -> tuple[str, ...]:
        """Where an object can lie: of an input also where the runs of a sweep share it."""
        return (self._blob_key(blob), *(() if blob.of else (layout.shared_input(blob.name),)))

    def _get(self, blob: Blob) -> Any:
        for key in self._places_of(blob)[:-1]:
            with contextlib.suppress(NotFoundError, FileNotFoundError):
                return obstore.get(self.root, key)
        return obstore.get(self.root, self._places_of(blob)[-1])

    def read_blob(self, blob: Blob) -> Iterator[bytes]:
        """The content in chunks; raises Damaged at the end when it is not what its name says."""
        key = self._blob_key(blob)
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self._get(blob).stream(min_chunk_size=CHUNK):
                content = bytes(chunk)
                digest.update(content)
                size += len(content)
                yield content
        except (NotFoundError, FileNotFoundError):
            raise Damaged("A stored object is missing.", where=key, remedy=OLDER) from None
        except (BaseError, OSError) as error:
            raise explained(error, key) from error
        if digest.hexdigest() != blob.sha256:
            raise Damaged(
                f"A stored object is damaged: {size} bytes, expected {blob.size}, or changed bytes.",
                where=key,
                remedy=OLDER,
            )

    def content_of(self, blob: Blob) -> bytes:
        """All of a short blob; read twice before it is Damaged."""
        for left in reversed(range(READS)):
            try:
                return b"".join(self.read_blob(blob))
            except Damaged:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def write_file(self, segments: Iterable[Blob], path: Path) -> None:
        """Join `segments` into the file `path`, which appears complete or not at all."""
        partial = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                self._append_all(segments, file)
            dcd.mend(partial)
            partial.replace(path)
        except OSError as error:
            raise explained(error, str(path)) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def _append_all(self, segments: Iterable[Blob], file: BinaryIO) -> None:
        """A run of a week has thousands of short segments: each would be a wait for the store."""
        ahead: deque[tuple[Blob, Future[bytes] | None]] = deque()

        def append_first() -> None:
            blob, content = ahead.popleft()
            if content:
                file.write(content.result())
            else:
                self._append_blob(blob, file)

        with ThreadPoolExecutor(READ_AHEAD) as pool:
            for segment in segments:
                is_small = segment.size <= SMALL
                ahead.append((segment, pool.submit(self.content_of, segment) if is_small else None))
                if len(ahead) == READ_AHEAD:
                    append_first()
            while ahead:
                append_first()

    def joined(self, segments: Collection[Blob], *, of: int = 0) -> Blob:
        """Store the joined content of short segments as one; they stay as they are. Raises Damaged, StoreError."""
        with ThreadPoolExecutor(min(READ_AHEAD, len(segments))) as pool:
            return self.put_bytes(b"".join(pool.map(self.content_of, segments)), of=of)

    def remove_blobs(self, blobs: Collection[Blob]) -> None:
        """Remove objects that nothing names; content that comes again is stored again. Raises StoreError."""

        def remove(blob: Blob) -> None:
            self._known.discard(blob.name)
            self.remove(layout.blob(blob.name))

        with ThreadPoolExecutor(READ_AHEAD) as pool:
            for _ in pool.map(remove, blobs):
                pass

    def _append_blob(self, blob: Blob, file: BinaryIO) -> None:
        start = file.tell()
        for left in reversed(range(READS)):
            try:
                for chunk in self.read_blob(blob):
                    file.write(chunk)
                return
            except Damaged:
                if not left:
                    raise
                file.seek(start)
                file.truncate()

    def not_whole(self, blobs: Collection[Blob]) -> Iterator[Blob]:
        """Those that are missing or have another size."""
        if len(blobs) < BY_LIST or is_folder(self.root):  # where a look at a file costs less than one at all files
            with ThreadPoolExecutor(READ_AHEAD) as pool:
                sizes = list(pool.map(self.size_of, blobs))
            return (blob for blob, size in zip(blobs, sizes, strict=True) if size != blob.size)
        wanted = {layout.blob(blob.name): blob for blob in blobs}
        with ThreadPoolExecutor(len(DIGITS)) as pool:
            parts = pool.map(self._sizes_from, DIGITS, (*DIGITS[1:], "~"))
            found = {tail: size for part in parts for tail, size in part.items() if tail in wanted}
        listed = {tail: blob for tail, blob in wanted.items() if found.get(tail) == blob.size}
        return (blob for tail, blob in wanted.items() if tail not in listed and self.size_of(blob) != blob.size)

    def _sizes_from(self, digit: str, until: str) -> dict[str, int]:
        """Of all blobs whose names begin with that digit: a sixteenth of them, so that lists are read side by side."""
        found = self.each_size(layout.BLOBS, behind=layout.blob(digit))
        return dict(itertools.takewhile(lambda one: one[0] < layout.blob(until), found))


STORED_AGAIN = timedelta(hours=12)
"""Age of a shared input from which on it is stored again when a sweep names it (`record/shared_inputs.py`)."""


def share(root: ObjectStore, path: Path) -> Blob:
    """Store an input once for all runs of a sweep. Raises StoreError, Damaged when the file changes meanwhile."""
    size = path.stat().st_size
    blob = Blob(sha256=sha256_of(path, 0, size), size=size)
    key = layout.shared_input(blob.name)
    with explaining(key):
        with contextlib.suppress(NotFoundError, FileNotFoundError):
            there = obstore.head(root, key)
            if there["size"] == size and now() - there["last_modified"] < STORED_AGAIN:
                return blob
        part = max(CHUNK, math.ceil(size / MOST_PARTS))
        obstore.put(root, key, chunks_of(path, 0, size), chunk_size=part, max_concurrency=AT_ONCE)
        make_durable(root, key)
    return blob
