"""Removes the pieces of segments that were rolled up, once nobody can go on from a checkpoint that names them.

A piece goes in two steps. At a first retention no checkpoint that is kept names it any more; at a later one, an hour
behind it, it is removed, so that whoever reads outputs of a checkpoint that is gone by then can end. Before each step,
and after the checkpoints that are not kept are removed, the attempt looks whether it was overtaken. Whoever takes
over claims his number before he reads a checkpoint: either that look finds him, or he finds none that names the piece.
Only pieces of this attempt are removed, which no other attempt can have made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from lammps_jobs.record.documents import Blob
from lammps_jobs.record.run_record import RunRecord

GRACE_S = 3600.0
"""Seconds between the two steps: whoever downloads the outputs of a checkpoint that he read before has so long."""
LEAST = 256
"""Pieces that wait for which it is worth looking what the kept checkpoints name."""

MOST = 20_000
"""Pieces that are remembered: older ones are left to `verify --collect`."""


class Superseded:
    """The pieces of the attempt `number` that were rolled up and are still in the store."""

    def __init__(
        self, record: RunRecord, number: int, *, grace_s: float = GRACE_S, least: int = LEAST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._record, self._number, self._clock = record, number, clock
        self._grace_s, self._least = grace_s, least
        self._waiting: dict[str, Blob] = {}
        self._unnamed: dict[str, tuple[Blob, float]] = {}
        """With when no kept checkpoint named them for the first time."""
        self._looked = -grace_s

    def add(self, pieces: Iterable[Blob]) -> None:
        """They were rolled up, and the newest checkpoint names what they have become."""
        self._waiting.update({piece.name: piece for piece in pieces if piece.of == self._number})
        for name in list(self._waiting)[:-MOST]:
            del self._waiting[name]

    def is_due(self) -> bool:
        """Whether it is worth a look."""
        is_worth_it = len(self._waiting) + len(self._unnamed) >= self._least
        return is_worth_it and self._clock() - self._looked >= self._grace_s / 4

    def collect(self, named: set[str]) -> None:
        """Take a step, where `named` is all that the kept checkpoints and this attempt's outputs name.

        The caller has made sure, after he removed what is not kept, that this attempt was not overtaken. Raises
        StoreError.
        """
        now = self._looked = self._clock()
        gone = [blob for name, (blob, since) in self._unnamed.items()
                if name not in named and now - since >= self._grace_s]  # fmt: skip
        self._unnamed = {name: one for name, one in self._unnamed.items() if name not in named}
        self._record.remove_blobs(gone)
        for blob in gone:
            del self._unnamed[blob.name]
        for name in [name for name in self._waiting if name not in named]:
            self._unnamed[name] = (self._waiting.pop(name), now)
