"""The lists in which stands what outputs consist of: read, written, rolled up when they have become long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lammps_jobs.record import layout
from lammps_jobs.record.blobs import Blobs
from lammps_jobs.record.documents import Blob, OutputFile, parse
from lammps_jobs.record.inventory import (
    LONGEST_TAIL,
    MOST_RECENT,
    NOTHING,
    Base,
    Change,
    ChangeList,
    Files,
    Inventory,
    applied,
    changes_between,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class OutputLists(Blobs):
    """Outputs as inventories. What was last read or written is what the next inventory is based on."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        super().__init__(root, name)
        self._base: Base = NOTHING

    def inventory_of(self, files: Files) -> Inventory:
        """The inventory of these outputs; what it needs besides itself is stored then. Raises StoreError."""
        base = self._base
        changes = changes_between(base.at_recent, files)
        content = _content(changes)
        if len(content) > LONGEST_TAIL:
            base, changes = self._rolled_up(base, files, content), {}
            self._base = base
        return Inventory(rolled=base.rolled, recent=base.recent, changes=changes)

    def _rolled_up(self, base: Base, files: Files, content: bytes) -> Base:
        now = dict(files)
        if len(base.recent) < MOST_RECENT:
            return replace(base, recent=(*base.recent, self.put_bytes(content)), at_recent=now)
        long = self.put_bytes(_content(changes_between(base.at_rolled, files)))
        return Base((*base.rolled, long), (), now, now)

    def files_of(self, inventory: Inventory) -> dict[str, OutputFile]:
        """All outputs of an inventory, by name. Raises Damaged when one of its lists is missing or damaged."""
        base = self._base
        if (base.rolled, base.recent) != (inventory.rolled, inventory.recent):
            at_rolled = self._read_lists({}, inventory.rolled)
            at_recent = self._read_lists(at_rolled, inventory.recent)
            self._base = base = Base(inventory.rolled, inventory.recent, at_rolled, at_recent)
        return applied(base.at_recent, inventory.changes, self.name)

    def _read_lists(self, files: Files, lists: tuple[Blob, ...]) -> dict[str, OutputFile]:
        found = dict(files)
        for blob in lists:
            found = applied(found, parse(self.content_of(blob), ChangeList, layout.blob(blob.name)).changes, blob.name)
        return found


def _content(changes: Mapping[str, Change]) -> bytes:
    return ChangeList(changes=dict(changes)).model_dump_json().encode()
