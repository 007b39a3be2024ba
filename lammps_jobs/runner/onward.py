"""How a run goes on beyond its AWS Batch job: by another one, which its last attempt submits.

AWS Batch retries a job nine times at most, and always in the same queue. A run that needs more, or whose Spot
machines go before they come to a checkpoint, gets its next job from here: idempotent like every request
(`lammps_jobs.jobs`), and permitted to the job's role for the pool's own queues and definitions only.
"""

from __future__ import annotations

from lammps_jobs import jobs
from lammps_jobs.models import JobRequest
from lammps_jobs.runner.surroundings import Surroundings
from lammps_jobs.store import RunStore

LAST_ATTEMPT = 10
"""AWS Batch's limit: after it a job is not retried (SubmitJob, retryStrategy.attempts)."""
STANDSTILL = 3
"""Attempts in a row without a new checkpoint after which the fall-back pool takes over."""


def is_stuck(store: RunStore, around: Surroundings) -> bool:
    """Whether the fall-back pool, which keeps its machines, should take over."""
    return bool(around.fallback) and standstill(store) >= STANDSTILL


def standstill(store: RunStore) -> int:
    """How many of the newest attempts lost their machines without a checkpoint of their own."""
    seqs = store.checkpoint_seqs()
    newest = store.checkpoint(seqs[-1]) if seqs else None
    since = range((newest.attempt if newest else 0) + 1, store.newest_attempt() + 1)
    ends = (store.ended(number) for number in since)
    return sum(end is None or end.outcome == "interrupted" for end in ends)


def submit_next(store: RunStore, url: str, around: Surroundings) -> JobRequest | None:
    """Submit the job that goes on where this one ends; None when somebody has asked for it already.

    Raises CannotStart and CloudError as `jobs.ask` does.
    """
    requests = store.job_requests()
    mine = next((one for one in requests if store.job_id(one.number) == around.job), None)
    if mine is None or mine.number < len(requests):
        return None
    from lammps_jobs.aws import client

    to = _fallback_of(mine, around) if is_stuck(store, around) else {}
    fresh = {"number": mine.number + 1, "name": jobs.unique_name(store.name), "by": "continuation"}
    request = JobRequest.model_validate(mine.model_dump(exclude={"asked"}) | to | fresh)
    jobs.ask(store, client("batch"), url, request)
    return request


def _fallback_of(mine: JobRequest, around: Surroundings) -> dict[str, str]:
    """The other pool: its queue and definition bear its name, as the stack names them."""
    name = around.fallback
    return {
        "pool": name.rpartition(f"{around.stack}-")[2],
        "queue": f"{mine.queue.rpartition('/')[0]}/{name}",
        "definition": f"{mine.definition.rpartition('/')[0]}/{name}",
    }
