"""Runs that begin where another one ended: its record up to a checkpoint, its script with more lines at the end.

What came after the checkpoint is repeated, which gives the same again, and then the new lines follow in the process
that came to the old end: so the new run is the one that the longer script would have been.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lammps_jobs.errors import CannotResume, NameTaken, UsageError
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.record.documents import Checkpoint, CutPlan, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.script.inputs import gather
from lammps_jobs.script.language import logical_lines
from lammps_jobs.script.position import Lines

Words = Mapping[str, tuple[str, ...]]


def added_lines(*, steps: int | None, include: str | None, variables: Words) -> str:
    """What is put behind a script: new values of variables, then a file or a `run`."""
    lines = ["", "# -- continued by lammps-jobs extend"]
    for name, values in variables.items():
        lines.append(f'if "$(is_defined(variable,{name}))" then "variable {name} delete"')
        lines.append(f"variable {name} index {' '.join(values)}")
    lines += [f"include {include}"] if include else []
    lines += [f"run {steps}"] if steps else []
    return "\n".join([*lines, ""])


def extend(
    old: RunRecord, new: RunRecord, *, steps: int | None, script: Path | None, variables: Words, at: int | None
) -> bool:
    """Put the run `new` on record; False when the same is there already.

    `at` is the number of the checkpoint to begin from, the newest by default; without any, it begins with the script.
    Raises UsageError, CannotResume, NameTaken, InputMissing, StoreError.
    """
    spec = old.wanted()
    if (steps is None) == (script is None):
        raise UsageError("Give either steps or a script to go on with.")
    if steps is not None and steps < 1:
        raise UsageError(f"A run goes on for at least 1 step, not {steps}.")
    text = b"".join(old.read_blob(spec.inputs[spec.script])).decode(errors="surrogateescape")
    if re.search(r"^\s*quit\b", text, re.MULTILINE):
        raise UsageError(f"The script of {old.name} ends itself with `quit`, behind which nothing follows.",
                         where=spec.script, remedy="Take the lines that are to follow into the script.")  # fmt: skip
    inputs = _inputs_of(script, text, spec, variables)
    added = added_lines(steps=steps, include=script.name if script else None, variables=variables)
    main = new.put_bytes((text + added).encode(errors="surrogateescape"))
    checkpoint = _checkpoint(old, at)
    files = {**spec.inputs, **{name: new.put_file(file) for name, file in inputs.items()}, spec.script: main}
    longer = spec.model_copy(update={"name": new.name, "inputs": files, "cut_plan": CutPlan()})
    if new.is_submitted():
        if new.submission().spec != longer:
            raise NameTaken(f"A run named {new.name!r} exists, and is another one.", remedy="Choose another --name.")
        return False
    for blob in spec.inputs.values():
        new.take_over(old, blob)
    if checkpoint:
        state = _longer(old, checkpoint, spec.script, logical_lines(text), logical_lines(text + added))
        _begin_at(old, new, checkpoint, state)
    return new.submit(Submission(spec=longer, origin=f"run {old.name}"))


def _inputs_of(script: Path | None, text: str, spec: RunSpec, variables: Words) -> dict[str, Path]:
    """The files of a script that is to follow."""
    if script is None:
        return {}
    known = {*spec.variables, *re.findall(r"\bvariable\s+(\w+)", text)}
    found = gather(script, [], variables, start=script.resolve().parent, defined=known)
    taken = {name for name in found.files if name in spec.inputs and name == found.script}
    if taken:
        raise UsageError(f"The run has an input named {found.script} already.", where=str(script),
                         remedy="Give the script that is to follow another name.")  # fmt: skip
    return found.files


def _checkpoint(old: RunRecord, at: int | None) -> Checkpoint | None:
    seqs = old.checkpoint_seqs()
    if at is not None and at not in seqs:
        there = ", ".join(map(str, seqs)) or "none"
        remedy = f"It has: {there}. Old ones inside a stage are removed; --keep says how many stay."
        raise CannotResume(f"{old.name} has no checkpoint {at}.", remedy=remedy)
    wanted = at if at is not None else max(seqs, default=None)
    return old.checkpoint(wanted) if wanted is not None else None


def _longer(old: RunRecord, checkpoint: Checkpoint, script: str, before: Lines, after: Lines) -> EngineState:
    """The engine's state in a checkpoint, which holds the script's lines, with the added ones behind them."""
    where = f"checkpoint {checkpoint.seq} of {old.name}"
    state = EngineState.parse(b"".join(old.read_blob(checkpoint.state)), where)
    main, *inner = state.position.frames
    if main.file != script or len(main.lines) != len(before):
        raise UsageError(f"The script of {old.name} has gone over to {main.file}, behind which nothing follows.",
                         where=where, remedy="Take the lines that are to follow into the scripts.")  # fmt: skip
    added = tuple((number, text) for number, text in after[len(before) :])
    frames = (main.model_copy(update={"lines": (*main.lines, *added)}), *inner)
    return state.model_copy(update={"position": state.position.model_copy(update={"frames": frames})})


def _begin_at(old: RunRecord, new: RunRecord, checkpoint: Checkpoint, state: EngineState) -> None:
    """The checkpoint as the new run's first, with all that it names and the engine's `state`."""
    blobs = [
        *checkpoint.restart.values(),
        *(segment for output in checkpoint.outputs.values() for segment in output.segments),
    ]
    for blob in {blob.name: blob for blob in blobs}.values():
        new.take_over(old, blob)
    stored = new.put_bytes(state.model_dump_json().encode())
    if not new.commit(checkpoint.model_copy(update={"seq": 1, "attempt": 0, "parent": None, "state": stored})):
        raise NameTaken(f"There is something left of another run named {new.name!r}.",
                        remedy=f"lammps-jobs delete {new.name}, or choose another --name.")  # fmt: skip
