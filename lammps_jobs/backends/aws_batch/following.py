"""Runs that begin when others have finished, on AWS Batch: jobs that depend on jobs.

AWS Batch starts a job when those that it depends on have succeeded, and fails it where one of them fails. But a job
succeeds, too, when its run goes on as another job. So an attempt that finds that it is not due yet asks for a job that
depends on that other one, and ends.
"""

from __future__ import annotations

from lammps_jobs.backends.after import call_off, standing
from lammps_jobs.backends.aws_batch import continuation, topics
from lammps_jobs.errors import UsageError
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment

MOST = 20
"""Jobs that one job may depend on (SubmitJob, dependsOn)."""


def jobs_before(record: RunRecord) -> tuple[str, ...]:
    """The IDs of the newest jobs of the runs that this one follows and that have not finished. Raises UsageError."""
    unfinished = standing(record).unfinished
    if len(unfinished) > MOST:
        raise UsageError(f"On a stack a run follows {MOST} others at most, not {len(unfinished)}.",
                         remedy="Let it follow a run that follows the others.")  # fmt: skip
    found = (RunRecord(record.root, name).newest_job()[1] for name in unfinished)
    return tuple(job for job in found if job)


def is_put_off(store: RunRecord, url: str, environment: JobEnvironment) -> str:
    """Why nothing is to be done now for a run that follows others, in words; empty where it is due, or follows none."""
    found = standing(store)
    if store.newest_attempt() or found.is_due:
        return ""
    before = jobs_before(store)
    if not found.never and before == store.job_requests()[-1].depends_on:
        found = type(found)(never=f"It did not start: {found.unfinished[0]} has ended without finishing.")
    if found.never:
        call_off(store, found.never, topics.publish)
    else:
        continuation.submit_next(store, url, environment, depends_on=before)
    return str(found)
