"""The YAML files of `fix ave/*` (source of fix_ave_time): their keywords come once, before the first row."""

from __future__ import annotations

import re
from pathlib import Path

_KEYWORDS = re.compile(rb"keywords: \[[^\n]*\ndata:\n")
LONGEST = 65536
"""Bytes within which the keywords are looked for."""


def keywords_at(path: Path, start: int) -> int:
    """Bytes of the keywords if they stand at byte `start` of the file, else 0."""
    with path.open("rb") as file:
        file.seek(start)
        found = _KEYWORDS.match(file.read(LONGEST))
    return found.end() if found else 0


def has_keywords(path: Path) -> bool:
    """Whether the keywords have been written."""
    with path.open("rb") as file:
        return _KEYWORDS.search(file.read(LONGEST)) is not None
