"""Array jobs of AWS Batch: one SubmitJob for ten thousand runs of a sweep.

What an array holds is put on the sweep's record before it is submitted, under a name that no other job has, so that
nobody submits it twice (as `submission` does for a single run). Its job number i, told by AWS_BATCH_JOB_ARRAY_INDEX,
is the i-th run of that record; from its first attempt on, a run has a record of its own and is like any other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lammps_jobs.backends.after import Standing, in_words, standing_of
from lammps_jobs.backends.aws_batch import submission
from lammps_jobs.backends.aws_batch.client import explained
from lammps_jobs.backends.base import JobStatus
from lammps_jobs.record.documents import JobRequest
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepArray, SweepRecord, begun

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_CHILDREN = 10_000
"""Jobs of one array (AWS Batch, "Service quotas")."""
MARK = "@"
"""In what a container is told to run: `SWEEP@3` is the run of the sweep's array 3 that its index says."""
OVER = ("SUCCEEDED", "FAILED")


def chunks(runs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Runs in as few arrays as can be, of equal size: none of a single run, which AWS Batch would not take."""
    count = math.ceil(len(runs) / MOST_CHILDREN)
    for at in range(count):
        yield tuple(runs[at * len(runs) // count : (at + 1) * len(runs) // count])


def start(
    sweep: SweepRecord, runs: Sequence[str], batch: Any, store: str, request: Callable[[int, str], JobRequest]
) -> None:
    """Submit arrays for the runs, but for those that an array on record has which waits for its answer.

    `request` makes one from its number and the sweep's name. Raises CannotStart, CloudError, StoreError.
    """
    asked = {run for array in sweep.arrays() if not _is_answered(sweep, array, batch, store) for run in array.runs}
    for some in chunks([run for run in runs if run not in asked]):
        while True:
            number = max((array.number for array in sweep.arrays()), default=0) + 1
            array = SweepArray(number=number, request=request(number, sweep.name), runs=some)
            if sweep.ask(array):
                break
        _submit(sweep, array, batch, store)


def _is_answered(sweep: SweepRecord, array: SweepArray, batch: Any, store: str) -> bool:
    """False of one whose asker may have died: it is seen to that its job is there, once."""
    if sweep.job_id(array.number) or sweep.is_cancelled(array.number):
        return True
    found = submission.look_up(batch, array.request)
    while not found and not submission.is_given_up(array.request):
        time.sleep(0.5)
        found = sweep.job_id(array.number) or submission.look_up(batch, array.request)
    if found:
        sweep.answer(array.number, found)
    else:
        _submit(sweep, array, batch, store)
    return False


def _submit(sweep: SweepRecord, array: SweepArray, batch: Any, store: str) -> None:
    run = array.runs[0] if len(array.runs) == 1 else sweep.name
    size = len(array.runs) if len(array.runs) > 1 else 0
    told = f"{sweep.name}{MARK}{array.number}"
    sweep.answer(
        array.number, submission.call_for(batch, array.request, run=told, named=run, store=store, size=size)
    )  # fmt: skip


def cancel(sweep: SweepRecord, batch: Any) -> None:
    """End all arrays that are not over: those that wait never begin, those that run are interrupted."""
    for array in sweep.arrays():
        sweep.cancel(array.number)
        job = sweep.job_id(array.number) or submission.look_up(batch, array.request)
        if job:
            with explained(f"job {job}"):
                batch.terminate_job(jobId=job, reason="cancelled by its user")


def statuses(sweep: SweepRecord, batch: Any, seen: Callable[[str], dict[str, Any] | None]) -> dict[str, JobStatus]:
    """What is to come of each run that an array was asked for, by its newest one. `seen` describes a job."""
    found: dict[str, JobStatus] = {}
    for array in sweep.arrays():
        job_id = sweep.job_id(array.number)
        job = seen(job_id) if job_id else None
        failed = _failed(batch, job)
        whole = _of_all(sweep, array, job_id, seen)
        found |= {run: JobStatus("gone", failed[at]) if whole.phase == "pending" and at in failed else whole
                  for at, run in enumerate(array.runs)}  # fmt: skip
    return found


def _of_all(
    sweep: SweepRecord, array: SweepArray, job_id: str, seen: Callable[[str], dict[str, Any] | None]
) -> JobStatus:  # fmt: skip
    job = seen(job_id) if job_id else None
    if sweep.is_cancelled(array.number):
        return JobStatus("gone", CANCELLED)
    if not job_id:
        is_lost = submission.is_given_up(array.request)
        return JobStatus("gone", LOST) if is_lost else JobStatus("pending", "Its job is being submitted.")
    if job is None or job["status"] in OVER:
        return JobStatus("gone", _why_gone(sweep, array, job))
    if any((before := seen(one)) and before["status"] not in OVER for one in array.request.depends_on):
        return JobStatus("pending", str(Standing(waits_for=tuple(map(in_words, _after(sweep, array))))))
    return JobStatus("pending", "It waits in its array for a machine.")


def _why_gone(sweep: SweepRecord, array: SweepArray, job: dict[str, Any] | None) -> str:
    """Of an array that failed because a job failed on which it depends, what became of the runs before it."""
    reason = str((job or {}).get("statusReason", ""))
    is_of_another = "ependent" in reason and array.request.depends_on
    return (standing_of(sweep.root, _after(sweep, array)).never if is_of_another else "") or reason


def _after(sweep: SweepRecord, array: SweepArray) -> tuple[str, ...]:
    """What the array's runs follow: all the same."""
    return sweep.following().get(array.runs[0], ())


CANCELLED = "cancelled by the user"
LOST = "Whoever submitted it was interrupted; submit the sweep again."


def _failed(batch: Any, job: dict[str, Any] | None) -> dict[int, str]:
    """Why jobs of an array that goes on failed, by their places in it; asked for only where some have."""
    if not job or job["status"] in OVER or not job.get("arrayProperties", {}).get("statusSummary", {}).get("FAILED"):
        return {}
    with explained(f"job {job['jobId']}"):
        pages = batch.get_paginator("list_jobs").paginate(arrayJobId=job["jobId"], jobStatus="FAILED")
        return {
            int(one["jobId"].rpartition(":")[2]): one.get("statusReason", "") or "It failed."
            for page in pages for one in page["jobSummaryList"]
        }  # fmt: skip


# -- within a job --------------------------------------------------------------------------------------


def run_of(root: ObjectStore, told: str, index: int, job: str) -> RunRecord | None:
    """The run that the job `job` of an array is to run, with its record; None where the user has ended the array, or
    has started the run again since. `told` is `SWEEP@NUMBER`. Raises NoSuchRun, Damaged, StoreError."""
    name, _, number = told.partition(MARK)
    sweep = SweepRecord(root, name)
    array = sweep.array(int(number))
    if array is None or sweep.is_cancelled(array.number):
        return None
    whole = job.partition(":")[0]
    if not sweep.job_id(array.number):  # whoever submitted it has not written the answer down yet
        sweep.answer(array.number, whole)
    record = begun(sweep, array, index, whole)
    requests = record.job_requests()
    mine = next((one.number for one in requests if record.job_id(one.number) == job), len(requests))
    return record if mine == len(requests) else None
