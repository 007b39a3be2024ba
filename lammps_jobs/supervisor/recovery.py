"""Which checkpoint an attempt goes on from: the newest that is intact, of our format, and not barred."""

from __future__ import annotations

from dataclasses import dataclass

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.record.documents import Checkpoint
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.blame import Barred

LISTINGS = 5
"""How often the checkpoints are listed again because they changed while they were looked at."""


@dataclass(frozen=True)
class Found:
    """`checkpoint` is None when the run starts from its beginning; `passed_over` names newer ones, in words."""

    checkpoint: Checkpoint | None
    passed_over: tuple[str, ...]


def newest_usable(record: RunRecord, barred: Barred) -> Found:
    """Look from the newest checkpoint backwards. Raises StoreError when the store cannot be read."""
    for _ in range(LISTINGS):
        seqs = record.checkpoint_seqs()
        found = _newest_of(record, seqs, barred)
        if not found.passed_over or record.checkpoint_seqs() == seqs:
            break  # else an attempt that was overtaken has committed and tidied up meanwhile
    return found


def _newest_of(record: RunRecord, seqs: list[int], barred: Barred) -> Found:
    passed_over: list[str] = []
    for seq in reversed(seqs):
        try:
            checkpoint = record.checkpoint(seq)
            if checkpoint is None or _is_barred(checkpoint, barred):
                continue
            record.verify(checkpoint)
            state = b"".join(record.read_blob(checkpoint.state))
            EngineState.parse(state, f"checkpoint {seq} of {record.name}")
        except Damaged as error:
            passed_over.append(f"Checkpoint {seq} is damaged and was passed over. {error.what} {error.where}")
        except OtherFormat as error:
            passed_over.append(f"Checkpoint {seq} is of another version and was passed over. {error.what}")
        else:
            return Found(checkpoint, tuple(passed_over))
    return Found(None, tuple(passed_over))


def _is_barred(checkpoint: Checkpoint, barred: Barred) -> bool:
    if checkpoint.stage_boundary:
        return checkpoint.seq in barred.checkpoints
    return checkpoint.stage in barred.stages
