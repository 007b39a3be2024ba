"""Rolls up what many checkpoints added to an output, so that a week of them is not thousands of small objects."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lammps_jobs.errors import Damaged, LammpsJobsError
from lammps_jobs.record.documents import Blob, OutputFile
from lammps_jobs.record.object_store import CHUNK
from lammps_jobs.record.run_record import RunRecord

LEAST_PIECES = 32
"""Segments of about one size, at the end of an output, that become one."""
ALIKE = 16
"""How many times as large as the mean of those behind it a segment may be to go with them: so that what was rolled up
is let alone until there are as many of its size, and each byte is written again a few times at most."""
AT_A_TIME = 8
"""Outputs that are rolled up after one checkpoint."""

Files = Mapping[str, OutputFile]


@dataclass(frozen=True)
class Rolled:
    """The segments `pieces` of the output `name`, from its segment `first` on, are in `whole`, too."""

    name: str
    first: int
    pieces: tuple[Blob, ...]
    whole: Blob


def due(output: OutputFile, since: int, least: int = LEAST_PIECES) -> tuple[Blob, ...]:
    """The last segments, if they are small and many enough to become one; of those before number `since` none."""
    segments, size, first = output.segments, 0, len(output.segments)
    while first > since:
        count, here = len(segments) - first, segments[first - 1].size
        if size + here > CHUNK or (count and here * count > ALIKE * size):
            break
        first, size = first - 1, size + here
    return segments[first:] if len(segments) - first >= least else ()


def rolled(
    record: RunRecord, outputs: Files, since: Files, least: int = LEAST_PIECES, *, of: int = 0
) -> Iterator[Rolled]:
    """Roll up what is due of the outputs, for the attempt `of` alone or for all, but nothing of what they were made of
    `since`, which an earlier attempt recorded, and nothing that is damaged. Raises StoreError."""
    for name, output in outputs.items():
        pieces = _due_of(outputs, since, name, least)
        with contextlib.suppress(Damaged):
            if pieces:
                yield Rolled(name, len(output.segments) - len(pieces), pieces, record.joined(pieces, of=of))


def _due_of(outputs: Files, since: Files, name: str, least: int) -> tuple[Blob, ...]:
    before = since[name].segments if name in since else ()
    is_longer = outputs[name].segments[: len(before)] == before
    return due(outputs[name], len(before) if is_longer else 0, least)


def applied(outputs: Files, found: Iterable[Rolled]) -> dict[str, OutputFile]:
    """The outputs with what was rolled up in the place of its pieces, where these are still theirs."""
    outputs = dict(outputs)
    for one in found:
        segments = outputs[one.name].segments if one.name in outputs else ()
        last = one.first + len(one.pieces)
        if segments[one.first : last] == one.pieces:
            outputs[one.name] = OutputFile(segments=(*segments[: one.first], one.whole, *segments[last:]))
    return outputs


class Roller:
    """Rolls up in a thread of its own, so that neither a checkpoint nor the end of the attempt waits for it.

    What it stores is named by a manifest only when a later checkpoint takes it over; until then nothing relies on it.
    """

    def __init__(self, record: RunRecord, since: Files, least: int = LEAST_PIECES, *, of: int = 0) -> None:
        self._record, self._since, self._least, self._of = record, dict(since), least, of
        self._thread: threading.Thread | None = None
        self._found: list[Rolled] = []
        self.replaced: list[Blob] = []

    def begin(self, outputs: Files) -> None:
        """Roll up what is due of these, unless it still does so of earlier ones. What fails is tried again later."""
        if self.is_at_work or not any(_due_of(outputs, self._since, name, self._least) for name in outputs):
            return
        outputs = dict(outputs)

        def work() -> None:
            with contextlib.suppress(LammpsJobsError):
                found = rolled(self._record, outputs, self._since, self._least, of=self._of)
                for one in itertools.islice(found, AT_A_TIME):
                    self._found.append(one)

        self._thread = threading.Thread(target=work, name="roll-up", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until it is done with what it began."""
        if self._thread:
            self._thread.join()

    def applied(self, outputs: Files) -> dict[str, OutputFile]:
        """The outputs with all that was rolled up since the last time; as they are while it still does so."""
        if self.is_at_work:
            return dict(outputs)
        found, self._found = self._found, []
        self.replaced += [piece for one in found for piece in one.pieces]
        return applied(outputs, found)

    def take_replaced(self) -> list[Blob]:
        """The pieces of all that was applied since the last time, whether or not the outputs were still theirs."""
        taken, self.replaced = self.replaced, []
        return taken

    @property
    def is_idle(self) -> bool:
        """Whether nothing is stored that no checkpoint names yet."""
        return not self.is_at_work and not self._found

    @property
    def is_at_work(self) -> bool:
        return self._thread is not None and self._thread.is_alive()
