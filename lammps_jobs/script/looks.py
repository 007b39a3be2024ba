"""Which files of its folder a command may look at: a resumed run must have them there before it is issued.

In doubt it may look at all of them.
"""

from __future__ import annotations

import enum
import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lammps_jobs.script import commands, fixes
from lammps_jobs.script.commands import COMMANDS, Effect, Trait
from lammps_jobs.script.journal import Journal

_IS_FILE = re.compile(r"\bis_file\s*\(\s*([^()]*?)\s*\)")
_WITHIN = re.compile(r"\b(shell|include|jump|read_\w+|is_file|python|append|rerun)\b")
"""Words that make a command within a command look at files."""


_SEPARATOR = re.compile(r"[\s;|&<>()\"'`=]+")
_NO_FILES = ("/dev/", "/proc/", "/sys/")
LONGEST_PATH = 1000


class Everything(enum.Enum):
    """The command may look at any file."""

    EVERYTHING = "everything"


EVERYTHING = Everything.EVERYTHING


@dataclass(frozen=True)
class Named:
    """The command looks at files of these names only; paths lead from the current folder."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """LAMMPS's (a `*` for a timestep, a `%` for a rank or for `base`) or the shell's."""
    begun: tuple[str, ...] = ()
    """Files that it begins anew, whatever they held. One that is owed to the folder has to be whole even then: its
    beginning alone may be just what the new one begins with."""


Looks = Everything | Named
NOTHING = Named()


def before_substitution(text: str) -> Looks:
    """What the formulas of a line look at when LAMMPS takes their values."""
    if "is_file" not in text:
        return NOTHING
    found = [match[1].strip("\"'") for match in _IS_FILE.finditer(text)]
    if len(found) != text.count("is_file") or any("$" in name or name.startswith("v_") for name in found):
        return EVERYTHING
    return Named(tuple(found))


def of_command(args: list[str], journal: Journal, *, again: bool = False) -> Looks:
    """What a command looks at, given its words after substitution.

    With `again` it is issued again after a stage with it: the files that it appended to go on behind the record.
    """
    match args[0]:
        case "shell":
            return _of_shell(args[1:])
        case "python" | "plugin":
            return EVERYTHING
        case "run" | "rerun" if _WITHIN.search(" ".join(args[2:])):
            return EVERYTHING
        case "dump_modify":
            return NOTHING if again else Named(_appended(args, journal))
    begun = () if again else tuple(word for at, word in enumerate(args) if at and _is_written(args, at, append=False))
    if Trait.ONLY_WRITES in commands.traits_of(args[0]) and "append" not in args:
        return Named(begun=begun)
    read = tuple(word for at, word in enumerate(args) if at and not _is_written(args, at, append=again))
    row = COMMANDS.get(args[0])
    patterns = tuple(word for word in read if row and row.reads and set(word) & set("*%"))
    return Named(read, patterns, begun)


def read_files(args: list[str], folder: str) -> list[str]:
    """Files that a command, issued from the current `folder`, may read, by their paths from the run's folder."""
    row = COMMANDS.get(args[0])
    if row is not None and row.effect not in (Effect.KEPT, Effect.STYLE, Effect.TRACKED):
        return []  # it is never issued again
    if Trait.ONLY_WRITES in commands.traits_of(args[0]):
        return []
    follows = [args[at - 1] in ("file", "append") and args[0] == "fix" for at in range(len(args))]
    read = (word for at, word in enumerate(args) if at and not follows[at] and not _is_written(args, at, append=True))
    names = (_path(folder, word) for word in read if 0 < len(word) < LONGEST_PATH and "\n" not in word)
    return [name for name in dict.fromkeys(names) if not os.path.isabs(name)]


def _is_written(args: list[str], at: int, *, append: bool) -> bool:
    """Whether a word names a file that the command begins, whatever it held before; or, with `append`, goes on with."""
    row = COMMANDS.get(args[0])
    if row is not None and at == row.writes and ("append" not in args or append):
        return True
    writes = args[0] == "print" or (
        args[0] == "fix" and len(args) > 3 and fixes.Trait.WRITES_AT_SETUP in fixes.traits_of(args[3])
    )
    return writes and at > 1 and args[at - 1] in (("file", "append") if append else ("file",))


def written_outside(args: list[str], current: str, top: str) -> list[str]:
    """Patterns of the files outside of `top` that a command, issued from the folder `current`, may write.

    Absolute paths all. A word that only names an input is among them: it stays as it is.
    """
    words = [piece for word in args[1:] for piece in _SEPARATOR.split(word)] if args[0] == "shell" else args[1:]
    found: list[str] = []
    for path in (os.path.normpath(os.path.join(current, word)) for word in words if word):
        if path == top or path.startswith((f"{top}/", *_NO_FILES)) or len(path) > LONGEST_PATH:
            continue
        inside = [os.path.join(path, os.path.basename(word)) for word in words] if os.path.isdir(path) else [path]
        found += [glob.escape(name).replace("[*]", "*").replace("%", "*") for name in inside]
    return found


def chosen(looks: Looks, absent: Iterable[str], owed: Iterable[str], folder: str) -> list[str]:
    """The files that have to be brought for a look from the current `folder`, by their paths from the run's folder.

    Of those that are `absent` or, as they are open already, `owed` in part.
    """
    names = {*absent, *owed}
    if looks is EVERYTHING:
        return sorted(names)
    assert isinstance(looks, Named)
    wanted = {_path(folder, word) for word in looks.words if word}
    wanted |= {_path(folder, word) for word in looks.begun if word} & set(owed)
    patterns = [_path(folder, word.replace("%", "*")) for word in looks.patterns]
    return sorted(name for name in names
                  if name in wanted or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))  # fmt: skip


def _path(folder: str, word: str) -> str:
    return os.path.normpath(os.path.join(folder, word))


def _of_shell(args: list[str]) -> Looks:
    match args[:1]:
        case ["cd" | "mkdir" | "putenv"] | []:
            return NOTHING
        case ["rm" | "rmdir" | "mv"] if not any(set(word) & set("*?[$`~;|&<>(){") or "/" in word for word in args):
            return Named(tuple(args[1:]), patterns=tuple(f"{word}/*" for word in args[1:]))
    return EVERYTHING


def _appended(args: list[str], journal: Journal) -> tuple[str, ...]:
    """The file of a dump that is told to append to it."""
    if "append" not in args[2:]:
        return ()
    return tuple(entry.words[5] for entry in journal.of("dump") if entry.words[1] == args[1])
