"""Which files a script reads: found by reading it, checked before anything is submitted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lammps_jobs.errors import InputMissing, UsageError
from lammps_jobs.runner.script import ScriptFault, logical_lines, without_comment, words

READS = {"read_data": 1, "read_restart": 1, "include": 1, "molecule": 2, "read_dump": 1}
"""Commands that read a file, and which word of the line names it."""

WRITES = {"dump": 5, "write_data": 1, "write_restart": 1, "write_dump": 3, "log": 1}


def gather(script: Path, named: Iterable[str | Path], variables: Iterable[str]) -> dict[str, Path]:
    """Files to stage, by their path in the working folder: the script, `named` ones, and what it reads.

    Raises InputMissing for a file that is not there, UsageError for one outside the script's
    folder, for an output outside it, and for a variable that nothing defines.
    """
    if not script.is_file():
        raise InputMissing(f"The script is not there: {script}", then="Give the path of a LAMMPS input script.")
    folder = script.resolve().parent
    found = {script.name: script.resolve()}
    for path in named:
        _add(found, folder, Path(path))
    _follow(script.name, folder, found)
    _check_variables(found, set(variables))
    return found


def _add(found: dict[str, Path], folder: Path, path: Path) -> None:
    full = path.resolve() if path.is_absolute() or path.exists() else (folder / path).resolve()
    if not full.exists():
        raise InputMissing(f"The input is not there: {path}", then="Check the path given as an input.")
    inside = full.relative_to(folder) if full.is_relative_to(folder) else Path(full.name)
    if full.is_dir():
        for file in sorted(full.rglob("*")):
            if file.is_file():
                found[str(inside / file.relative_to(full))] = file
    else:
        found[str(inside)] = full


def _follow(name: str, folder: Path, found: dict[str, Path]) -> None:
    """Add what the script `name` reads. Any word that names a file in the folder is taken along."""
    text = found[name].read_text(errors="surrogateescape")
    for number, line in logical_lines(text):
        try:
            args = words(without_comment(line))
        except ScriptFault as fault:
            raise UsageError(str(fault), where=f"{name}:{number}") from None
        if not args:
            continue
        reads, writes = READS.get(args[0]), WRITES.get(args[0])
        if writes and len(args) > writes:
            _check_inside(args[writes], f"{name}:{number}: {line.strip()}")
        if reads and len(args) > reads and "$" not in args[reads] and "*" not in args[reads]:
            _must_exist(args[reads], folder, found, text, f"{name}:{number}: {line.strip()}")
        for at, word in enumerate(args[1:], start=1):
            if not _is_written(args, at):
                _take(word, folder, found)


def _is_written(args: list[str], at: int) -> bool:
    """Whether the word names an output: an old file of that name is no input, however large it is."""
    if args[0] in ("restart", "write_data", "write_restart", "write_dump", "write_coeff", "log"):
        return True
    return (args[0] == "dump" and at == WRITES["dump"]) or (
        args[0] in ("fix", "print") and at > 1 and args[at - 1] in ("file", "append")
    )


def _take(word: str, folder: Path, found: dict[str, Path]) -> None:
    plain = os.path.normpath(word)
    if "$" in word or os.path.isabs(word) or plain.startswith("..") or plain in found or len(word) > 255:
        return
    path = folder / plain
    if path.is_file():
        found[plain] = path.resolve()
        if path.stat().st_size < 1_000_000 and _looks_like_script(path):
            _follow(plain, folder, found)


def _looks_like_script(path: Path) -> bool:
    return path.name.startswith("in.") or path.suffix in (".in", ".lmp", ".lammps", ".inc", ".mod", ".settings")


def _must_exist(word: str, folder: Path, found: dict[str, Path], text: str, where: str) -> None:
    plain = os.path.normpath(word)
    written = any(f"{c} {word}" in " ".join(text.split()) for c in ("write_data", "write_restart", "restart"))
    if plain in found or (folder / plain).is_file() or written:
        if plain.startswith(".."):
            raise UsageError(
                f"The script reads a file outside its own folder: {word}",
                where=where,
                then="Copy the file beside the script, or pass it with inputs= and name it without '..'.",
            )
        return
    if word == "SELF":
        return
    raise InputMissing(
        f"The script reads a file that is not there: {word}", where=where, then="Put it beside the script."
    )


def _check_inside(word: str, where: str) -> None:
    if os.path.isabs(word) or os.path.normpath(word).startswith(".."):
        raise UsageError(
            f"The script writes outside the run's folder: {word}",
            where=where,
            then="Name outputs relative to the script; `lammps-jobs download` brings them where you want them.",
        )


def _check_variables(found: dict[str, Path], given: set[str]) -> None:
    """Every `${x}` must be defined somewhere: by the script, by a file it reads, or by the caller."""
    import re

    defined = set(given)
    used: dict[str, str] = {}
    for name, path in found.items():
        if path.stat().st_size > 1_000_000:
            continue
        text = path.read_text(errors="surrogateescape")
        defined |= set(re.findall(r"\bvariable\s+(\w+)", text))
        if re.search(r"\bvariable\s+\S*\$", text):
            return  # names are made up at run time
        for number, line in logical_lines(text):
            for variable in re.findall(r"\$\{(\w+)\}", without_comment(line)):
                used.setdefault(variable, f"{name}:{number}: {line.strip()}")
    for variable, where in used.items():
        if variable not in defined:
            raise UsageError(
                f"The variable {variable!r} is used and never defined.",
                where=where,
                then=f"Give it a value: --var {variable}=VALUE, or variables={{'{variable}': ...}}",
            )
