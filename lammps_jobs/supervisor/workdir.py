"""What an attempt lays out on its machine before LAMMPS starts: inputs, and the checkpoint to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lammps_jobs.errors import Damaged, InputMissing
from lammps_jobs.record.documents import Checkpoint, RunSpec
from lammps_jobs.record.run_record import RunRecord


def inputs(store: RunRecord, spec: RunSpec, folder: Path) -> None:
    """Write the run's inputs to `folder`. Raises InputMissing when one of them is gone or damaged."""
    for name, blob in spec.inputs.items():
        try:
            store.write_file([blob], folder / name)
        except Damaged as error:
            raise InputMissing(
                f"The stored input {name} is missing or damaged.",
                where=error.where,
                remedy="Submit the run again under a new name.",
            ) from error


def checkpoint(store: RunRecord, found: Checkpoint, folder: Path) -> dict[str, Any]:
    """Write what resuming from a checkpoint reads to `folder`; the engine's document about it. Raises Damaged."""
    for name, blob in found.restart.items():
        store.write_file([blob], folder / name)
    store.write_file([found.state], folder / "state")
    restart = folder / ("restart" if "restart" in found.restart else "restart.%")
    return {"restart": str(restart), "state": str(folder / "state"), "outputs": list(found.outputs)}
