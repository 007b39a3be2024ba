"""The contents of the files that a command has read, kept for issuing it again: the files may be others by then.

A script may remove or overwrite the table that its `pair_coeff` has read; LAMMPS remembers what was in it, a new
process has to read it. So every command of the journal knows its sources: an input as it was given, or a copy in the
record.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lammps_jobs.engine.open_files import is_written_to
from lammps_jobs.engine.output_tracker import OutputTracker
from lammps_jobs.record.documents import GIVEN, SOURCE


class Sources:
    """Rank 0's; copies lie in `place`. `fetch` writes a recorded output, or an input as it was given, to a path."""

    def __init__(self, place: Path, outputs: OutputTracker, fetch: Callable[[str, Path], None]) -> None:
        self._place, self._outputs, self._fetch = place, outputs, fetch
        place.mkdir(exist_ok=True)

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Where the contents of these files of the run are kept, by the files' names."""
        found = {}
        for name in names:
            path = self._outputs.folder / name
            if self._outputs.is_as_given(name):
                found[name] = GIVEN + name
            elif path.is_file():
                kept = SOURCE + _digest(path)
                copy = self._place / kept
                if not copy.exists():
                    shutil.copyfile(path, copy)
                self._outputs.keep(kept, copy)
                found[name] = kept
        return found

    def forget(self, needed: Iterable[str]) -> None:
        """Copies that no command needs any more are no longer recorded."""
        self._outputs.keep_only(set(needed))

    @contextlib.contextmanager
    def laid_out(self, sources: dict[str, str]) -> Iterator[None]:
        """Meanwhile the files hold what they held when the command read them."""
        swapped = [(self._outputs.folder / name, self._swap(name, kept)) for name, kept in sources.items()]
        try:
            yield
        finally:
            for path, aside in swapped:
                if aside is not None:
                    _swap_back(path, aside)

    def _swap(self, name: str, kept: str) -> Path | None:
        """Put the source in the file's place; returns where the file is meanwhile, None when it is its own source."""
        path = self._outputs.folder / name
        if kept == GIVEN + name and self._outputs.is_as_given(name):
            return None
        if kept.startswith(SOURCE) and path.is_file() and kept == SOURCE + _digest(path):
            return None
        copy = self._place / kept.replace("/", "_")
        if not copy.exists():
            self._fetch(kept, copy)
        aside = path.with_name(f".{path.name}.aside")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(aside)
        shutil.copyfile(copy, path)
        return aside


def _swap_back(path: Path, aside: Path) -> None:
    if is_written_to(path):  # it was an output after all, and begins anew
        aside.unlink(missing_ok=True)
        return
    path.unlink()
    if aside.exists():
        aside.rename(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
