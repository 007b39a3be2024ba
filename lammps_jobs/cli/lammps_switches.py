"""LAMMPS's own command-line switches, understood as `lmp` understands them (manual, page Run_options)."""

from __future__ import annotations

from lammps_jobs.errors import UsageError

INPUT, VARIABLE = ("-in", "-i"), ("-var", "-v")
PASSED_ON = {"-sf": "-sf", "-suffix": "-sf", "-pk": "-pk", "-package": "-pk", "-k": "-k", "-kokkos": "-k"}
WITHOUT_EFFECT = {"-nocite": 0, "-nc": 0, "-screen": 1, "-sc": 1, "-echo": 1, "-e": 1}
"""What only changes what LAMMPS prints, and how many words follow."""
REFUSED = {
    "-partition": "Runs of several partitions cannot be continued; submit them as runs of their own.",
    "-p": "Runs of several partitions cannot be continued; submit them as runs of their own.",
    "-log": "Name the log in the script: log FILE",
    "-l": "Name the log in the script: log FILE",
    "-restart2data": "Use lmp itself for this.",
    "-r2data": "Use lmp itself for this.",
}
KNOWN = {*INPUT, *VARIABLE, *PASSED_ON, *WITHOUT_EFFECT, *REFUSED}


def translated(args: list[str]) -> list[str]:
    """Arguments of ours for those of `lmp`: `-in FILE`, `-var T 1 2 3`, `-sf`, `-pk`, `-k`; all others stay.

    Raises UsageError for a switch of LAMMPS that makes no sense here.
    """
    found: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word not in KNOWN:
            found.append(word)
            continue
        if word in REFUSED:
            raise UsageError(f"LAMMPS's switch {word} is not for runs.", remedy=REFUSED[word])
        if word in INPUT:
            found += _words(rest, word, 1)
        elif word in VARIABLE:
            name, *values = _until_next(rest, word, 2)
            for value in values:
                found += ["--var", f"{name}={value}"]
        elif word in PASSED_ON:
            for text in (PASSED_ON[word], *_until_next(rest, word, 1)):
                found += ["--lammps", text]
        else:
            _words(rest, word, WITHOUT_EFFECT[word])
    return found


def _words(rest: list[str], switch: str, count: int) -> list[str]:
    if len(rest) < count:
        raise UsageError(f"LAMMPS's switch {switch} needs {count} more word(s).")
    taken = rest[:count]
    del rest[:count]
    return taken


def _until_next(rest: list[str], switch: str, least: int) -> list[str]:
    """Words up to the next switch or option; a negative number is none."""
    end = next((at for at, word in enumerate(rest) if at and word[:1] == "-" and not _is_number(word)), len(rest))
    return _words(rest, switch, max(least, end))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
