"""What is said of an engine that died: LAMMPS's own words where it left any."""

from __future__ import annotations

import re
import signal

from lammps_jobs.errors import EngineDied, GpuFailed, LammpsJobsError, ScriptError
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.supervisor.attempt_state import CORRECT
from lammps_jobs.supervisor.blame import io_error
from lammps_jobs.supervisor.stimuli import Death

LAMMPS_ERROR = re.compile(r"(?:^ERROR|\bERROR on proc \d+: ).*")
"""In a line of what was printed: an error of one rank alone comes as an exception of that rank's Python."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE)
"""Signals by which LAMMPS itself may die of a cut; mpirun gives them as exit codes, alone or with 128. SIGBUS is not
among them: it means memory or a file that the machine could not give."""


_GPU_FULL = re.compile("cudaErrorMemoryAllocation|Insufficient memory on accelerator", re.IGNORECASE)
_GPU_BROKEN = re.compile(r"cudaError\w+|Cuda driver error|CUDA error|no CUDA-capable device"
                         r"|Could not find/initialize a specified accelerator", re.IGNORECASE)  # fmt: skip


def gpu_error(text: str, where: str = "") -> LammpsJobsError | None:
    """What to say when a line is about a GPU; None when it is about something else."""
    text = text.strip()
    if _GPU_FULL.search(text):
        remedy = "Use a pool with larger GPUs, or more of them with a rank each: fewer atoms on each GPU."
        return EngineDied(f"The system does not fit into the GPU's memory: {text}", where=where, remedy=remedy)
    if _GPU_BROKEN.search(text):
        remedy = "On a stack another machine goes on from the newest checkpoint. Here, see what nvidia-smi says."
        return GpuFailed(f"The GPU failed: {text}", where=where, remedy=remedy)
    return None


def death_of(exit_code: int, where: ScriptLine, printed: list[str], run: str) -> Death:
    """What to say of an engine that ended with `exit_code` (negative for a signal) while it was at `where`.

    `printed` holds the lines of LAMMPS's log and of what the engine's processes printed.
    """
    of_gpu = next(filter(None, (gpu_error(text, str(where)) for text in printed)), None)
    if of_gpu:
        return Death(of_gpu, is_doubtful=False)
    lammps = [found[0] for text in printed if (found := LAMMPS_ERROR.search(text))]
    if lammps:
        return Death(ScriptError(lammps[0], where=str(where), remedy=CORRECT), not io_error("\n".join(printed[-50:])))
    name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
    error = EngineDied(
        f"LAMMPS died without a word ({name}): killed, out of memory, or a crash.",
        where=str(where),
        remedy=f"Everything up to the last checkpoint is safe. Try: lammps-jobs resume {run}",
    )
    return Death(error, abs(exit_code) % 128 in CRASHES)
