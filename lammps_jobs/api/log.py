"""The log of a run as LAMMPS would have written it: stitched over attempts, whole or followed as it grows."""

from __future__ import annotations

import codecs
import hashlib

from lammps_jobs.backends.base import Backend
from lammps_jobs.record.documents import FULL_LOG, Blob, OutputFile
from lammps_jobs.record.run_record import RunRecord

NOTHING = OutputFile()


def joined(record: RunRecord, output: OutputFile | None, start: int = 0) -> bytes:
    """The bytes of an output from `start` on; segments that end before it are not read. Raises Damaged."""
    found, at = [], 0
    for segment in output.segments if output else ():
        if at + segment.size > start:
            found.append(record.content_of(segment)[max(0, start - at) :])
        at += segment.size
    return b"".join(found)


class LogReader:
    """The log so far, and then what was added to it: each look reads nothing that was read before.

    It reaches to the present where the attempt can be seen from here, to the failure of one that failed, else to the
    last checkpoint.
    """

    def __init__(self, record: RunRecord, backend: Backend) -> None:
        self._record, self._backend = record, backend
        self._read = 0
        self._engine: tuple[int, int | None] = (0, None)
        self._before: OutputFile | None = None
        """The log up to the checkpoint from which that engine went on, once something was seen of its own."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def more(self) -> str:
        """What was added since the last look. Raises Damaged, StoreError."""
        added = self._added()
        self._read += len(added)
        return self._decoder.decode(added)

    def _added(self) -> bytes:
        newest = self._record.newest_attempt()
        if not newest or self._record.finished():
            return joined(self._record, self._recorded(), self._read)
        progress = self._record.progress(newest)
        engine = (newest, progress.engine_pid if progress else None)
        if engine != self._engine:  # another one goes on from another checkpoint
            self._engine, self._before = engine, None
        recorded = self._recorded()
        if self._before is None:
            live = self._live(newest, 0)
            if not live:
                return joined(self._record, recorded, self._read)
            self._before = self._gone_on_from(newest, recorded, live)
            return (joined(self._record, self._before) + live)[self._read :]
        start = max(0, self._read - self._before.size)
        return joined(self._record, self._before, self._read) + self._live(newest, start)

    def _recorded(self) -> OutputFile:
        return self._record.outputs().get(FULL_LOG, NOTHING)

    def _live(self, attempt: int, start: int) -> bytes:
        """Of the attempt's own log: as it saved it at its end, else as it lies where the attempt runs."""
        saved = self._record.log(attempt, FULL_LOG).encode()
        return saved[start:] if saved else self._backend.tail(self._record, FULL_LOG, start)

    def _gone_on_from(self, attempt: int, recorded: OutputFile, live: bytes) -> OutputFile:
        """The log up to the checkpoint that the attempt's newest engine went on from.

        Where that checkpoint is no longer kept, the recorded log tells it: it ends with what this engine has added.
        """
        checkpoint = None
        for event in self._record.events():
            if event.attempt == attempt and event.kind in ("started", "resumed"):
                checkpoint = event.from_checkpoint
        if not checkpoint:
            return NOTHING
        if found := self._record.checkpoint(checkpoint):
            return found.outputs.get(FULL_LOG, NOTHING)
        segments = recorded.segments
        first = next((at for at in range(len(segments)) if _begins_with(live, segments[at:])), len(segments))
        return OutputFile(segments=segments[:first])


def _begins_with(text: bytes, segments: tuple[Blob, ...]) -> bool:
    """Whether the text begins with the content of these segments, which their names tell."""
    at = 0
    for segment in segments:
        if hashlib.sha256(text[at : at + segment.size]).hexdigest() != segment.sha256:
            return False
        at += segment.size
    return True
