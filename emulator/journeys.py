"""Waiting for what happens in the cloud on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable

from emulator.batch import Cloud, Job
from lammps_jobs.api.run import Run

WAIT_S = 120.0


def job_of(cloud: Cloud, run: Run, number: int = 1) -> Job:
    """The job of the run's request `number`, once its container runs."""
    until(lambda: bool(run.record.job_id(number)))
    job = cloud.jobs[run.record.job_id(number)]
    until(lambda: job.machine is not None or job.over.is_set())
    return job


def until(true: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def checkpointed(run: Run, attempt: int) -> None:
    """Wait until `attempt` has committed a checkpoint in the middle of the run."""

    def has() -> bool:
        return any(e.kind == "checkpoint" and e.attempt == attempt and (e.step or 0) > 0 for e in run.events)

    until(has)
