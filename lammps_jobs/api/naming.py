"""Names of runs, and what a submission is given, as this library takes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from lammps_jobs.api.differences import MOST
from lammps_jobs.errors import NameTaken, UsageError
from lammps_jobs.record.documents import NAME_RULE, RUN_NAME

Values = str | float | int | Iterable[str | float | int]
"""What a LAMMPS variable can be given: one value, or several, over which the script's `next` goes."""
LONGEST_SHOWN = 80
"""Characters of a name that are shown in an error, or taken of a script's for its run's."""


def listed(inputs: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """One input, or several, as a list: text is one path, not its letters."""
    return [inputs] if isinstance(inputs, str | Path) else list(inputs)


def values_of(variables: Mapping[str, Values]) -> dict[str, tuple[str, ...]]:
    """LAMMPS variables as the words that `lmp -var` takes: a single value becomes a tuple of one."""
    return {name: _words(name, value) for name, value in variables.items()}


def _words(name: str, value: Values) -> tuple[str, ...]:
    if isinstance(value, str | float | int):
        return (str(value),)
    try:
        found = tuple(str(item) for item in value)
    except TypeError:
        found = ()
    if not found:
        raise UsageError(f"The variable {name!r} has no value: {value!r}.", remedy="Give it a number, words or a list.")
    return found


def checked_name(name: str) -> str:
    """The name, when it is one. Raises UsageError."""
    if not RUN_NAME.fullmatch(name):
        shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}... ({len(name)} characters)"
        raise UsageError(f"{shown!r} is no name for a run.", remedy=NAME_RULE)
    return name


def name_taken(name: str, differ: list[str], store: str) -> NameTaken:
    more = f", and {len(differ) - MOST} more" if len(differ) > MOST else ""
    return NameTaken(
        f"A run named {name!r} exists, and is another one: {'; '.join(differ[:MOST])}{more}.", where=store,
        remedy="Choose another --name, or --replace the old one, which is then kept as NAME.past-1.",
    )  # fmt: skip


def name_from(script: Path) -> str:
    """`melt` from in.melt, melt.in and melt.lmp."""
    return plain_name(script.name.removeprefix("in.").removesuffix(".in").removesuffix(".lmp").removesuffix(".lammps"))


def plain_name(text: str) -> str:
    """Text as a run's name: accents taken off letters, what else is not allowed replaced by a dash."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text).strip("-._")[:LONGEST_SHOWN] or "run"
