"""The log file that the user sees: LAMMPS's own log with the traces of cutting taken out.

LAMMPS writes a raw log beside the working folder. From it we copy what an uncut run would have
written: of a cut run not the closing statistics, of its continuation not the repeated header and
first row. Commands are echoed by us, because LAMMPS sees them one by one and already substituted.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from lammps_jobs.script.language import ScriptFault

_LOOP = re.compile(r"Loop time of (\S+) on (\d+) procs for (\d+) steps")


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
        self._in_run, self._dropping = False, dropping
        self._skip = ""
        self._ends_document = False
        self._held: list[str] = []
        self._rows: list[str] | None = None
        self._loop_s, self._loop_steps = 0.0, 0
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

    def begin_run(self, *, skip_first_row: bool, style: str, hold: bool = False) -> None:
        """A run starts. With `skip_first_row` it continues one, and repeats a header and a row.

        With `hold` nothing is copied before `end_run` says whether the last row is the user's.
        """
        self._flush()
        self.pump()
        with self._lock:
            self._in_run, self._skip, self._held = True, style if skip_first_row else "", []
            self._ends_document = style == "yaml"
            self._rows = [] if hold else None

    def end_run(self, *, cut: bool, drop_last_row: bool = False) -> None:
        """The run command came back; when it was cut, its closing statistics are not the user's."""
        self._flush()
        self.pump()
        with self._lock:
            self._in_run, self._skip = False, ""
            if self._rows is not None:
                for line in _without_last_row(self._rows) if drop_last_row else self._rows:
                    self._write(line)
                self._rows = None
            for at, line in enumerate(self._held):
                found = _LOOP.match(line)
                if found:
                    self._loop_s += float(found[1])
                    self._loop_steps += int(found[3])
                    whole = f"Loop time of {self._loop_s:.6g} on {found[2]} procs for {self._loop_steps} steps"
                    self._held[at] = line if self._loop_steps == int(found[3]) else _LOOP.sub(whole, line)
            if not cut:
                self._loop_s, self._loop_steps = 0.0, 0
                for line in self._held:
                    self._write(line)
            self._held = []

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
        ends = line.startswith("Loop time of") or (self._ends_document and line == "...\n")
        if self._in_run and (self._held or ends):
            self._held.append(line)
        elif self._in_run and self._skip:
            self._skip_repeated(line)
        elif self._rows is not None:
            self._rows.append(line)
        else:
            self._write(line)

    def _skip_repeated(self, line: str) -> None:
        if line.startswith("WARNING"):
            self._write(line)
        elif self._skip == "multi" and line.startswith("------------ Step"):
            self._skip = "multi row"
        elif self._skip == "multi row" and line.startswith("------------ Step"):
            self._skip = ""
            self._take(line)
        elif (self._skip == "yaml" and line.startswith("  - [")) or (self._skip == "row" and _is_row(line)):
            self._skip = ""

    def _write(self, text: str) -> None:
        for file in (self._file, self._full):
            if file:
                file.write(text)


def _without_last_row(lines: list[str]) -> list[str]:
    """The lines without the last thermo row; one of style multi reaches to the end."""
    starts = [at for at, line in enumerate(lines) if line.startswith(("------------ Step", "  - [")) or _is_row(line)]
    if not starts:
        return lines
    last = starts[-1]
    return lines[:last] if lines[last].startswith("-") else lines[:last] + lines[last + 1 :]


def _is_row(line: str) -> bool:
    words = line.split()
    try:
        return bool(words) and all(float(word) is not None for word in words)
    except ValueError:
        return False
