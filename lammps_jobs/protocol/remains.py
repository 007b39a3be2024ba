"""What an attempt leaves behind that ended without a last checkpoint: the bytes of its outputs since the newest one.

The engine keeps `Marks` of what was recorded of each file, so that whoever looks when it is gone, whatever ended it,
can tell what came since. A cut's marks count when its checkpoint is committed.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lammps_jobs.formats import ave_yaml, dcd
from lammps_jobs.protocol.messages import Alias, Gained, OutputChange, Removed
from lammps_jobs.record.documents import Frozen

SAMPLE = 4096
COMMITTED = "committed"
"""The file beside the marks that names the cut of this engine, and the checkpoint, that the record has."""


class Mark(Frozen):
    """The part of one file that was recorded: its bytes, when it was last changed, a hash of both its ends."""

    size: int
    mtime_ns: int
    ends: str


class Marks(Frozen):
    """What was recorded of all files after one cut. Names lead from `folder`."""

    folder: Path
    top: Path
    files: dict[str, Mark]
    given: tuple[str, ...]
    """Inputs that lie there as they were given."""
    before: tuple[str, ...]
    """Files that an earlier attempt recorded."""
    headed: tuple[str, ...]
    rewritten: tuple[str, ...]
    """Files of which only the latest content counts."""
    watched: tuple[str, ...]


class Committed(Frozen):
    """Which of the engine's cuts (0: none yet) is on record, as which checkpoint (0: none)."""

    cut: int
    checkpoint: int


def marks_file(scratch: Path, cut: int) -> Path:
    return scratch / f"marks-{cut}.json"


def ends_of(head: bytes, tail: bytes) -> str:
    """The hash in a mark. `head` is without a DCD file's counts."""
    return hashlib.sha256(head + tail).hexdigest()


def read(scratch: Path) -> tuple[Marks, Committed] | None:
    """What an attempt's folder holds of marks; None when there are none that count. A torn file is none."""
    try:
        committed = Committed.model_validate_json((scratch / COMMITTED).read_bytes())
        return Marks.model_validate_json(marks_file(scratch, committed.cut).read_bytes()), committed
    except (OSError, ValueError):
        return None


def since(marks: Marks) -> list[OutputChange]:
    """What the outputs gained since. Nobody may be writing to them any more."""
    found: list[OutputChange] = []
    names = set(_names(marks))
    for name in sorted(names):
        path, old = marks.folder / name, marks.files.get(name)
        status = path.stat()
        if old and (status.st_size, status.st_mtime_ns) == (old.size, old.mtime_ns):
            continue
        goes_on = old is not None and name not in (*marks.rewritten, *marks.given) and _extends(path, old)
        start = _start(marks, name, path, old.size) if old and goes_on else 0
        if status.st_size > start or not goes_on:
            found.append(Gained(name=name, source=path, start=min(start, status.st_size), stop=status.st_size,
                                replaces=not goes_on))  # fmt: skip
    found += [Removed(name=name) for name in sorted(marks.files.keys() - names - set(marks.given))]
    return [*found, *_aliases(marks)]


def _start(marks: Marks, name: str, path: Path, size: int) -> int:
    start = size
    if start == 0 and name in marks.before:
        start = dcd.header_size(path)
    return start + (ave_yaml.keywords_at(path, start) if name in marks.headed else 0)


def _extends(path: Path, old: Mark) -> bool:
    if path.stat().st_size < old.size:
        return False
    with path.open("rb") as file:
        head = dcd.without_counts(file.read(min(SAMPLE, old.size)))
        file.seek(max(0, old.size - SAMPLE))
        return ends_of(head, dcd.without_counts(file.read(min(SAMPLE, old.size)))) == old.ends


def _names(marks: Marks) -> Iterator[str]:
    for path in _paths(marks.top):
        if path.is_file() and not path.is_symlink():
            yield os.path.relpath(path, marks.folder)
    for pattern in marks.watched:
        yield from (name for name in glob.glob(pattern) if os.path.isfile(name))


def _paths(top: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(top):
        yield from (Path(folder) / name for name in names)


def _aliases(marks: Marks) -> Iterator[OutputChange]:
    top, folder = marks.top.resolve(), marks.folder.resolve()
    for path in _paths(marks.top):
        if path.is_symlink() and path.resolve().is_relative_to(top):
            yield Alias(name=os.path.relpath(path, marks.folder), of=os.path.relpath(path.resolve(), folder))
