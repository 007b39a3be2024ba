"""AWS Batch jobs of a run: submitted exactly once, even if the submitter crashes half-way.

SubmitJob knows no client token. So a request is first written down, create-only, with a name of its own for the
job; whoever finds a request without an answer looks the job up by that name before he submits it.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

from lammps_jobs.backends.aws_batch.client import explained
from lammps_jobs.errors import CannotStart, CloudError
from lammps_jobs.record.documents import JobRequest, now
from lammps_jobs.record.run_record import RunRecord

OTHERS_S = 20.0
"""How long somebody else's request may stay without an answer until it is taken over."""


def submit_once(record: RunRecord, batch: Any, store: str, request: JobRequest) -> str:
    """The ID of the run's job with the request's number, which is submitted unless it has been already.

    Raises CannotStart when AWS Batch refuses it, CloudError when it cannot be asked.
    """
    if not record.ask_job(request):
        request = next(one for one in record.job_requests() if one.number == request.number)
        found = _wait_for_other(record, batch, request)
        if found:
            return found
    return _submit(record, batch, request, store)


def _wait_for_other(record: RunRecord, batch: Any, request: JobRequest) -> str | None:
    """The answer to a request that was there before; None when its asker seems to be gone."""
    while True:
        found = record.job_id(request.number) or look_up(batch, request)
        if found:
            record.answer_job(request.number, found)
            return found
        if is_given_up(request):
            return None
        time.sleep(0.5)


def is_given_up(request: JobRequest) -> bool:
    """Whether whoever made a request that has no answer seems to be gone."""
    return now() - request.asked > timedelta(seconds=OTHERS_S)


def look_up(batch: Any, request: JobRequest) -> str | None:
    """The job of that name in its queue, whatever its state."""
    with explained(f"queue {request.queue}"):
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=request.queue, filters=[{"name": "JOB_NAME", "values": [request.name]}]
        )
        found = [job["jobId"] for page in pages for job in page["jobSummaryList"] if job["jobName"] == request.name]
    return found[0] if found else None


def _submit(record: RunRecord, batch: Any, request: JobRequest, store: str) -> str:
    job = call_for(batch, request, run=record.name, named=record.name, store=store)
    record.answer_job(request.number, job)
    return job


def call_for(batch: Any, request: JobRequest, *, run: str, named: str, store: str, size: int = 0) -> str:
    """Submit the job that was asked for, of an array of `size` if that is given; returns its ID.

    `run` is what its container is told to run, `named` what its tag says. Raises CannotStart, CloudError.
    """
    tags = {"project": "lammps-jobs", "stack": request.stack, "pool": request.pool, "run": _tag(named),
            "user": _tag(request.user or "unknown")}  # fmt: skip
    try:
        with explained(f"queue {request.queue}"):
            answer = batch.submit_job(
                jobName=request.name,
                jobQueue=request.queue,
                jobDefinition=request.definition,
                shareIdentifier=_share(request.user),
                schedulingPriorityOverride=1,
                parameters={"run": run, "store": store},
                tags=tags,
                propagateTags=True,
                **({"arrayProperties": {"size": size}} if size else {}),
                **({"dependsOn": [{"jobId": job} for job in request.depends_on]} if request.depends_on else {}),
            )
    except CloudError as error:
        if "ClientException" in error.what:
            raise CannotStart(f"AWS Batch does not take the job. {error.what}", where=error.where,
                              remedy="lammps-jobs doctor STACK says more.") from error  # fmt: skip
        raise
    return str(answer["jobId"])


def unique_name(run: str) -> str:
    """A job name that says which run it is, and that no other job has."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in run)[:100]
    return f"{plain}-{uuid.uuid4().hex[:12]}"


def _share(user: str) -> str:
    """The identifier that the fair share is between: letters and digits only (SubmitJob, shareIdentifier)."""
    return "".join(letter for letter in user if letter.isascii() and letter.isalnum())[:200] or "anybody"


def _tag(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in " +-=._:/@" else "_" for letter in text)[:256]
