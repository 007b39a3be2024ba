"""Which bytes each output file gained since the last cut.

A file that a resumed attempt finds open after its set-up goes on where the record ends; one that comes into
being later is a new one, whatever an earlier attempt had recorded under its name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.formats import dcd
from lammps_jobs.protocol.messages import Gained, OutputChange, Removed

SAMPLE = 4096
COPIED_AT_ONCE = 4 * 1024 * 1024


@dataclass
class Recorded:
    """The part of a file that has been recorded: its length and samples of its head and its tail."""

    size: int
    head: bytes
    tail: bytes
    mtime_ns: int


class OutputTracker:
    """Watches the working folder; input files that did not change are no outputs.

    `also` names files that lie elsewhere, `before` those that an earlier attempt recorded.
    """

    def __init__(
        self, folder: Path, inputs: Iterable[str], also: dict[str, Path] | None = None, before: Iterable[str] = ()
    ) -> None:
        self.folder, self._also, self._before = folder, also or {}, frozenset(before)
        self._recorded: dict[str, Recorded] = {}
        self._untouched = set(inputs)
        for name in inputs:
            self._recorded[name] = _sample(folder / name)

    def forget_new_bytes(self, new: frozenset[str] = frozenset()) -> None:
        """Take what lies there now as recorded: a resumed attempt's repeated headers and frames; not `new` files."""
        for name in set(self._walk()) - new:
            self._recorded[name] = _sample(self._path(name))

    def know(self, name: str) -> None:
        """Take a file that was brought from the record as recorded."""
        self._recorded[name] = _sample(self.folder / name)

    def changes(self, copies: Path, rewritten: frozenset[str] = frozenset()) -> list[OutputChange]:
        """What to record now.

        `rewritten` names files whose content is always the latest only. Short pieces and rewritten files
        are copied to `copies` at once, since LAMMPS may rewrite them as soon as it goes on; long ones are
        appended trajectories, read in place later.
        """
        found: list[OutputChange] = []
        names = self._walk()
        for name in names:
            path = self._path(name)
            status = path.stat()
            old = self._recorded.get(name)
            if old and (status.st_size, status.st_mtime_ns) == (old.size, old.mtime_ns):
                continue
            whole = name in rewritten or name in self._untouched  # an input that is written to becomes an output
            self._untouched.discard(name)
            goes_on = old is not None and not whole and _extends(path, status.st_size, old)
            start = old.size if old and goes_on else 0
            if goes_on and start == 0 and name in self._before:
                start = dcd.header_size(path)  # LAMMPS writes it again with the first frame after a resume
            found.append(
                self._piece(name, (start, status.st_size), replaces=not goes_on, copy=copies / str(len(found)))
            )
            self._recorded[name] = _sample(path, status.st_size)
        for name in self._recorded.keys() - names - self._untouched:
            del self._recorded[name]
            found.append(Removed(name=name))
        return found

    def _piece(self, name: str, span: tuple[int, int], *, replaces: bool, copy: Path) -> Gained:
        start, stop = span
        path = self._path(name)
        if not replaces and stop - start > COPIED_AT_ONCE:
            return Gained(name=name, source=path, start=start, stop=stop, replaces=False)
        with path.open("rb") as source, copy.open("wb") as target:
            source.seek(start)
            if start == 0:
                shutil.copyfileobj(source, target, 1 << 20)
            else:
                target.write(source.read(stop - start))
        return Gained(name=name, source=copy, start=0, stop=stop - start, replaces=replaces)

    def _path(self, name: str) -> Path:
        return self._also.get(name) or self.folder / name

    def _walk(self) -> list[str]:
        found = [name for name, path in self._also.items() if path.exists()]
        for folder, _, names in os.walk(self.folder):
            base = Path(folder).relative_to(self.folder)
            found += [str(base / name) for name in names if (Path(folder) / name).is_file()]
        return sorted(found)


def _sample(path: Path, size: int | None = None) -> Recorded:
    status = path.stat()
    size = status.st_size if size is None else size
    with path.open("rb") as file:
        head = file.read(min(SAMPLE, size))
        file.seek(max(0, size - SAMPLE))
        tail = file.read(min(SAMPLE, size))
    return Recorded(size, dcd.without_counts(head), dcd.without_counts(tail), status.st_mtime_ns)


def _extends(path: Path, size: int, old: Recorded) -> bool:
    if size < old.size:
        return False
    now = _sample(path, old.size)
    return now.head == old.head and now.tail == old.tail
