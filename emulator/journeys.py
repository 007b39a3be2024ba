"""Waiting for what happens to a run in the cloud on loopback; every wait says what it waited for when it fails."""

from __future__ import annotations

from collections.abc import Callable

from emulator.batch import Cloud, Job
from emulator.patience import until
from lammps_jobs import Run, RunStatus


def job_of(cloud: Cloud, run: Run, number: int = 1) -> Job:
    """The job of the run's request `number`, once its container runs."""
    until(lambda: bool(run.record.job_id(number)), f"job {number} of {run.name} to be submitted", lambda: run.status)
    job = cloud.jobs[run.record.job_id(number)]
    until(lambda: job.machine is not None or job.over.is_set(), f"a container for {run.name}", job.described)
    return job


def attempting(run: Run, job: Job, number: int) -> None:
    """Wait until attempt `number` of a job is at work; the job must not end before."""

    def is_so() -> bool:
        if run.status.attempt == number and job.machine is not None:
            return True
        assert not job.over.is_set(), f"the job of {run.name} has ended: {job.described()}\n{run.events[-6:]}"
        return False

    until(is_so, f"attempt {number} of {run.name} to be at work", lambda: (run.status, job.described()))


def reaches(run: Run, true: Callable[[], bool], what: str) -> None:
    """Wait until something is `true` of a run, as long as the run gets on; it must not end before."""

    state: RunStatus | None = None

    def is_so() -> bool:
        nonlocal state
        state = run.status
        if true():
            return True
        assert not state.is_ended, f"Waited for {what}, but the run has ended: {state}"
        return False

    until(is_so, what, lambda: state)


def checkpointed(run: Run, attempt: int, *, stage: int | None = None, step: int = 1) -> int:
    """Wait until `attempt` has committed a checkpoint at `step` (of `stage`) or later; the step of that checkpoint."""
    found = 0

    def has() -> bool:
        nonlocal found
        for seq in run.record.checkpoint_seqs()[-1:]:
            newest = run.record.checkpoint(seq)
            if newest and newest.attempt == attempt and newest.step >= step and stage in (None, newest.stage):
                found = newest.step
                return True
        return False

    reaches(
        run, has, f"a checkpoint of attempt {attempt} at step {step} or later" + (f", stage {stage}" if stage else "")
    )
    return found


def passed(run: Run, attempt: int, stage: int, step: int) -> int:
    """Wait until `attempt` has passed `step` of `stage`; the step that it was seen at."""

    def has() -> bool:
        state = run.status
        return (state.attempt, state.stage) == (attempt, stage) and state.step >= step

    reaches(run, has, f"attempt {attempt} to pass step {step} of stage {stage}")
    return run.status.step
