"""What is said of an engine that died: a GPU's own words, LAMMPS's, or none. Pure."""

from __future__ import annotations

import pytest

from lammps_jobs.errors import MACHINE_UNUSABLE, EngineDied, GpuFailed, ScriptError
from lammps_jobs.protocol.messages import Failed
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.supervisor.failures import death_of, gpu_error
from lammps_jobs.supervisor.stimuli import TryStarted
from tests.supervisor.attempt import Attempt, end_of

HERE = ScriptLine(file="in.test", line=7, command="run 1000")
STUB = "  what():  cudaGetDeviceCount(&count) error( cudaErrorStubLibrary): CUDA driver is a stub library"
FULL = '  what():  Kokkos failed to allocate memory for label "x". cudaMallocAsync returned cudaErrorMemoryAllocation'


@pytest.mark.parametrize(("line", "kind", "code"), [
    (STUB, GpuFailed, MACHINE_UNUSABLE),
    ("Cuda driver error 2 in call at file 'geryon/nvd_device.h' in line 412.", GpuFailed, MACHINE_UNUSABLE),
    ("ERROR: Could not find/initialize a specified accelerator device (src/GPU/gpu_extra.h:57)", GpuFailed, 76),
    (FULL, EngineDied, 11),
    ("ERROR on proc 0: Insufficient memory on accelerator (src/GPU/gpu_extra.h:60)", EngineDied, 11),
    ("ERROR: Lost atoms: original 4000 current 3999", ScriptError, 3),
])  # fmt: skip
def test_a_gpus_own_words_are_shown_and_say_whether_another_machine_may_help(line, kind, code):
    death = death_of(-6, HERE, ["LAMMPS (22 Jul 2025)", line, "Aborted"], "melt")
    assert type(death.error) is kind
    assert death.error.exit_code == code
    assert line.strip() in death.error.what
    assert str(HERE) in death.error.where
    assert death.is_doubtful == (kind is ScriptError), "no cut is at fault where a GPU is"


def test_death_without_a_word_stays_one():
    assert gpu_error("Setting up Verlet run ... cuda") is None
    assert "without a word" in death_of(-11, HERE, ["Setting up Verlet run ..."], "melt").error.what


def test_attempt_on_a_broken_gpu_ends_as_one_that_is_repeated_elsewhere():
    attempt = Attempt()
    attempt(TryStarted(0.0, None, engine_pid=7))
    failed = Failed(cause="script", where=HERE, text=STUB, stage=1, step=5, traceback="")
    end = end_of(attempt.says(failed))
    assert (end.outcome, end.exit_code) == ("interrupted", MACHINE_UNUSABLE)
