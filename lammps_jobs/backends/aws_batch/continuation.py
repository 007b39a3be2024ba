"""How a run goes on beyond its AWS Batch job: by another one, which its last attempt submits.

AWS Batch retries a job nine times at most, and always in the same queue. A run that needs more, or whose Spot
machines go before they come to a checkpoint, gets its next job from here: submitted exactly once like every job
(`submission.submit_once`), and permitted to the job's role for the pool's own queues and definitions only.
"""

from __future__ import annotations

from lammps_jobs.backends.aws_batch import submission
from lammps_jobs.record.documents import JobRequest
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment

STANDSTILL = 3
"""Attempts in a row without a new checkpoint after which the fall-back pool takes over."""


def is_stuck(store: RunRecord, environment: JobEnvironment) -> bool:
    """Whether the fall-back pool, which keeps its machines, should take over."""
    return bool(environment.fallback) and standstill(store) >= STANDSTILL


def standstill(store: RunRecord) -> int:
    """How many of the newest attempts lost their machines without a checkpoint of their own."""
    seqs = store.checkpoint_seqs()
    newest = store.manifest(seqs[-1]) if seqs else None
    since = range((newest.attempt if newest else 0) + 1, store.newest_attempt() + 1)
    ends = (store.ended(number) for number in since)
    return sum(end is None or end.outcome == "interrupted" for end in ends)


def submit_next(
    store: RunRecord, url: str, environment: JobEnvironment, *, depends_on: tuple[str, ...] = ()
) -> JobRequest | None:
    """Submit the job that goes on where this one ends, and when those have succeeded on which it depends; None when
    somebody has asked for it already.

    Raises CannotStart and CloudError as `submission.submit_once` does.
    """
    requests = store.job_requests()
    mine = next((one for one in requests if store.job_id(one.number) == environment.job), None)
    if mine is None or mine.number < len(requests):
        return None
    from lammps_jobs.backends.aws_batch.client import client

    to = _fallback_of(mine, environment) if is_stuck(store, environment) else {}
    fresh = {"number": mine.number + 1, "name": submission.unique_name(store.name), "by": "continuation",
             "depends_on": depends_on}  # fmt: skip
    request = JobRequest.model_validate(mine.model_dump(exclude={"asked"}) | to | fresh)
    job = submission.submit_once(store, client("batch"), url, request)
    store.tell_of(lambda seen: seen.model_copy(update={"job": job}), may_remove=True)
    return request


def _fallback_of(mine: JobRequest, environment: JobEnvironment) -> dict[str, str]:
    """The other pool: its queue and definition bear its name, as the stack names them."""
    name = environment.fallback
    return {
        "pool": name.rpartition(f"{environment.stack}-")[2],
        "queue": f"{mine.queue.rpartition('/')[0]}/{name}",
        "definition": f"{mine.definition.rpartition('/')[0]}/{name}",
    }
