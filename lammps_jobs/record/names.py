"""Names of files in records, which others may have written: checked when a document is read and again before writing.

An input and an output lead from the folder in which the run starts; only an output, which its script named so, may be
absolute. None leads back out of a folder that it has entered, none hides a NUL.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from lammps_jobs.errors import printable

LONGEST = 4096
_CONTROL_IN_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def checked_path(name: str) -> str:
    """A relative or absolute path in its plainest form. Raises ValueError for any other text."""
    if not name or len(name) > LONGEST or "\0" in name:
        raise ValueError("no name of a file")
    if name != os.path.normpath(name) or name.startswith("//"):
        raise ValueError(f"{name!r} is not a plain path")
    return name


def checked_relative(name: str) -> str:
    """A relative path in its plainest form; it may begin with `..`. Raises ValueError for any other text."""
    if name.startswith("/"):
        raise ValueError(f"{name!r} is absolute")
    return checked_path(name)


RelativeName = Annotated[str, AfterValidator(checked_relative)]
"""Of an input or a folder, from the folder in which the run starts."""
OutputName = Annotated[str, AfterValidator(checked_path)]
PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._%-]{0,127}$")]
"""Of a file in a folder of ours."""


def is_below(path: Path, top: Path) -> bool:
    """Whether `path` lies in the folder `top`, or is it, wherever links on the way to it lead."""
    return path.parent.resolve().joinpath(path.name).is_relative_to(top.resolve())


def place_of(name: str) -> Path:
    """Where an output belongs in a folder of outputs: one by an absolute path or from above must not lead out of it.

    Control characters, which would play tricks with a terminal, become `_`.
    """
    parts = Path(_CONTROL_IN_NAME.sub("_", checked_path(name))).parts
    if parts[0] not in ("/", ".."):
        return Path(*parts)
    return Path("outside", *("up" if part == ".." else part for part in parts if part != "/"))


Words = Annotated[str, AfterValidator(printable)]
"""Text for people."""
