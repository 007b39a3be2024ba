"""Runs that begin when others have finished, on AWS Batch: jobs that depend on jobs.

AWS Batch starts a job when those that it depends on have succeeded, and fails it where one of them fails. But a job
succeeds, too, when its run goes on as another job. So an attempt that finds that it is not due yet asks for a job that
depends on that other one, and ends. A sweep's jobs, an array or some, depend as a whole on others as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lammps_jobs.backends.after import SWEEP, Standing, call_off, standing, standing_of
from lammps_jobs.backends.aws_batch import arrays, continuation, topics
from lammps_jobs.errors import UsageError
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord
from lammps_jobs.supervisor.environment import JobEnvironment

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST = 20
"""Jobs that one job may depend on (SubmitJob, dependsOn)."""


def jobs_before(root: ObjectStore, after: Sequence[str], found: Standing | None = None) -> tuple[str, ...]:
    """The IDs of the newest jobs of the runs that are followed and have not finished, of whole arrays for those of
    sweeps: 20 at most. Whoever finds that not all have finished then waits for the others. Raises UsageError."""
    alone = [name for name in after if not name.startswith(SWEEP)]
    unfinished = alone if len(alone) <= MOST else [name for name in alone if not standing_of(root, [name]).is_due]
    if len(unfinished) > MOST:
        raise UsageError(f"On a stack a run follows {MOST} others at most, not {len(unfinished)}.",
                         remedy="Let it follow a run that follows the others.")  # fmt: skip
    found = found or standing_of(root, after)
    jobs = dict.fromkeys(found.jobs)
    for name in found.unfinished:
        if len(jobs) == MOST:
            break
        job = RunRecord(root, name).newest_job()[1].partition(":")[0]
        jobs |= {job: None} if job else {}
    return tuple(jobs)[:MOST]


def is_put_off(store: RunRecord, url: str, environment: JobEnvironment, told: str = "") -> str:
    """Why nothing is to be done now for a run that follows others, in words; empty where it is due, or follows none, or
    where its user has started it again. `told` is what the container was told to run."""
    found = standing(store)
    if store.newest_attempt() or found.is_due or store.cancelled(0):  # the last: called off, and resumed by its user
        return ""
    if found.never and _is_asked_for_anew(store, told):
        return ""
    before = jobs_before(store.root, store.submission().after, found)
    if not found.never and before == store.job_requests()[-1].depends_on:
        found = Standing(never=f"It did not start: {found.waits_for[0]} has ended without finishing.")
    if found.never:
        call_off(store, found.never, topics.publish)
    else:
        continuation.submit_next(store, url, environment, depends_on=before)
    return str(found)


def _is_asked_for_anew(store: RunRecord, told: str) -> bool:
    """Whether the user has started the run again, by itself or in another array, after AWS Batch had failed it."""
    if sum(request.by == "user" for request in store.job_requests()) > 1:
        return True
    sweep, mark, number = told.partition(arrays.MARK)
    earlier = (array for array in SweepRecord(store.root, sweep).arrays() if array.number < int(number)) if mark else ()
    return any(store.name in array.runs for array in earlier)
