"""Which files a script reads: found by reading it, checked before anything is submitted.

Any word that names a file is taken along, also through variables whose values the script or the caller
gives. A word that a variable of the moment makes up is taken as a pattern. Files of $LAMMPS_POTENTIALS come
along, too, since the machine that runs the script need not have that folder.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from lammps_jobs.errors import InputMissing, UsageError
from lammps_jobs.script.commands import COMMANDS, Trait, traits_of
from lammps_jobs.script.language import (
    ScriptFault,
    commands_in_branches,
    commands_of,
    logical_lines,
    variables_in,
    without_comment,
)
from lammps_jobs.script.values import COMBINATIONS, Values, Variables, pattern

SCRIPT_SIZE = 1_000_000
"""Bytes of the largest file that is taken for a script."""


def gather(script: Path, named: Iterable[str | Path], variables: Variables) -> dict[str, Path]:
    """Files to stage, by their path from the working folder: the script, `named` ones, and what it reads.

    A path may lead out of the script's folder (`../data.melt`); absolute ones of inputs cannot be staged.
    Raises InputMissing for a file that is not there, UsageError for an output outside the folder, for an
    input by absolute path, and for a variable that nothing defines.
    """
    if not script.is_file():
        raise InputMissing(f"The script is not there: {script}", remedy="Give the path of a LAMMPS input script.")
    search = _Search(script.resolve().parent, variables)
    search.found[script.name] = script.resolve()
    for path in named:
        search.add(Path(path))
    search.follow(script.name)
    search.check_variables(set(variables))
    return search.found


class _Search:
    def __init__(self, folder: Path, given: Variables) -> None:
        self.folder, self.values = folder, Values(given)
        self.found: dict[str, Path] = {}
        self._written: set[str] = set()
        """Patterns of the files that the script has written so far, or may have."""

    def add(self, path: Path) -> None:
        """An input that the caller names: a file, or a folder with all that is in it."""
        full = path.resolve() if path.is_absolute() or path.exists() else (self.folder / path).resolve()
        if not full.exists():
            raise InputMissing(f"The input is not there: {path}", remedy="Check the path given as an input.")
        inside = full.relative_to(self.folder) if full.is_relative_to(self.folder) else Path(full.name)
        if full.is_dir():
            for file in sorted(full.rglob("*")):
                if file.is_file():
                    self.found[str(inside / file.relative_to(full))] = file
        else:
            self.found[str(inside)] = full

    def follow(self, name: str) -> None:
        """Add what the script `name` reads."""
        text = self.found[name].read_text(errors="surrogateescape")
        try:
            for number, line, args in commands_of(text):
                self._line(args, f"{name}:{number}: {line.strip()}")
        except ScriptFault as fault:
            raise UsageError(str(fault), where=f"{name}:{fault.line}") from None

    def _line(self, args: list[str], where: str) -> None:
        if args[0] == "variable":
            self.values.learn(args)
        row = COMMANDS.get(args[0])
        if row and row.writes and len(args) > row.writes:
            _check_inside(args[row.writes], where)
        self._note_written(args)
        if Trait.ONLY_WRITES in traits_of(args[0]):
            return
        for inner in commands_in_branches(args):
            self._branch(inner)
        for at, word in enumerate(args[1:], start=1):
            if not _is_written(args, at) and not (args[0] == "if" and " " in word):
                taken = self._take(word, args[0])
                if row and at == row.reads and not taken:
                    self._must_exist(word, where)

    def _branch(self, args: list[str]) -> None:
        """A command that an `if` may issue: what it reads is taken along if it is there."""
        self._note_written(args)
        row = COMMANDS.get(args[0])
        if (row and row.reads) or args[0] == "pair_coeff":
            for word in args[1:]:
                self._take(word, args[0])

    def _note_written(self, args: list[str]) -> None:
        """Note the files that a command writes, as patterns; a `*` in a name stands for the timestep."""
        every = bool((Trait.ONLY_WRITES | Trait.WRITES_ANY) & traits_of(args[0]))
        for at, word in enumerate(args[1:], start=1):
            if every or _is_written(args, at):
                meant = self.values.meanings(word)
                names = [pattern(word)] if meant is None else [glob.escape(os.path.normpath(text)) for text in meant]
                self._written.update(name.replace("[*]", "*") for name in names)

    def _take(self, word: str, command: str) -> bool:
        """Take along what the word names; False when it names no file."""
        if len(word) > 255 or word == "*":
            return False
        taken = False
        for plain in self._meant(word):
            full = self.folder / plain
            if plain in self.found:
                taken = True
            elif full.is_file():
                self._found(plain, full)
                taken = True
            elif command in ("pair_coeff", "pair_style") and (potential := _potential(plain)):
                self._found(plain, potential)
                taken = True
        return taken

    def _found(self, plain: str, full: Path) -> None:
        if os.path.isabs(plain):
            return  # the run reads it where it is; that only works on this machine
        self.found[plain] = full.resolve()
        if full.stat().st_size < SCRIPT_SIZE and _looks_like_script(full):
            self.follow(plain)

    def _meant(self, word: str) -> list[str]:
        """The paths that a word can stand for."""
        meant = self.values.meanings(word)
        if meant is not None:
            return [os.path.normpath(text) for text in meant if text]
        searched = pattern(word)
        if not re.search(r"[A-Za-z]{2}", searched):
            return []  # too little left to search by
        return [os.path.relpath(path, self.folder) for path in sorted(self.folder.glob(searched))[:COMBINATIONS]]

    def _must_exist(self, word: str, where: str) -> None:
        meant = self._meant(word)
        if word in ("SELF", "add") or "*" in word or len(meant) != 1:
            return
        if any(fnmatch.fnmatchcase(meant[0], name) for name in self._written):
            return
        raise InputMissing(
            f"The script reads a file that is not there: {meant[0]}", where=where,
            remedy="Put it where the script looks for it, or give the variable in its name another value.",
        )  # fmt: skip

    def check_variables(self, given: set[str]) -> None:
        """Every `${x}` must be defined somewhere: by the script, by a file it reads, or by the caller."""
        defined = set(given)
        used: dict[str, str] = {}
        for name, path in self.found.items():
            if path.stat().st_size > SCRIPT_SIZE:
                continue
            text = path.read_text(errors="surrogateescape")
            defined |= set(re.findall(r"\bvariable\s+(\w+)", text))
            if re.search(r"\bvariable\s+\S*\$", text):
                return  # names are made up at run time
            for number, line in logical_lines(text):
                for variable in variables_in(without_comment(line)):
                    used.setdefault(variable, f"{name}:{number}: {line.strip()}")
        for variable, where in used.items():
            if variable not in defined:
                raise UsageError(
                    f"The variable {variable!r} is used and never defined.",
                    where=where,
                    remedy=f"Give it a value: --var {variable}=VALUE, or variables={{'{variable}': ...}}",
                )


def depth_of(names: Iterable[str]) -> int:
    """How many folders above the working folder the inputs reach."""
    return max((name.split("/").count("..") for name in names), default=0)


def _potential(name: str) -> Path | None:
    """A file that LAMMPS would find by way of its environment (page `pair_coeff`)."""
    for folder in os.environ.get("LAMMPS_POTENTIALS", "").split(os.pathsep):
        path = Path(folder) / name
        if folder and not os.path.isabs(name) and path.is_file():
            return path
    return None


def _is_written(args: list[str], at: int) -> bool:
    """Whether the word names an output: an old file of that name is no input, however large it is."""
    row = COMMANDS.get(args[0])
    return (row is not None and at == row.writes) or (
        args[0] in ("fix", "print") and at > 1 and args[at - 1] in ("file", "append")
    )


def _looks_like_script(path: Path) -> bool:
    return path.name.startswith("in.") or path.suffix in (".in", ".lmp", ".lammps", ".inc", ".mod", ".settings")


def _check_inside(word: str, where: str) -> None:
    if word != "/dev/null" and (os.path.isabs(word) or os.path.normpath(word).startswith("..")):
        raise UsageError(
            f"The script writes outside the run's folder: {word}",
            where=where,
            remedy="Name outputs relative to the script; `lammps-jobs download` brings them where you want them.",
        )
