"""What people call their runs: tags and a note, which change nothing of the simulation.

They are in one object a run, `labels.json`. Beside the runs lies `_tags/<tag>/<run>` for each tag that a run has or
had: a byte where it has it, nothing where it was taken off. So a call lists a thousand, and none needs to be removed,
which users of a stack may not.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import obstore
from obstore.exceptions import BaseError, NotFoundError
from pydantic import Field

from lammps_jobs.errors import Damaged, OtherFormat, StoreError, UsageError
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Document, parse
from lammps_jobs.record.names import Words
from lammps_jobs.record.object_store import explaining, overwrite, version_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from lammps_jobs.record.run_record import RunRecord

TAGS = "_tags"
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_NOTE = 4000
TRIES = 5
"""How often somebody else's change is read and one's own made to it."""
ON, OFF = b"1", b""


class Labels(Document):
    """The tags and the note of a run."""

    tags: tuple[str, ...] = ()
    note: Annotated[Words, Field(max_length=LONGEST_NOTE)] = ""


def checked_tags(tags: str | Iterable[str]) -> tuple[str, ...]:
    """The tags, each once. Raises UsageError."""
    found = tuple(dict.fromkeys([tags] if isinstance(tags, str) else tags))
    for tag in found:
        if not TAG.fullmatch(tag):
            raise UsageError(f"{tag[:80]!r} is no tag.", remedy="Use letters, digits, '.', '_' and '-', 64 at most.")
    return found


def checked_note(note: str) -> str:
    """The note. Raises UsageError."""
    if len(note) > LONGEST_NOTE:
        raise UsageError(f"A note has {LONGEST_NOTE} characters at most, not {len(note)}.",
                         remedy="Keep longer ones in a file of your own.")  # fmt: skip
    return note


def labels_of(record: RunRecord) -> Labels:
    """None but empty ones where there are none, or where they cannot be read. Raises StoreError."""
    key = f"{record.name}/{layout.LABELS}"
    with explaining(key):
        try:
            content = bytes(obstore.get(record.root, key).bytes())
        except (NotFoundError, FileNotFoundError):
            return Labels()
    try:
        return parse(content, Labels, key)
    except (Damaged, OtherFormat):
        return Labels()


def relabel(record: RunRecord, change: Callable[[Labels], Labels]) -> Labels:
    """Write what `change` makes of the labels there are. Raises StoreError."""
    key = f"{record.name}/{layout.LABELS}"
    for _ in range(TRIES):
        version = version_of(record.root, key)
        old = labels_of(record)
        new = change(old)
        if new == old or overwrite(record.root, key, new.model_dump_json().encode(), version):
            _tell(record.root, record.name, {tag: tag in new.tags for tag in {*old.tags, *new.tags}})
            return new
    raise StoreError("Somebody else changes the run's tags or note all the time.", where=key, remedy="Try again.")


def retell(record: RunRecord) -> None:
    """Write the run's places under its tags anew: for a record that was copied."""
    _tell(record.root, record.name, {tag: True for tag in labels_of(record).tags if TAG.fullmatch(tag)})


def forget(record: RunRecord) -> None:
    """Take the run's name off all its tags, before it is removed or renamed."""
    with contextlib.suppress(StoreError):
        for tag in filter(TAG.fullmatch, labels_of(record).tags):
            with contextlib.suppress(BaseError, OSError):
                obstore.delete(record.root, f"{TAGS}/{tag}/{record.name}")


def _tell(root: ObjectStore, name: str, tags: dict[str, bool]) -> None:
    for tag, has_it in tags.items():
        key = f"{TAGS}/{tag}/{name}"
        with explaining(key):
            obstore.put(root, key, ON if has_it else OFF)


def tagged(root: ObjectStore, tag: str = "") -> dict[str, tuple[str, ...]]:
    """The tags of all runs, or of those that have `tag` that one; a call for a thousand. Raises StoreError."""
    found: dict[str, list[str]] = defaultdict(list)
    prefix = f"{TAGS}/{tag}/" if tag else f"{TAGS}/"
    with explaining("the store's list of tags"):
        try:
            for meta in (meta for batch in obstore.list(root, prefix=prefix) for meta in batch):
                _, of, name = meta["path"].rsplit("/", 2)
                if meta["size"] and TAG.fullmatch(of):
                    found[name].append(of)
        except (NotFoundError, FileNotFoundError):
            pass
    return {name: tuple(sorted(tags)) for name, tags in found.items()}
