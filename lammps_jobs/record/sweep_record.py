"""The record of a sweep: which runs belong to it, with which variables. Each run has a record of its own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from pydantic import Field

from lammps_jobs.errors import NoSuchRun
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Document, Frozen, now, parse
from lammps_jobs.record.object_store import create_only, explaining

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Member(Frozen):
    """One run of a sweep."""

    run: str
    variables: dict[str, str]


class SweepPart(Document):
    """Members that were submitted together; further ones come in further parts."""

    members: tuple[Member, ...]
    submitted: datetime = Field(default_factory=now)


def sweep_names(root: ObjectStore) -> list[str]:
    """Names of all sweeps in the store, sorted."""
    with explaining("the store's list of sweeps"):
        try:
            prefixes = obstore.list_with_delimiter(root, prefix=layout.SWEEPS)["common_prefixes"]
        except NotFoundError:
            return []
    return sorted(prefix.rstrip("/").rsplit("/", 1)[1] for prefix in prefixes)


def add_part(root: ObjectStore, name: str, members: tuple[Member, ...]) -> None:
    """Add members to the sweep `name`, which is made when it is new."""
    content = SweepPart(members=members).model_dump_json().encode()
    number = len(_parts(root, name)) + 1
    with explaining(name):
        while True:
            try:
                create_only(root, layout.sweep_part(name, number), content)
                return
            except AlreadyExistsError:
                number += 1


def members(root: ObjectStore, name: str) -> list[Member]:
    """All members of the sweep `name`, in the order in which they came. Raises NoSuchRun, Damaged, StoreError."""
    found: list[Member] = []
    for key in _parts(root, name):
        with explaining(key):
            content = bytes(obstore.get(root, key).bytes())
        found += parse(content, SweepPart, key).members
    if not found:
        raise NoSuchRun(f"No sweep named {name!r}.", remedy="`lammps-jobs sweeps` shows the sweeps there are.")
    return list({member.run: member for member in found}.values())


def _parts(root: ObjectStore, name: str) -> list[str]:
    with explaining(name):
        try:
            found = obstore.list_with_delimiter(root, prefix=f"{layout.SWEEPS}/{name}")["objects"]
        except NotFoundError:
            return []
    return sorted(meta["path"] for meta in found)
