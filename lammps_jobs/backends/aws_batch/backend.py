"""The batch backend: attempts are AWS Batch jobs on a stack's pools."""

from __future__ import annotations

import contextlib
import getpass
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lammps_jobs.backends.after import standing
from lammps_jobs.backends.aws_batch import arrays, following, prices, submission
from lammps_jobs.backends.aws_batch.client import client, explained
from lammps_jobs.backends.aws_batch.contract import PoolOutputs, StackOutputs, load
from lammps_jobs.backends.aws_batch.pending import why_not_yet
from lammps_jobs.backends.aws_batch.shell import command_for
from lammps_jobs.backends.base import AT_ONCE, Address, JobStatus, Price, Site
from lammps_jobs.errors import CloudError, UsageError, WrongState
from lammps_jobs.record.documents import FULL_LOG, JobRequest
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord

PER_CALL = 100
"""Jobs that one DescribeJobs call takes."""
FRESH_S = 1.0
"""How long an answer of AWS Batch is believed."""
NOT_YET = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")
OVER = ("SUCCEEDED", "FAILED")


def site(address: Address) -> Site:
    """The stack `address.place`, with its own store. Raises StackError for an unknown stack or pool."""
    if address.store:
        raise UsageError(f"The stack {address.place!r} has its own store.", remedy="Leave store (--store) out.")
    outputs = load(address.place, address.region)
    return Site(BatchBackend(outputs, address.pool), outputs.store, outputs.region)


class BatchBackend:
    """Submits to the pool `pool` of a stack and asks AWS Batch about its jobs."""

    def __init__(self, outputs: StackOutputs, pool: str = "") -> None:
        self.outputs = outputs
        self.pool_name = pool or outputs.default_pool
        self.pool: PoolOutputs = outputs.pool(self.pool_name)
        self._clients: dict[str, Any] = {}
        self._seen: dict[str, tuple[float, dict[str, Any]]] = {}
        self._known: dict[str, tuple[JobRequest | None, str]] = {}
        self._asking = threading.Lock()
        self._queues: dict[str, tuple[float, tuple[dict[str, Any] | None, list[dict[str, Any]]]]] = {}
        self._believed_s = FRESH_S

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(service, self.outputs.region)
        return self._clients[service]

    def is_elsewhere(self) -> bool:
        return True

    @property
    def topic(self) -> str:
        """The stack's own topic for the ends of runs."""
        return self.outputs.topic

    # -- starting ----------------------------------------------------------------------------------

    def start(self, record: RunRecord, *, depends_on: tuple[str, ...] = ()) -> None:
        """Submit the run's next job, unless one is on its way: crashes in between neither lose nor double it."""
        requests = record.job_requests()
        number = len(requests)
        if not requests or (record.job_id(number) and self._is_over(record)):
            number += 1
        request = self._request(number, record.name, depends_on)
        job = submission.submit_once(record, self._client("batch"), self.outputs.store, request)
        record.tell_of(lambda seen: seen.model_copy(update={"job": job}))

    def _request(self, number: int, named: str, depends_on: tuple[str, ...] = ()) -> JobRequest:
        return JobRequest(
            number=number, name=submission.unique_name(named), stack=self.outputs.stack, pool=self.pool_name,
            queue=self.pool.queue, definition=self.pool.definition, user=getpass.getuser(), depends_on=depends_on,
        )  # fmt: skip

    def start_after(self, record: RunRecord) -> None:
        """Submit its job at once, one that depends on theirs."""
        self.start(record, depends_on=following.jobs_before(record.root, record.submission().after))

    def look_after(self, record: RunRecord) -> None:
        """Nothing: AWS Batch does."""

    def start_if_room(self, record: RunRecord, *, again: bool = False) -> bool:
        """Always: the queue of AWS Batch waits for machines. A run whose job is in it already needs no other."""
        if again or not record.job_requests():
            self.start(record)
        return True

    def in_background(self, sweep: str) -> None:
        """Nothing: all its jobs are in the queue."""

    # -- sweeps: array jobs --------------------------------------------------------------------------

    def starts_together(self) -> bool:
        return True

    def start_together(self, sweep: SweepRecord, runs: Sequence[str]) -> None:
        """Submit arrays of ten thousand jobs; of runs that follow others, arrays that depend on those."""
        follows = sweep.following()
        for after in dict.fromkeys(follows.get(run, ()) for run in runs) or [()]:  # arrays without an answer get one
            before = following.jobs_before(sweep.root, after)
            arrays.start(sweep, [run for run in runs if follows.get(run, ()) == after], self._client("batch"),
                         self.outputs.store, partial(self._request, depends_on=before))  # fmt: skip

    def of_those_together(self, sweep: SweepRecord) -> Mapping[str, JobStatus]:
        return arrays.statuses(sweep, self._client("batch"), self._job)

    def cancel_together(self, sweep: SweepRecord) -> None:
        arrays.cancel(sweep, self._client("batch"))

    # -- looking -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def prefetch(self, records: Sequence[RunRecord]) -> Iterator[None]:
        """Describe the newest jobs of all these runs, a hundred a call, and believe it meanwhile."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            self._known = dict(zip((record.name for record in records), pool.map(self._newest, records), strict=True))
        wanted = [job_id for _, job_id in self._known.values() if job_id]
        for start in range(0, len(wanted), PER_CALL):
            self._describe(wanted[start : start + PER_CALL])
        self._believed_s = math.inf
        try:
            yield
        finally:
            self._believed_s, self._known = FRESH_S, {}

    def _newest(self, record: RunRecord) -> tuple[JobRequest | None, str]:
        """`RunRecord.newest_job`, or what is known of it."""
        if record.name in self._known:
            return self._known[record.name]
        return record.newest_job()

    def _describe(self, job_ids: list[str]) -> None:
        with explained("AWS Batch"):
            answer = self._client("batch").describe_jobs(jobs=job_ids)["jobs"]
        self._seen.update({job["jobId"]: (time.monotonic(), job) for job in answer})

    def job(self, record: RunRecord) -> dict[str, Any] | None:
        """What AWS Batch says of the newest job; None when there is none, or it was forgotten (after a week)."""
        return self._job(self._newest(record)[1])

    def _job(self, job_id: str) -> dict[str, Any] | None:
        if not job_id:
            return None
        if self._is_stale(self._seen.get(job_id)):
            self._describe([job_id])
        return self._seen.get(job_id, (0.0, None))[1]

    def _is_stale(self, seen: tuple[float, Any] | None) -> bool:
        return seen is None or time.monotonic() - seen[0] > self._believed_s

    def _is_over(self, record: RunRecord) -> bool:
        job = self.job(record)
        return job is None or job["status"] in OVER

    def status(self, record: RunRecord) -> JobStatus:
        request, job_id = self._newest(record)
        is_new = request is None and not job_id and record.is_submitted() and not record.newest_attempt()
        if is_new or (request and not job_id and not submission.is_given_up(request)):
            return JobStatus("pending", "Its job is being submitted.")
        job = self._job(job_id)
        if job is None or job["status"] in OVER:
            return JobStatus("gone", self._why_gone(record, job) if job else "")
        if job["status"] in NOT_YET:
            reason, remedy = why_not_yet(job, *self._queue(job["jobQueue"]))
            return JobStatus("pending", reason, remedy)
        newest = record.attempt(record.newest_attempt())
        if newest and newest.job == job["jobId"] and not record.ended(newest.number):
            return JobStatus("running" if newest.job_attempt > len(job.get("attempts", [])) else "pending")
        return JobStatus("pending", "The container is starting.")

    @staticmethod
    def _why_gone(record: RunRecord, job: dict[str, Any]) -> str:
        """Of a job that failed because another one did, what became of the run before it."""
        is_of_another = "ependent" in job.get("statusReason", "") and not job.get("attempts")
        return (standing(record).never if is_of_another else "") or _why(job)

    def _queue(self, arn: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """A job queue (None when it is gone), and the compute environments behind it."""
        with self._asking:
            if self._is_stale(self._queues.get(arn)):
                with explained(f"queue {arn}"):
                    batch = self._client("batch")
                    queues = batch.describe_job_queues(jobQueues=[arn])["jobQueues"]
                    names = [one["computeEnvironment"] for queue in queues for one in queue["computeEnvironmentOrder"]]
                    behind = batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
                self._queues[arn] = (time.monotonic(), (queues[0] if queues else None, behind))
            return self._queues[arn][1]

    def prices(self) -> Mapping[str, Price | None]:
        """By the dated table of list prices, and what $LAMMPS_JOBS_PRICES adds to it."""
        known = prices.here()
        return {name: prices.price_of(pool, self.outputs.region, known) for name, pool in self.outputs.pools.items()}

    # -- logs --------------------------------------------------------------------------------------

    def tail(self, record: RunRecord, name: str, start: int = 0) -> bytes:
        """The log so far from CloudWatch, of the attempt that runs; nothing for other files."""
        job = self.job(record)
        stream = (job or {}).get("container", {}).get("logStreamName")
        if name != FULL_LOG or not stream or not job or job["status"] != "RUNNING":
            return b""
        return "".join(f"{line}\n" for line in self.lines(stream) if is_of_lammps(line)).encode()[start:]

    def lines(self, stream: str) -> list[str]:
        """All lines of a log stream; none while it does not exist."""
        logs, found = self._client("logs"), list[str]()
        token: str | None = None
        try:
            with explained(f"log stream {stream}"):
                while True:
                    more: dict[str, str] = {"nextToken": token} if token else {}
                    page = logs.get_log_events(
                        logGroupName=self.outputs.log_group, logStreamName=stream, startFromHead=True, **more
                    )
                    found += [event["message"] for event in page["events"]]
                    if page.get("nextForwardToken") in (None, token):
                        return found
                    token = page["nextForwardToken"]
        except CloudError as error:
            if "ResourceNotFound" in error.what:
                return []
            raise

    def shell(self, record: RunRecord) -> list[str]:
        """A shell on the machine of the job that runs, as the stack's `access` allows."""
        return command_for(self.outputs, self.job(record))

    # -- acting ------------------------------------------------------------------------------------

    def interrupt(self, record: RunRecord) -> None:
        """Terminate the job: AWS Batch sends SIGTERM, and the attempt has its grace time for a checkpoint."""
        self._terminate(record, "interrupted by its user")

    def kill(self, record: RunRecord) -> None:
        raise WrongState("A machine of AWS cannot be taken away from here.",
                         remedy=f"lammps-jobs interrupt {record.name}")  # fmt: skip

    def salvage(self, record: RunRecord) -> None:
        """Nothing: what a lost machine had went with it."""

    def settle(self, record: RunRecord, timeout_s: float) -> bool:
        """Wait until the newest job is over; its machine is AWS's to clean."""
        end = time.monotonic() + timeout_s
        while not self._is_over(record):
            if time.monotonic() > end:
                return False
            time.sleep(FRESH_S)
        return True

    def _terminate(self, record: RunRecord, reason: str) -> None:
        _, job_id = self._newest(record)
        if job_id:
            with explained(f"job {job_id}"):
                self._client("batch").terminate_job(jobId=job_id, reason=reason)
            self._seen.pop(job_id, None)


OURS = "lammps-jobs: "
"""How lines of the attempt's own begin in its log stream; metrics are JSON; all else is LAMMPS's log."""


def is_of_lammps(line: str) -> bool:
    return not line.startswith((OURS, '{"_aws"'))


def _why(job: dict[str, Any]) -> str:
    container = job.get("container", {})
    said = ". ".join(text for text in (job.get("statusReason"), container.get("reason")) if text)
    code = container.get("exitCode")
    return f"{said} (exit code {code})" if code else said
