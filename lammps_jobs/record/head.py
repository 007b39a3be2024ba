"""The head of a run and its row in the index, kept up to date: advice, for looking at runs with few calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from lammps_jobs.errors import LammpsJobsError
from lammps_jobs.record import index, layout
from lammps_jobs.record.object_store import explaining, is_folder, make_durable, overwrite, version_of
from lammps_jobs.record.run_objects import RunObjects
from lammps_jobs.record.summary import Summary

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ObjectStore

Change = Callable[[Summary], Summary | None]
TELLS = 5
"""How often somebody else's change is read and one's own made to it."""


class HeadRecord(RunObjects):
    """What is told of a run at a glance. It never fails a caller: what it says is on record elsewhere."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        super().__init__(root, name)
        self._told: tuple[Summary, UpdateVersion] | None = None
        """What this process wrote last, which nobody need have changed since."""

    def head(self) -> Summary | None:
        """What was told last; None where nothing that can be read was."""
        return self._load_readable(layout.HEAD, Summary)

    def tell(self, change: Change, fresh: Callable[[], Summary], *, may_remove: bool) -> None:
        """Overwrite the head with what `change` makes of it, or of a `fresh` one where there is none, and the row.

        Nothing happens where `change` is None: somebody knows better. Who runs jobs only may not remove the old row.
        """
        with contextlib.suppress(LammpsJobsError):
            for _ in range(TELLS):
                if self._tell_once(change, fresh, may_remove=may_remove or is_folder(self.root)):
                    return

    def _tell_once(self, change: Change, fresh: Callable[[], Summary], *, may_remove: bool) -> bool:
        """False where somebody else was faster."""
        seen, version = self._told or self._head_and_version()
        new = change(seen or fresh())
        if new is None:
            return True
        row = index.row_of(self.name, new)
        last = seen.row if seen else index.row_of(self.name, fresh()).key
        old = {*(seen.old_rows if seen else ()), last} - {row.key, ""}
        new = new.model_copy(update={"row": row.key, "old_rows": () if may_remove else tuple(sorted(old))})
        written = overwrite(self.root, self._key(layout.HEAD), new.model_dump_json().encode(), version)
        self._told = (new, written) if written else None
        if written and last != row.key:
            index.put(self.root, row)
        for key in old if written and may_remove else ():
            index.remove(self.root, key)
        return written is not None

    def _head_and_version(self) -> tuple[Summary | None, UpdateVersion | None]:
        version = version_of(self.root, self._key(layout.HEAD))
        return (self.head() if version else None), version

    def announce(self, submitted: Summary) -> str:
        """Put the row of a run that is about to be submitted; returns its key. Raises StoreError."""
        key = index.put(self.root, index.row_of(self.name, submitted))
        with explaining(key):
            make_durable(self.root, key)
        return key
