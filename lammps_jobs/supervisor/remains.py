"""Records what an attempt leaves behind that ended without finishing: its outputs up to the last byte it wrote."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lammps_jobs.errors import Damaged
from lammps_jobs.protocol import remains
from lammps_jobs.protocol.remains import COMMITTED, Committed
from lammps_jobs.record.documents import OutputFile, Remains
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.recorder import with_changes


def note_committed(scratch: Path, *, cut: int, checkpoint: int) -> None:
    """Say in the attempt's folder which cut of its engine (0: none yet) is on record as which checkpoint (0: none)."""
    partial = scratch / f"{COMMITTED}.part"
    with contextlib.suppress(OSError):  # the folder may have been removed; then nothing will be found in it either
        partial.write_text(Committed(cut=cut, checkpoint=checkpoint).model_dump_json())
        partial.replace(scratch / COMMITTED)


def keep(record: RunRecord, attempt: int, scratch: Path, step: int | None = None) -> bool:
    """Record the outputs as they lie in the attempt's folder; its engine must be gone. False where nothing was added.

    Raises StoreError. Does nothing when the folder does not belong to the record's newest checkpoint.
    """
    found = remains.read(scratch)
    if found is None or record.remains(attempt):
        return False
    marks, committed = found
    newest = record.checkpoint(committed.checkpoint) if committed.checkpoint else None
    if committed.checkpoint and newest is None:
        return False
    changes = remains.since(marks)
    if not changes:
        return False
    before: dict[str, OutputFile] = dict(newest.outputs) if newest else {}
    try:
        outputs = with_changes(record, before, tuple(changes))
    except Damaged:  # somebody still writes there
        return False
    if outputs == before:
        return False
    return record.keep_remains(Remains(attempt=attempt, outputs=outputs, step=step))
