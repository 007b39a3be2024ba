"""Where in a script the run is: the files and branches being followed, and what `jump` and `include` do to them.

The rules follow the manual's pages `jump`, `label`, `include` and `if`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lammps_jobs.script.language import ScriptFault, logical_lines

Lines = list[tuple[int, str]]


_STORED = {0xDC00 + byte: 0x10FF00 + byte for byte in range(0x80, 0x100)}
"""Bytes that are no UTF-8, as Python reads them, to characters that JSON can hold."""
_READ = {stored: read for read, stored in _STORED.items()}


def read_script(file: str) -> Lines:
    """The logical lines of a script, whose path leads from the current folder. Raises ScriptFault without it."""
    try:
        text = Path(file).read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise ScriptFault(f"Cannot open input script {file}: {error.strerror}") from None
    return logical_lines(text)


@dataclass
class Frame:
    """A list of commands being worked through: a file, or the chosen branch of an `if`."""

    file: str
    lines: Lines
    next: int = 0
    is_file: bool = True

    def to_json(self) -> dict[str, Any]:
        lines = [(number, text.translate(_STORED)) for number, text in self.lines]
        return {"file": self.file, "lines": lines, "next": self.next, "is_file": self.is_file}


@dataclass
class Position:
    """Where in the script the run is. Serialisable, so a resumed attempt goes on from here."""

    read: Callable[[str], Lines] = field(default=read_script, compare=False)
    """Gives the lines of a file."""
    frames: list[Frame] = field(default_factory=list)
    seeking: str = ""
    """The label that a `jump` looks for; commands are passed over until it comes."""
    skip_next_jump: bool = False

    def open(self, file: str) -> None:
        self.frames.append(Frame(file, self.read(file)))

    def advance(self) -> tuple[str, int, str] | None:
        """The next line as (file, line number, text); None at the end of the script."""
        while self.frames:
            frame = self.frames[-1]
            if frame.next < len(frame.lines):
                number, text = frame.lines[frame.next]
                frame.next += 1
                return frame.file, number, text
            if frame.is_file and self.seeking:
                raise ScriptFault(f"Label wasn't found in input script: {self.seeking}")
            self.frames.pop()
        return None

    def branch(self, file: str, number: int, commands: list[str]) -> None:
        self.frames.append(Frame(file, [(number, c) for c in commands], is_file=False))

    def jump(self, file: str, label: str = "") -> None:
        """Go to `label` (or the top) of `file`; the branch that holds the jump is still worked off."""
        if self.skip_next_jump:
            self.skip_next_jump = False
            return
        frame = next(f for f in reversed(self.frames) if f.is_file)
        if file != "SELF":
            frame.lines, frame.file = self.read(file), file
        frame.next = 0
        self.seeking = label

    def to_json(self, *, back: bool = False) -> dict[str, Any]:
        """With `back`, the position before the line that `advance` gave last."""
        frames = [frame.to_json() for frame in self.frames]
        if back:
            frames[-1]["next"] -= 1
        return {
            "frames": frames,
            "seeking": self.seeking,
            "skip_next_jump": self.skip_next_jump,
        }

    @classmethod
    def from_json(cls, read: Callable[[str], Lines], state: dict[str, Any]) -> Position:
        position = cls(read, seeking=state["seeking"], skip_next_jump=state["skip_next_jump"])
        for raw in state["frames"]:
            lines = [(number, text.translate(_READ)) for number, text in raw["lines"]]  # the file may be another by now
            position.frames.append(Frame(raw["file"], lines, raw["next"], raw["is_file"]))
        return position
