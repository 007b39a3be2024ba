"""The index of a store: an empty object a run, whose key is its row of a list. One call lists a thousand, newest first.

All of it is advice: a row that is lost or late changes nothing but the list, and `list --anew` writes all rows again. A
new row is put before the old one is removed, so a run may have two for a while: the later one counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import obstore
from obstore.exceptions import BaseError, NotFoundError

from lammps_jobs.record.documents import GRADES, RUN_NAME, Grade
from lammps_jobs.record.object_store import explaining, is_folder
from lammps_jobs.record.summary import Kind, Summary

if TYPE_CHECKING:
    from obstore.store import ObjectStore

INDEX = "_index"
"""Beside the runs, whose names cannot begin so."""
A_PAGE = 1000
"""Rows that one call lists."""
MOST_TIDIED = 20
"""Rows that were replaced, and stayed because somebody crashed, which one listing removes at most."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LATEST = 36**7 - 1
"""Of times in seconds, which are written as what is left until then: the newest run comes first."""
KINDS: tuple[Kind, ...] = get_args(Kind)
_FIELDS = 18
_HASH = 8
_NUMBERS = re.compile(r"[0-9a-z]{1,12}(?:=[0-9a-z]{0,12})*")


@dataclass(frozen=True)
class Row:
    """What a list shows of a run, and what tells whether its attempt still runs."""

    name: str
    submitted: datetime
    kind: Kind = "waiting"
    attempt: int = 0
    stage: int = 0
    step: int = 0
    target: int = 0
    began: datetime | None = None
    changed: datetime | None = None
    grade: Grade = "exact"
    is_as_never_cut: bool = True
    checkpoint: int | None = None
    checkpoint_step: int | None = None
    host: str = ""
    """Its hash, like that of `boot`: names may be long."""
    pid: int = 0
    started: int = 0
    boot: str = ""
    job: str = ""
    job_attempt: int = 0

    @property
    def version(self) -> tuple[int, int, float]:
        """Of two rows of a run the one with the higher one counts."""
        return self.attempt, KINDS.index(self.kind), self.changed.timestamp() if self.changed else 0.0

    @property
    def key(self) -> str:
        began, changed = _ms(self.began), _ms(self.changed)
        numbers = (
            KINDS.index(self.kind), self.attempt, self.stage, self.step, self.target, began, changed,
            2 * GRADES.index(self.grade) + self.is_as_never_cut, self.checkpoint, self.checkpoint_step, self.pid,
            self.started, self.job_attempt,
        )  # fmt: skip
        fields = (_first(self.submitted), self.name, *map(_base36, numbers), self.host, self.boot, self.job)
        return f"{INDEX}/{'='.join(fields)}"


def hash_of(text: str) -> str:
    """A short stand-in for the name of a host or of its start; empty of nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH] if text else ""


def row_of(name: str, seen: Summary) -> Row:
    """The row of a run that looks so."""
    attempt, progress, checkpoint, fidelity = seen.attempt, seen.progress, seen.checkpoint, seen.fidelity
    row = Row(
        name, seen.submitted, seen.kind, began=seen.began, changed=seen.changed, step=seen.step, grade=fidelity.grade,
        is_as_never_cut=fidelity.as_if == "never cut",
    )  # fmt: skip
    if attempt:
        row = replace(
            row, job=attempt.job, attempt=attempt.number, host=hash_of(attempt.host), pid=attempt.supervisor_pid,
            started=int(attempt.supervisor_started), boot=hash_of(attempt.boot),
            job_attempt=attempt.job_attempt,
        )  # fmt: skip
    if seen.job and seen.job != row.job:  # no attempt of it has begun
        row = replace(row, job=seen.job, job_attempt=0)
    if progress:
        row = replace(row, stage=progress.stage, target=progress.target)
    return replace(row, checkpoint=checkpoint.seq, checkpoint_step=checkpoint.step) if checkpoint else row


def parse_key(key: str) -> Row | None:
    """The row that a key is; None of any other key."""
    fields = key.rpartition("/")[2].split("=")
    if len(fields) != _FIELDS or not RUN_NAME.fullmatch(fields[1]):
        return None
    first, name, *numbers, host, boot, job = fields
    if not _NUMBERS.fullmatch("=".join((first, *numbers))):
        return None
    values = [int(one, 36) if one else None for one in numbers]
    kind, attempt, stage, step, target, began, changed, grade, seq, at, pid, started, job_attempt = values
    try:
        return Row(
            name, datetime.fromtimestamp(_LATEST - int(first, 36), UTC), KINDS[kind or 0], attempt or 0, stage or 0,
            step or 0, target or 0, _time(began), _time(changed), GRADES[(grade or 0) // 2], bool((grade or 0) % 2),
            seq, at, host, pid or 0, started or 0, boot, job, job_attempt or 0,
        )  # fmt: skip
    except (ValueError, IndexError, OverflowError, OSError):
        return None


def cursor_of(submitted: datetime, name: str) -> str:
    """What `rows` takes to go on behind that run."""
    return f"{_first(submitted)}={name}=~"


def rows(root: ObjectStore, after: str = "") -> Iterator[Row]:
    """The rows of all runs, those submitted last first, or of those behind the cursor `after`; a thousand a call, and
    no call before they are asked for.

    Raises StoreError.
    """
    seen: set[str] = set()
    left = MOST_TIDIED
    for same in _of_same_run(_keys(root, after)):
        (row, _), *older = sorted(same, key=lambda one: one[0].version, reverse=True)
        for _, key in older if is_folder(root) else ():  # in a bucket attempts remove them: others may not
            left -= 1
            if left >= 0:
                remove(root, key)
        if row.name not in seen:
            seen.add(row.name)
            yield row


def rows_submitted(root: ObjectStore, at: datetime) -> Iterator[Row]:
    """The rows of the runs that were submitted in the second `at`; a thousand a call, however many others there are.

    Raises StoreError.
    """
    first = _first(at)
    for same in _of_same_run(_keys_from(root, first)):
        yield max((row for row, _ in same), key=lambda row: row.version)


def _keys_from(root: ObjectStore, first: str) -> Iterator[str]:
    begin = f"{INDEX}/{first}"
    with explaining("the store's index"):
        try:
            batches = obstore.list(root, prefix=INDEX, offset=begin, chunk_size=A_PAGE)
            found = (meta["path"] for batch in batches for meta in batch)
            yield from itertools.takewhile(
                lambda key: key.startswith(begin), sorted(found) if is_folder(root) else found
            )
        except NotFoundError:
            return


def _first(at: datetime) -> str:
    """What the keys of all rows begin with that were submitted in that second."""
    return _base36(_LATEST - int(at.timestamp())).rjust(7, "0")


def _keys(root: ObjectStore, after: str = "") -> Iterator[str]:
    begin = f"{INDEX}/{after}" if after else None
    with explaining("the store's index"):
        try:
            batches = obstore.list(root, prefix=INDEX, offset=begin, chunk_size=A_PAGE)
            found = (meta["path"] for batch in batches for meta in batch)
            yield from sorted(found) if is_folder(root) else found
        except NotFoundError:
            return


def _of_same_run(keys: Iterable[str]) -> Iterator[list[tuple[Row, str]]]:
    """Rows of one submission lie side by side."""
    group: list[tuple[Row, str]] = []
    for key in keys:
        row = parse_key(key)
        if row is None:
            continue
        if group and (group[0][0].name, group[0][0].submitted) != (row.name, row.submitted):
            yield group
            group = []
        group.append((row, key))
    if group:
        yield group


def put(root: ObjectStore, row: Row) -> str:
    """Write a row; returns its key. Raises StoreError."""
    with explaining(row.key):
        obstore.put(root, row.key, b"")
    return row.key


def remove(root: ObjectStore, key: str) -> None:
    """Remove a row. Nothing happens where that is not allowed, or it is gone."""
    with contextlib.suppress(BaseError, OSError):
        obstore.delete(root, key)


def remove_rows(root: ObjectStore, names: set[str]) -> None:
    """Remove all rows of these runs. Costs a call for a thousand rows of the whole index."""
    for key in [key for key in _keys(root) if (row := parse_key(key)) and row.name in names]:
        remove(root, key)


def _base36(number: int | None) -> str:
    if number is None:
        return ""
    number = max(0, number)
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


def _ms(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at else None


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
