"""What an attempt lays out on its machine before LAMMPS starts: inputs, and the checkpoint to go on from."""

from __future__ import annotations

from pathlib import Path

from lammps_jobs.errors import Damaged, InputMissing
from lammps_jobs.protocol.messages import Restore
from lammps_jobs.record.documents import Checkpoint, RunSpec
from lammps_jobs.record.run_record import RunRecord


def write_inputs(record: RunRecord, spec: RunSpec, folder: Path) -> None:
    """Write the run's inputs to `folder`. Raises InputMissing when one of them is gone or damaged."""
    for name, blob in spec.inputs.items():
        try:
            record.write_file([blob], folder / name)
        except Damaged as error:
            raise InputMissing(
                f"The stored input {name} is missing or damaged.",
                where=error.where,
                remedy="Submit the run again under a new name.",
            ) from error


def write_checkpoint(record: RunRecord, checkpoint: Checkpoint, folder: Path) -> Restore:
    """Write what resuming from a checkpoint reads to `folder`. Raises Damaged."""
    for name, blob in checkpoint.restart.items():
        record.write_file([blob], folder / name)
    record.write_file([checkpoint.state], folder / "state")
    restart = folder / ("restart" if "restart" in checkpoint.restart else "restart.%")
    return Restore(restart=restart, state=folder / "state", outputs=tuple(checkpoint.outputs))
