"""What an attempt lays out on its machine before LAMMPS starts: inputs, and the checkpoint to go on from."""

from __future__ import annotations

import os
from pathlib import Path

from lammps_jobs.errors import Damaged, InputMissing
from lammps_jobs.protocol.engine_state import EngineState, FolderState
from lammps_jobs.protocol.messages import EngineJob, Restore
from lammps_jobs.record.documents import Checkpoint, RunSpec
from lammps_jobs.record.names import is_below
from lammps_jobs.record.run_record import RunRecord

EXECUTABLE = 0o111


def write_inputs(record: RunRecord, spec: RunSpec, folder: Path, top: Path) -> None:
    """Write the run's inputs to `folder`, and nothing outside of `top`.

    Raises InputMissing when one of them is gone or damaged, Damaged when its name leads away.
    """
    for name in spec.folders:
        _inside(folder, top, name).mkdir(parents=True, exist_ok=True)
    for name, blob in spec.inputs.items():
        path = _inside(folder, top, name)
        try:
            record.write_file([blob], path)
        except Damaged as error:
            raise InputMissing(
                f"The stored input {name} is missing or damaged.",
                where=error.where,
                remedy=f"Submit the same script again: its inputs are stored anew; lammps-jobs resume {record.name}",
            ) from error
    for name in spec.executables:
        path = _inside(folder, top, name)
        path.chmod(path.stat().st_mode | EXECUTABLE)


def _inside(folder: Path, top: Path, name: str) -> Path:
    """The path of a file that a record names. Raises Damaged when that is not below `top`."""
    path = folder / name
    if not is_below(path, top):
        raise Damaged(f"The record names a file outside of the run's folder: {name}", where=str(path))
    return path


def write_checkpoint(
    record: RunRecord, checkpoint: Checkpoint, job: EngineJob, folder: Path, *, with_memory: bool
) -> EngineJob:
    """Write what resuming from a checkpoint reads, and make the run's `folder`, where the inputs lie, what it was then.

    The contents of its other files come when the engine asks for them. Returns the engine's job. Raises Damaged.
    """
    place = job.scratch / "resume"
    for name, blob in checkpoint.restart.items():
        record.write_file([blob], place / name)
    record.write_file([checkpoint.state], place / "state")
    state = EngineState.parse((place / "state").read_bytes(), str(place / "state"))
    make_as_it_was(state.folder, job.inputs, folder, job.top)
    restore = Restore(
        restart=place / ("restart" if "restart" in checkpoint.restart else "restart.%"), state=place / "state",
        outputs=tuple(checkpoint.outputs), executables=state.folder.executables, headed=state.folder.headed,
        with_memory=with_memory,
    )  # fmt: skip
    return job.model_copy(update={"restore": restore, "inputs": state.folder.inputs})


def make_as_it_was(state: FolderState, inputs: tuple[str, ...], folder: Path, top: Path) -> None:
    """Take away the inputs and folders that were gone at the cut, and make the folders and links that were there.

    Raises Damaged when one of their names leads out of `top`.
    """
    for name in set(inputs) - set(state.inputs):
        (folder / name).unlink()
    kept = {os.path.normpath(folder / name) for name in state.folders}
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if str(path) not in kept and not any(path.iterdir()):
            path.rmdir()
    for name in state.folders:
        _inside(folder, top, name).mkdir(parents=True, exist_ok=True)
    for name, target in state.links.items():
        _inside(folder, top, name).symlink_to(target)
