"""Files and folders around a script, looked for by names that may be no names of files at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LOOKED_AT = 1000
"""Entries of a folder among which a file is looked for, before it is taken for one that holds files."""


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or no path at all
        return False


def is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def empty_folders(folder: Path) -> set[str]:
    """Folders directly in `folder` that hold no file, and those within them."""
    found: set[str] = set()
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != "."]
    except OSError:
        return found
    for path in inside:
        entries = list(some(path))
        if len(entries) < LOOKED_AT and all(entry.is_dir() for entry in entries):
            found |= {os.path.relpath(entry, folder) for entry in (path, *entries)}
    return found


def some(folder: Path) -> Iterator[Path]:
    """Entries below a folder, LOOKED_AT at most."""
    count = 0
    for base, inner, names in os.walk(folder):
        for name in (*inner, *names):
            count += 1
            if count > LOOKED_AT:
                return
            yield Path(base) / name


def potential(name: str) -> Path | None:
    """A file that LAMMPS would find by way of its environment (page `pair_coeff`): in whatever folder the script seeks
    it, only its last name counts there."""
    for folder in filter(None, os.environ.get("LAMMPS_POTENTIALS", "").split(os.pathsep)):
        path = Path(folder) / os.path.basename(name)
        if not os.path.isabs(name) and is_file(path):
            return path
    return None


def finds(name: str, folder: Path, places: Iterable[str]) -> frozenset[str]:
    """What is there of what `name` may mean, from any of the places: files, folders, and the folder that it is in."""
    found = {name} if os.path.isabs(name) or potential(name) else set[str]()
    for place in places:
        path = os.path.normpath(name if place == "." else os.path.join(place, name))
        for one in (path, os.path.dirname(path)):
            if one not in ("", ".", "..") and "\0" not in one and os.path.exists(f"{folder}/{one}"):
                found.add(one)
    return frozenset(found)


def looks_like_script(path: Path) -> bool:
    return path.name.startswith("in.") or path.suffix in (".in", ".lmp", ".lammps", ".inc", ".mod", ".settings")
