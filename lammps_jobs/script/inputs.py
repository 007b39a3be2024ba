"""Which files and folders a script needs from where it starts: found by reading it, before anything is submitted.

Any word that names a file is taken along, also through variables whose values the script or the caller gives. A word
that a variable of the moment makes up is taken as a pattern. Files of $LAMMPS_POTENTIALS come along, too, since the
machine that runs the script need not have that folder. In doubt a file is taken, and a run is accepted: only what plain
`lmp` would surely stumble over is an error.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lammps_jobs.errors import InputMissing, LammpsJobsError, UsageError
from lammps_jobs.script.commands import COMMANDS, Effect, Trait, traits_of
from lammps_jobs.script.language import (
    ScriptFault,
    commands_in_branches,
    commands_of,
    unquoted_variables,
)
from lammps_jobs.script.nearby import LOOKED_AT, empty_folders, is_dir, is_file, looks_like_script, potential, some
from lammps_jobs.script.values import COMBINATIONS, Looked, Values, Variables, pattern
from lammps_jobs.script.variable_check import Use, check_defined, check_used

ABOVE = 2
"""Folders above the run's own in which a script may write besides those that its inputs lie in."""
SCRIPT_SIZE = 1_000_000
"""Bytes of the largest file that is taken for a script."""
PLACES = 50
"""Folders that a script may go to, and from which its files are looked for."""
EXECUTABLE = 0o111


@dataclass(frozen=True)
class Gathered:
    """What a run takes along. Paths lead from the folder `start`, in which it starts."""

    start: Path
    script: str
    files: dict[str, Path]
    folders: tuple[str, ...]
    """Folders that hold none of the files."""
    executables: tuple[str, ...]
    warnings: tuple[str, ...]
    """What may be wrong, in words."""
    looked: tuple[tuple[Path, tuple[str, ...], frozenset[Looked]], ...] = ()
    """Where files were looked for: a start, the places that lead from it, and the texts that the caller's variables are
    part of. With values for which the same is found there, all else is the same."""


def places_of(script: Path, start: str | Path | None) -> list[Path]:
    """Where a script may have been meant to start, the likeliest first."""
    places = [Path(start)] if start is not None else _starts(script)
    return list(dict.fromkeys(path.resolve() for path in places))


def gather(
    script: Path, named: Iterable[str | Path], variables: Variables, *, start: str | Path | None = None,
    defined: Iterable[str] = (),
) -> Gathered:  # fmt: skip
    """What to take along: the script, `named` files and folders, and what the script reads.

    It starts in `start`; by default where more of its files are found, in the script's folder or, as `lmp -in` does,
    in the present one. A path may lead out of there (`../data.melt`); absolute ones of inputs are left where they are.

    `defined` names variables that are defined before it begins.

    Raises InputMissing for a file that is not there and is surely read, UsageError for a variable that nothing defines.
    """
    if not script.is_file():
        raise InputMissing(f"The script is not there: {script}", remedy="Give the path of a LAMMPS input script.")
    done: list[_Search] = []
    tried: list[_Search] = []
    failures: list[LammpsJobsError] = []
    for place in places_of(script, start):
        search = _Search(place, script.resolve(), variables, frozenset(defined))
        tried.append(search)
        try:
            search.run(named)
            done.append(search)
        except LammpsJobsError as error:
            failures.append(error)
    if not done:
        raise failures[0]
    best = max(done, key=lambda search: (len(search.needed), not search.needed and search.is_beside)).gathered()
    looked = tuple((one.folder, tuple(one.places), frozenset(one.values.looked)) for one in tried)
    return replace(best, looked=looked)


def _starts(script: Path) -> list[Path]:
    """Where a script may have been meant to start, the likeliest first."""
    beside, here = script.resolve().parent, Path.cwd()
    if not script.is_absolute():
        return [here, beside]
    return [beside, here] if beside.is_relative_to(here) else [beside]


class _Search:
    def __init__(self, folder: Path, script: Path, given: Variables, defined: frozenset[str] = frozenset()) -> None:
        self.folder, self.values = folder, Values(given)
        self.script = os.path.relpath(script, folder)
        self.found: dict[str, Path] = {self.script: script}
        self.needed: set[str] = set()
        """Files and folders that the script names and that are there."""
        self.folders: set[str] = set()
        self.warnings: list[str] = []
        self._given, self._defined = set(given), defined
        self.places = ["."]
        """Folders that may be the current one."""
        self._followed: set[str] = set()
        self._written: set[str] = set()
        """Patterns of the files that the script has written so far, or may have."""
        self._is_sure = True
        """Whether every command up to here is surely issued, and nothing but them has made files or variables."""
        self._uses: list[Use] = []

    @property
    def is_beside(self) -> bool:
        """Whether the script starts in its own folder."""
        return os.path.dirname(self.script) == ""

    def run(self, named: Iterable[str | Path]) -> None:
        for path in named:
            self.add(Path(path))
        self.follow(self.script)
        texts = self._texts()
        self.warnings += check_defined(texts, self._uses, self._given | self._defined)
        self.warnings += check_used(texts, self._uses, self._given, self.script)
        self.folders |= empty_folders(self.folder)

    def gathered(self) -> Gathered:
        holding = {str(folder) for name in self.found for folder in Path(name).parents}
        executables = [name for name, path in self.found.items() if path.stat().st_mode & EXECUTABLE]
        return Gathered(
            self.folder, self.script, self.found, tuple(sorted(self.folders - holding)), tuple(sorted(executables)),
            tuple(dict.fromkeys(self.warnings)),
        )  # fmt: skip

    def add(self, path: Path) -> None:
        """An input that the caller names: a file, or a folder with all that is in it."""
        full = path.resolve() if path.is_absolute() or path.exists() else (self.folder / path).resolve()
        if not full.exists():
            raise InputMissing(f"The input is not there: {path}", remedy="Check the path given as an input.")
        inside = full.relative_to(self.folder) if full.is_relative_to(self.folder) else Path(full.name)
        if not full.is_dir():
            self.found[str(inside)] = full
            return
        self.folders.add(str(inside))
        for inner in sorted(full.rglob("*")):
            name = str(inside / inner.relative_to(full))
            if inner.is_file():
                self.found[name] = inner
            elif inner.is_dir():
                self.folders.add(name)

    def _texts(self) -> list[str]:
        """What is in the files that can be scripts."""
        small = (path for path in self.found.values() if path.stat().st_size <= SCRIPT_SIZE)
        return [path.read_text(errors="surrogateescape") for path in small]

    # -- reading the script ----------------------------------------------------------------------

    def follow(self, name: str) -> None:
        """Add what the script `name` reads. Raises UsageError for a main script with a quote that is not closed."""
        if name in self._followed:
            return
        self._followed.add(name)
        text = self.found[name].read_text(errors="surrogateescape")
        try:
            for number, line, args in commands_of(text):
                self._command(args, line, f"{name}:{number}: {line.strip()}")
        except ScriptFault as fault:
            if name == self.script:
                raise UsageError(str(fault), where=f"{name}:{fault.line}") from None

    def _command(self, args: list[str], line: str, where: str) -> None:
        self._uses += [Use(name, where, self._is_sure) for name in unquoted_variables(line)]
        if args[0] == "variable":
            self.values.learn(args)
        for inner in (args, *commands_in_branches(args)):
            self._note_place(inner)
            self._note_written(inner)
        row = COMMANDS.get(args[0])
        for at, word in enumerate(args[1:], start=1):
            if not (args[0] == "if" and " " in word) and not self._is_output(args, at):
                taken = self._take(word, args)
                if row and at == row.reads and not taken:
                    self._miss(word, where)
            self._take_folder(word)
        for words in commands_in_branches(args):
            for at, word in enumerate(words[1:], start=1):
                if not self._is_output(words, at):
                    self._take(word, words)
                self._take_folder(word)
        self._is_sure = self._is_sure and not _leads_away(args)

    def _note_place(self, args: list[str]) -> None:
        """Follow `shell cd`: from there on, a path may lead from a new place, too."""
        if args[:2] != ["shell", "cd"] or len(args) != 3:
            return
        self._is_sure = False
        for word in self._meant(args[2]):
            found = [os.path.normpath(os.path.join(place, word)) for place in self.places]
            self.places = list(dict.fromkeys([*self.places, *found]))[:PLACES]
        for place in self.places:
            if place != "." and not place.startswith("/") and is_dir(self.folder / place):
                self.folders.add(place)
                self.needed.add(place)

    def _note_written(self, args: list[str]) -> None:
        """Note the files that a command writes, as patterns; a `*` in a name stands for the timestep."""
        every = bool((Trait.ONLY_WRITES | Trait.WRITES_ANY) & traits_of(args[0]))
        for at, word in enumerate(args[1:], start=1):
            if every or _is_written(args, at):
                meant = self.values.meanings(word)
                names = [pattern(word)] if meant is None else [glob.escape(os.path.normpath(text)) for text in meant]
                self._written.update(name.replace("[*]", "*") for name in names)
                self.warnings += [
                    f"The script writes to {name}, which another machine may not have; what it writes is recorded, too"
                    for name in meant or []
                    if os.path.isabs(name) and not name.startswith("/dev/") and _is_written(args, at)
                ]

    def _is_output(self, args: list[str], at: int) -> bool:
        """Whether the word names a file that is begun anew: an old one of that name is no input, however large."""
        if args[:2] == ["shell", "rm"]:
            return True
        appends = "append" in args or (args[0] == "dump" and self._is_appended(args))
        if Trait.ONLY_WRITES in traits_of(args[0]) and not appends:
            return True
        return _is_written(args, at) and not appends

    def _is_appended(self, args: list[str]) -> bool:
        """Whether a `dump_modify` of the same script says that the dump goes on with an old file."""
        for name in self._followed:
            text = self.found[name].read_text(errors="surrogateescape")
            if re.search(rf"\bdump_modify\s+{re.escape(args[1])}\s.*\bappend\s+(yes|on|true)", text):
                return True
        return False

    # -- taking files ----------------------------------------------------------------------------

    def _take(self, word: str, args: list[str]) -> bool:
        """Take along what the word names; False when it names no file."""
        if word == "*":
            return False
        taken = False
        for plain in self._paths(word, args):
            full = self.folder / plain
            if plain in self.found:
                taken = True
            elif is_file(full):
                self._found(plain, full, args[0])
                taken = True
            elif args[0] == "shell" and args[1] not in ("cd", "mkdir", "rmdir") and is_dir(full):
                self._take_all(plain)
            elif shared := potential(plain):
                self._found(plain, shared, args[0])
                taken = True
        return taken

    def _paths(self, word: str, args: list[str]) -> list[str]:
        """The paths that a word can stand for, from wherever the script may be by then."""
        row = COMMANDS.get(args[0])
        names: list[str] = []
        for text in self._words(word, args[0]):
            meant = self._meant(text)
            wild = [name for name in meant if set(name) & set("*%")] if row and row.reads else []
            if args[0] == "shell":
                wild = [name for name in meant if set(name) & set("*?[")]
            names += [name for name in meant if name not in wild]
            for name in wild:
                names += self._matching(name.replace("%", "*"), newest="*" in name and args[0] == "read_restart")
        return [os.path.normpath(os.path.join(place, name)) for name in names for place in self.places]

    def _take_all(self, plain: str) -> None:
        """Take a folder that a shell command names with all that is in it, unless that is very much."""
        inside = [] if os.path.isabs(plain) or plain.strip("./") == "" else list(some(self.folder / plain))
        if len(inside) < LOOKED_AT:
            self.found |= {os.path.relpath(path, self.folder): path for path in inside if is_file(path)}
            self.folders |= {os.path.relpath(path, self.folder) for path in inside if is_dir(path)}

    def _words(self, word: str, command: str) -> list[str]:
        return [word, *re.split(r"[\s;|&<>()\"'`=]+", word)] if command == "shell" else [word]

    def _matching(self, name: str, *, newest: bool) -> list[str]:
        """Files that LAMMPS's or the shell's pattern may mean; of restart files the `newest` by their timestep."""
        found = [os.path.relpath(path, self.folder) for path in sorted(glob.glob(str(self.folder / name)))]
        found = [name for name in found if is_file(self.folder / name)]
        if not newest:
            return found
        steps = {path: max(map(int, re.findall(r"\d+", path)), default=-1) for path in found}
        return [path for path in found if steps[path] == max(steps.values())]

    def _found(self, plain: str, full: Path, command: str) -> None:
        if os.path.isabs(plain):
            return  # the run reads it where it is; that only works on this machine
        self.found[plain] = full.resolve()
        self.needed.add(plain)
        row = COMMANDS.get(command)
        is_script = row is not None and row.reads > 0 and row.effect is Effect.FLOW
        if full.stat().st_size < SCRIPT_SIZE and (is_script or looks_like_script(full)):
            self.follow(plain)

    def _take_folder(self, word: str) -> None:
        """A folder in which the script reads or writes has to be there, also when it is empty."""
        if len(word) > LOOKED_AT:
            return
        for text in self._words(word, "shell" if " " in word else ""):
            for plain in self._meant(text) or [pattern(text)]:
                for place in self.places:
                    path = os.path.normpath(os.path.join(place, plain))
                    for name in (path, os.path.dirname(path)):
                        if name not in ("", ".", "..") and not os.path.isabs(name) and is_dir(self.folder / name):
                            self.folders.add(name)
                            self.needed.add(name)

    def _meant(self, word: str) -> list[str]:
        """The paths that a word can stand for."""
        meant = self.values.meanings(word)
        if meant is not None:
            return [os.path.normpath(text) for text in meant if text]
        searched = pattern(word)
        if not re.search(r"[A-Za-z]{2}", searched):
            return []  # too little left to search by
        found = sorted(glob.glob(str(self.folder / searched)))[:COMBINATIONS]
        return [os.path.relpath(path, self.folder) for path in found]

    # -- what is missing -------------------------------------------------------------------------

    def _miss(self, word: str, where: str) -> None:
        meant = self._meant(word)
        if word in ("SELF", "add") or any(fnmatch.fnmatchcase(name, made) for name in meant for made in self._written):
            self._is_sure = self._is_sure and word == "SELF"
            return
        text = f"The script reads a file that is not there: {meant[0] if len(meant) == 1 else word}"
        if self._is_sure and len(meant) == 1 and not set(meant[0]) & set("*%"):
            raise InputMissing(
                text, where=where,
                remedy="Put it where the script looks for it, or give the variable in its name another value.",
            )  # fmt: skip
        self.warnings.append(f"{text} ({where})")
        self._is_sure = False


def run_folder(top: Path, names: Iterable[str]) -> Path:
    """The folder in which a run with the inputs `names` starts: so deep that all of them lie below `top`."""
    depth = max((name.split("/").count("..") for name in names), default=0)
    return top / "/".join("d" * (ABOVE + depth))


def _leads_away(args: list[str]) -> bool:
    """Whether the next line may never come, or find files and variables that nobody can know of."""
    if args[0] == "shell":
        return args[1:2] not in (["mkdir"], ["rm"], ["rmdir"], ["putenv"])
    row = COMMANDS.get(args[0])
    return (
        args[0] in ("jump", "next", "quit", "python")
        or row is None
        or any(_leads_away(inner) for inner in commands_in_branches(args))
        or any(inner[0] == "include" for inner in commands_in_branches(args))
    )


def _is_written(args: list[str], at: int) -> bool:
    """Whether the word names an output."""
    row = COMMANDS.get(args[0])
    return (row is not None and at == row.writes) or (
        args[0] in ("fix", "print") and at > 1 and args[at - 1] in ("file", "append")
    )
