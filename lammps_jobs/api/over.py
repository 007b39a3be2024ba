"""What a sweep goes over: the members' variables, from ranges, lists, rows or a table. Pure."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from lammps_jobs.errors import InputMissing, UsageError
from lammps_jobs.record.documents import RUN_NAME
from lammps_jobs.record.sweep_record import Member

MOST_MEMBERS = 50_000
LONGEST_NAME = 100

Value = str | float | int
Over = Mapping[str, Iterable[Value]] | Sequence[Mapping[str, Value]] | str | Path
"""Values by variable, of which the members are all combinations; or a row of variables a member; or a CSV file of rows
whose first line names the variables."""


def members_of(over: Over, *, zipped: bool = False) -> list[dict[str, str]]:
    """The variables of each member, in order. `zipped`: the first values of all, then the second ones, and so on.

    Raises UsageError for none, too many, equal ones, or lists of different lengths; InputMissing for a missing table.
    """
    if isinstance(over, str | Path):
        rows = _of_table(Path(over))
    elif isinstance(over, Mapping):
        rows = _of_lists({name: _listed(name, values) for name, values in over.items()}, zipped=zipped)
    else:
        rows = [{name: str(value) for name, value in row.items()} for row in over]
    if not rows or not all(rows):
        raise UsageError(
            "The sweep has no members.", remedy="Give each variable at least one value: --over T=0.7:1.5:0.1"
        )
    if len({tuple(sorted(row)) for row in rows}) > 1:
        raise UsageError("The sweep's rows do not have the same variables.")
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for number, row in enumerate(rows, start=1):
        first = seen.setdefault(_same(row), number)
        if first != number:
            words = ", ".join(f"{name}={value}" for name, value in row.items())
            raise UsageError(f"Members {first} and {number} of the sweep are the same: {words}.")
    return rows


def _listed(name: str, values: Iterable[Value]) -> list[str]:
    if isinstance(values, str):
        return values_of(values, name)
    try:
        return [str(value) for value in values]
    except TypeError:
        return [str(values)]


def _of_lists(lists: dict[str, list[str]], *, zipped: bool) -> list[dict[str, str]]:
    lengths = [len(values) for values in lists.values()]
    if zipped and len(set(lengths)) > 1:
        words = ", ".join(f"{name} has {len(values)}" for name, values in lists.items())
        raise UsageError(f"Lists that are taken side by side must be equally long: {words}.")
    count = 1
    for length in [max(lengths, default=0)] if zipped else lengths:
        count *= length
    if count > MOST_MEMBERS:
        raise UsageError(f"The sweep would have {count:,} members; {MOST_MEMBERS:,} is the most.",
                         remedy="Split it, or take fewer values.")  # fmt: skip
    rows = zip(*lists.values(), strict=True) if zipped else itertools.product(*lists.values())
    return [dict(zip(lists, row, strict=True)) for row in rows]


def _of_table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputMissing(
            f"The table is not there: {path}", remedy="Give a CSV file whose first line names variables."
        )
    with path.open(newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        rows = list(reader)
        names = reader.fieldnames or []
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not all(re.fullmatch(r"\w+", name) for name in names):
            raise UsageError("A row of the table has other columns than its first line.", where=f"{path}:{number}")
    return rows


def values_of(text: str, name: str = "") -> list[str]:
    """The values that `1..8`, `0.7:1.5:0.1` (its end included) or `a,b,c` mean. Raises UsageError."""
    if whole := re.fullmatch(r"(-?\d+)\.\.(-?\d+)", text):
        first, last = int(whole[1]), int(whole[2])
        return [str(value) for value in _bounded(name, text, range(first, last + 1), last - first + 1)]
    parts = text.split(":")
    if len(parts) == 3:
        try:
            first_, last_, step = map(Decimal, parts)
            count = int((last_ - first_) // step) + 1 if step and (last_ - first_) / step >= 0 else 0
        except (InvalidOperation, OverflowError, ValueError):
            raise UsageError(f"{name}={text} is no range.", remedy="Write FIRST:LAST:STEP, as in 0.7:1.5:0.1") from None
        return [f"{first_ + step * at:f}" for at in _bounded(name, text, range(max(0, count)), count)]
    return [word.strip() for word in text.split(",") if word.strip()]


def _bounded(name: str, text: str, values: range, count: int) -> range:
    if not 0 < count <= MOST_MEMBERS:
        raise UsageError(f"{name}={text} has {count:,} values.", remedy=f"Between 1 and {MOST_MEMBERS:,} are possible.")
    return values


def names_of(sweep: str, rows: Sequence[Mapping[str, str]], before: Sequence[Member] = ()) -> list[str]:
    """The members' names as runs: by their values (`melt-T0.7-seed1`), by number where these make no names.

    Those that the sweep has from `before` keep theirs, and numbers go on behind them.
    """
    names = ["-".join([sweep, *(f"{name}{value}" for name, value in row.items())]) for row in rows]
    if all(RUN_NAME.fullmatch(name) and len(name) <= LONGEST_NAME for name in names) and len(set(names)) == len(names):
        return names
    numbers = itertools.count(len(before) + 1)
    known = {_same(member.variables): member.run for member in before}
    return [known.get(_same(row)) or f"{sweep}-{next(numbers):05d}" for row in rows]


def _same(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Equal for equal members, in whatever order they name their variables."""
    return tuple(sorted(row.items()))
