"""What is said of an engine that failed or died: LAMMPS's own words where it left any."""

from __future__ import annotations

import signal

from lammps_jobs.errors import CannotResume, EngineDied, LammpsJobsError, ScriptError
from lammps_jobs.protocol.channel import Message
from lammps_jobs.supervisor.engine_process import Engine

_CORRECT = "Correct the script and submit it under a new name."


def death_of(engine: Engine, run: str) -> LammpsJobsError:
    """The engine is gone without a last message: what the system and LAMMPS's log say of it."""
    code = engine.wait()
    file, line, command = engine.where()
    lammps = [text for text in engine.said() if text.startswith("ERROR")]
    place = f"{file}:{line}: {command}" if file else "before the script's first line"
    if lammps:
        return ScriptError(lammps[0], where=place, remedy=_CORRECT)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return EngineDied(
        f"LAMMPS died without a word ({name}): killed, out of memory, or a crash.",
        where=place,
        remedy=f"Everything up to the last checkpoint is safe. Try: lammps-jobs resume {run}",
    )


def fault_of(message: Message) -> LammpsJobsError:
    """The error of an engine that said what went wrong."""
    where = f"{message['file']}:{message['line']}: {message['command']}"
    if message["kind"] == "resume":
        return CannotResume(message["message"], where=where, remedy="Start the run again under a new name.")
    return ScriptError(message["message"], where=where, remedy=_CORRECT)
