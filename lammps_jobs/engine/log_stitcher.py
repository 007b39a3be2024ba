"""The log file that the user sees: LAMMPS's own log with the traces of cutting taken out.

LAMMPS writes a raw log beside the working folder. From it we copy all but what commands of our own and the set-up of
a resume print. Commands are echoed by us, because LAMMPS sees them one by one and already substituted.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from lammps_jobs.script.language import ScriptFault


class LogStitcher:
    """Safe to use from the main thread and the watching one.

    `target` is the log file that the script asks for, `full` one that no `log` command ends.
    """

    def __init__(self, raw: Path, full: Path, target: str | None, flush: Callable[[], None], *, dropping: bool) -> None:
        self.raw, self._flush = raw, flush
        self.target: Path | None = None
        self.echoes = True
        self._full = full.open("w", errors="surrogateescape")
        self._lock = threading.Lock()
        self._read_to = 0
        self._line = ""
        self._file: IO[str] | None = None
        self._dropping = dropping
        self._open(target, "w")

    def switch(self, target: str | None, *, append: bool = False) -> None:
        """The `log` command: go on in another file, whose path leads from the current folder, or (None) in none."""
        self._flush()
        self.pump()
        with self._lock:
            if self._file:
                self._file.close()
            self._open(target, "a" if append else "w")

    def _open(self, target: str | None, mode: str) -> None:
        self.target = Path(target).absolute() if target else None
        try:
            self._file = self.target.open(mode, errors="surrogateescape") if self.target else None
        except OSError as error:
            raise ScriptFault(f"Cannot open logfile {target}: {error.strerror}") from None

    def echo(self, line: str) -> None:
        if self.echoes:
            self._flush()
            self.pump()
            with self._lock:
                self._write(line + "\n")

    def pump(self) -> None:
        """Copy what LAMMPS has written since."""
        with self._lock:
            for line in self._new_lines():
                self._take(line)
            for file in (self._file, self._full):
                if file:
                    file.flush()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """Meanwhile nothing is written, and all that was is in the files."""
        self._flush()
        self.pump()
        with self._lock:
            yield

    def drop(self, on: bool) -> None:
        """While on, nothing that LAMMPS says is copied: commands of our own are at work."""
        self._flush()
        self.pump()
        self._dropping = on

    def said(self, pattern: str, since: int) -> list[str]:
        """Lines of the raw log after byte `since` that match; for asking what LAMMPS reported."""
        if not self.raw.exists():
            return []
        with self.raw.open(errors="replace") as file:
            file.seek(since)
            return [line.rstrip("\n") for line in file if re.search(pattern, line)]

    @property
    def raw_size(self) -> int:
        return self.raw.stat().st_size if self.raw.exists() else 0

    # -- inside the lock -------------------------------------------------------------------------

    def _new_lines(self) -> list[str]:
        if not self.raw.exists():
            return []
        with self.raw.open("rb") as file:
            file.seek(self._read_to)
            content = file.read()
        self._read_to += len(content)
        text = self._line + content.decode(errors="surrogateescape")
        *whole, self._line = text.split("\n")
        return [line + "\n" for line in whole]

    def _take(self, line: str) -> None:
        if self._dropping:
            return
        self._write(line)

    def _write(self, text: str) -> None:
        for file in (self._file, self._full):
            if file:
                file.write(text)
