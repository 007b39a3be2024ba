"""What is said of an engine that died: LAMMPS's own words where it left any."""

from __future__ import annotations

import signal

from lammps_jobs.errors import EngineDied, ScriptError
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.supervisor.attempt_state import CORRECT
from lammps_jobs.supervisor.blame import io_error
from lammps_jobs.supervisor.stimuli import Death

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE)
"""Signals by which LAMMPS itself may die of a cut; mpirun gives them as exit codes, alone or with 128. SIGBUS is not
among them: it means memory or a file that the machine could not give."""


def death_of(exit_code: int, where: ScriptLine, printed: list[str], run: str) -> Death:
    """What to say of an engine that ended with `exit_code` (negative for a signal) while it was at `where`.

    `printed` holds the lines of LAMMPS's log and of what the engine's processes printed.
    """
    lammps = [text for text in printed if text.startswith("ERROR")]
    if lammps:
        return Death(ScriptError(lammps[0], where=str(where), remedy=CORRECT), not io_error("\n".join(printed[-50:])))
    name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
    error = EngineDied(
        f"LAMMPS died without a word ({name}): killed, out of memory, or a crash.",
        where=str(where),
        remedy=f"Everything up to the last checkpoint is safe. Try: lammps-jobs resume {run}",
    )
    return Death(error, abs(exit_code) % 128 in CRASHES)
