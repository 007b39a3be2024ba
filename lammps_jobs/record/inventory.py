"""Which segments the outputs of a run consist of, as it is stored: what changed since lists that were rolled up before.

A run of a week has a hundred thousand segments; named in each of its manifests they would be gigabytes. So a manifest
holds what changed since the newest list. When that has become long, it is stored as a list of its own, a blob; when
there are many lists, they become one. Lists are never changed, so manifests that share them harm each other in nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from lammps_jobs.errors import Damaged
from lammps_jobs.record.documents import (
    OLDER,
    Blob,
    CheckpointFacts,
    Document,
    Frozen,
    OutputFile,
    RemainsFacts,
    ResultFacts,
)
from lammps_jobs.record.names import OutputName

LONGEST_TAIL = 16_000
"""Bytes of changes from which on they become a list."""
MOST_RECENT = 16
"""Lists from which on they become one."""

Files = Mapping[str, OutputFile]


def _of_text(given: object) -> object:
    """`<sha256>:<size>`, or `<sha256>:<size>:<attempt>`. Raises ValueError."""
    if not isinstance(given, str):
        return given
    sha256, _, numbers = given.partition(":")
    size, _, of = numbers.partition(":")
    return Blob(sha256=sha256, size=int(size), of=int(of or 0))


def _as_text(blob: Blob) -> str:
    return f"{blob.sha256}:{blob.size}" + (f":{blob.of}" if blob.of else "")


ShortBlob = Annotated[Blob, BeforeValidator(_of_text), PlainSerializer(_as_text)]
"""A blob as one text."""


class Change(Frozen):
    """What became of one output: its first `kept` segments stayed, `added` came behind them; or it is `gone`."""

    kept: Annotated[int, Field(ge=0)] = 0
    added: tuple[ShortBlob, ...] = ()
    gone: bool = False


class ChangeList(Document):
    """Changes that were rolled up: the content of a blob."""

    changes: dict[OutputName, Change]


class Inventory(Frozen):
    """All outputs: the changes of the lists `rolled`, then of `recent`, then `changes`, from no output at all."""

    rolled: tuple[ShortBlob, ...] = ()
    recent: tuple[ShortBlob, ...] = ()
    changes: Annotated[dict[OutputName, Change], Field(default_factory=dict)]

    @property
    def lists(self) -> tuple[Blob, ...]:
        """What has to be read for it, in order."""
        return (*self.rolled, *self.recent)


@dataclass(frozen=True)
class Base:
    """Lists that are stored, and the outputs that they lead to; a new inventory holds what changed since."""

    rolled: tuple[Blob, ...]
    recent: tuple[Blob, ...]
    at_rolled: Files
    at_recent: Files


NOTHING = Base((), (), {}, {})


def changes_between(before: Files, after: Files) -> dict[str, Change]:
    """What leads from the outputs `before` to those `after`."""
    found = {name: Change(gone=True) for name in before.keys() - after.keys()}
    for name, output in after.items():
        old, new = before[name].segments if name in before else (), output.segments
        if old == new and name in before:
            continue
        kept = len(old) if new[: len(old)] == old else _common(old, new)
        found[name] = Change(kept=kept, added=new[kept:])
    return found


def _common(old: tuple[Blob, ...], new: tuple[Blob, ...]) -> int:
    """How many segments are the same from the beginning."""
    return next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def applied(files: Files, changes: Mapping[str, Change], where: str) -> dict[str, OutputFile]:
    """The outputs after the changes. Raises Damaged, naming the place `where`, when they do not fit."""
    found = dict(files)
    for name, change in changes.items():
        old = found.pop(name).segments if name in found else ()
        if change.gone:
            continue
        if change.kept > len(old):
            raise Damaged(f"A list of outputs does not fit the one before it: {name}", where=where, remedy=OLDER)
        found[name] = OutputFile(segments=(*old[: change.kept], *change.added))
    return found


class Manifest(CheckpointFacts):
    """A checkpoint as it is stored, `checkpoints/<seq>.json`."""

    inventory: Inventory


class StoredResult(ResultFacts):
    """A result as it is stored."""

    inventory: Inventory


class StoredRemains(RemainsFacts):
    """What an attempt left behind, as it is stored."""

    inventory: Inventory
