"""Checks of this machine and of a stack: each says whether runs can run there, and what to do where they cannot."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from lammps_jobs.backends.aws_batch import checklist
from lammps_jobs.backends.aws_batch.client import client, explained
from lammps_jobs.backends.aws_batch.contract import PoolOutputs, StackOutputs, load
from lammps_jobs.backends.aws_batch.pending import BY_UP, OR_CLOSED
from lammps_jobs.errors import CannotStart, CloudError, LammpsJobsError, NotInstalled, StackError, StoreError
from lammps_jobs.record.documents import now

SKEW_S = 300.0
"""Clock difference from which on AWS refuses signed requests (Signature Version 4: five minutes)."""
LEAST_FREE_GIB = 1.0
NO_SUCH_REVISION = 2**31 - 1
"""Revision of a job definition that no account reaches: SubmitJob with it shows who may submit, and submits nothing."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check: what was found, and if that is not as it should be, where and what to do."""

    check: str
    is_well: bool
    what: str
    where: str = ""
    remedy: str = ""


def _tried(check: str, look: Callable[[], str]) -> Finding:
    """The finding of a check that returns what it found, or raises the error to report."""
    try:
        return Finding(check, True, look())
    except LammpsJobsError as error:
        return Finding(check, False, error.what, error.where, error.remedy)


# -- this machine --------------------------------------------------------------------------------------


def machine(store: str) -> Iterator[Finding]:
    """Check LAMMPS, MPI and the store at `store`, which the local backend needs."""
    yield _tried("LAMMPS", _lammps)
    from lammps_jobs.supervisor.engine_process import mpirun

    yield _tried("MPI", mpirun)
    yield _tried("store", lambda: _store(store))


def _lammps() -> str:
    """The version of LAMMPS, which is loaded in another process, since a broken one may take its process with it."""
    command = [sys.executable, "-m", "lammps_jobs.engine", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise NotInstalled(last, remedy='pip install "lammps-jobs[local]"')
    return done.stdout.strip()


def _store(url: str) -> str:
    if "://" in url:
        from lammps_jobs.record.object_store import open_root
        from lammps_jobs.record.run_record import run_names

        return f"{url}, {len(run_names(open_root(url)))} runs"
    folder = Path(url).expanduser()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < LEAST_FREE_GIB:
        raise StoreError(
            f"Only {free:.1f} GiB are free.", where=str(folder), remedy="Free some space, or name a --store."
        )
    return f"{folder}, {free:.0f} GiB free"


# -- a stack -------------------------------------------------------------------------------------------


def stack(name: str, region: str | None = None) -> Iterator[Finding]:
    """Check all that a submission to the stack needs; ends early where nothing further can be found out."""
    try:
        outputs = load(name, region)
    except LammpsJobsError as error:
        yield Finding("stack outputs", False, error.what, error.where, error.remedy)
        return
    yield Finding("stack outputs", True, f"{outputs.stack} in {outputs.region}, {len(outputs.pools)} pools")
    checks = _Stack(outputs)
    who = _tried("credentials", checks.credentials)
    yield who
    if not who.is_well:
        return
    yield _tried("clock", checks.clock)
    yield _tried("bucket, reading", checks.reading)
    yield _tried("bucket, writing", checks.writing)
    yield _tried("logs", checks.logs)
    yield _tried("jobs", checks.jobs)
    for pool_name, pool in outputs.pools.items():
        for check, look in {
            "queue": checks.queue, "machines": checks.environments, "job definition": checks.definition,
            "submitting": checks.submitting, "image": checks.image, "quota": checks.quota,
        }.items():  # fmt: skip
            yield _tried(f"{pool_name}: {check}", partial(look, pool))


def production(name: str, region: str | None = None) -> Iterator[Finding]:
    """Check what is to be so before a group's work depends on the stack; for those who deploy it."""
    try:
        outputs = load(name, region)
    except LammpsJobsError as error:
        yield Finding("stack outputs", False, error.what, error.where, error.remedy)
        return
    for line, look in checklist.checks(outputs).items():
        yield _tried(line, look)


class _Stack:
    """The checks of a stack: each returns what it found, and raises the error that a submission would meet."""

    def __init__(self, outputs: StackOutputs) -> None:
        self.outputs = outputs
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = client(service, self.outputs.region)
        return self._clients[service]

    @cached_property
    def _identity(self) -> tuple[dict[str, Any], float]:
        """The caller as AWS knows it, and how many seconds this machine's clock is ahead of that of AWS."""
        with explained("the AWS account"):
            answer = self._client("sts").get_caller_identity()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        return answer, (now() - parsedate_to_datetime(date)).total_seconds() if date else 0.0

    def credentials(self) -> str:
        who, _ = self._identity
        if who["Account"] != self.outputs.account:
            raise CloudError(f"You are logged in to account {who['Account']}; the stack is in {self.outputs.account}.",
                             remedy="Set AWS_PROFILE to one of the stack's account.")  # fmt: skip
        return str(who["Arn"])

    def clock(self) -> str:
        _, ahead = self._identity
        if abs(ahead) > SKEW_S:
            raise CloudError(f"This machine's clock is {ahead:+.0f} s off: AWS refuses what it signs.",
                             remedy="Set the clock (timedatectl set-ntp true).")  # fmt: skip
        return f"{ahead:+.0f} s"

    def reading(self) -> str:
        with explained(self.outputs.store):
            self._client("s3").list_objects_v2(Bucket=self.outputs.bucket, Prefix="runs/", Delimiter="/", MaxKeys=1)
        return self.outputs.store

    def writing(self) -> str:
        """Begin an upload and call it off: that needs the same permission, and leaves nothing."""
        at = {"Bucket": self.outputs.bucket, "Key": "runs/doctor"}
        with explained(self.outputs.store):
            upload = self._client("s3").create_multipart_upload(**at)["UploadId"]
            self._client("s3").abort_multipart_upload(**at, UploadId=upload)
        return self.outputs.store

    def logs(self) -> str:
        group = self.outputs.log_group
        with explained(group):
            self._client("logs").filter_log_events(
                logGroupName=group, limit=1, startTime=int((time.time() - 60) * 1000)
            )
        return group

    def jobs(self) -> str:
        """Describe a job that does not exist, and list those there are."""
        with explained("AWS Batch"):
            self._client("batch").describe_jobs(jobs=["doctor"])
            for pool in self.outputs.pools.values():
                self._client("batch").list_jobs(jobQueue=pool.queue, maxResults=1)
        return "can be looked at"

    def queue(self, pool: PoolOutputs) -> str:
        with explained(pool.queue):
            queues = self._client("batch").describe_job_queues(jobQueues=[pool.queue])["jobQueues"]
        if not queues:
            raise StackError("The job queue does not exist.", where=pool.queue, remedy=BY_UP)
        return _working("job queue", queues[0], pool.queue)

    def environments(self, pool: PoolOutputs) -> str:
        with explained("compute environments"):
            environments = self._client("batch").describe_compute_environments(
                computeEnvironments=list(pool.environments)
            )["computeEnvironments"]
        if len(environments) < len(pool.environments):
            raise StackError("A compute environment does not exist.", where=", ".join(pool.environments), remedy=BY_UP)
        for environment in environments:
            _working("compute environment", environment, environment["computeEnvironmentArn"])
        return f"{len(environments)} compute environment{'s'[: len(environments) > 1]}, enabled and valid"

    def definition(self, pool: PoolOutputs) -> str:
        with explained(pool.definition):
            definitions = self._client("batch").describe_job_definitions(jobDefinitions=[pool.definition])[
                "jobDefinitions"
            ]
        if not definitions or definitions[0]["status"] != "ACTIVE":
            raise CannotStart("The job definition is not active any more.", where=pool.definition, remedy=BY_UP)
        return f"revision {definitions[0]['revision']}"

    def submitting(self, pool: PoolOutputs) -> str:
        """Submit a job whose definition does not exist: AWS refuses a caller without permission before it sees that."""
        definition = f"{pool.definition.rpartition(':')[0]}:{NO_SUCH_REVISION}"
        try:
            with explained(pool.queue):
                self._client("batch").submit_job(
                    jobName="doctor", jobQueue=pool.queue, jobDefinition=definition, shareIdentifier="doctor"
                )
        except CloudError as error:
            if "ClientException" not in error.what:
                raise
        return "allowed"

    def image(self, pool: PoolOutputs) -> str:
        name, _, digest = pool.image.partition("@")
        if ".dkr.ecr." not in name or not digest:
            return f"{pool.image}, not in this account's registry: not looked up"
        account, repository = name.split(".")[0], name.partition("/")[2]
        try:
            with explained(name):
                details = self._client("ecr").describe_images(
                    registryId=account, repositoryName=repository, imageIds=[{"imageDigest": digest}]
                )["imageDetails"][0]
        except CloudError as error:
            if "NotFound" in error.what:
                raise CannotStart("The image is not in its repository.", where=pool.image, remedy=BY_UP) from None
            raise
        return f"{digest[:19]}, {details.get('imageSizeInBytes', 0) / 1e6:.0f} MB"

    def quota(self, pool: PoolOutputs) -> str:
        if not pool.quotas:
            raise StackError("The stack's outputs do not say which quotas count.", remedy="pulumi up with this version")
        ask = self._client("service-quotas").get_service_quota
        with explained("Service Quotas"):
            allowed = {code: ask(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"] for code in pool.quotas}
        least = min(allowed.values(), default=math.inf)
        if least < pool.vcpus:
            raise CannotStart(
                f"EC2 allows {least:g} vCPUs; one job needs {pool.vcpus}.", where=", ".join(allowed),
                remedy="Ask AWS for more (Service Quotas), or set quotas.request in the stack's config.",
            )  # fmt: skip
        used = f"{least:g} vCPUs of {pool.max_vcpus} that the pool may use"
        return used if least < pool.max_vcpus else f"{least:g} vCPUs, enough for all {pool.max_vcpus}"


def _working(kind: str, description: dict[str, Any], where: str) -> str:
    if description["state"] != "ENABLED":
        raise CannotStart(f"The {kind} is disabled.", where=where, remedy=OR_CLOSED)
    if description["status"] != "VALID":
        reason = description.get("statusReason", "")
        raise CannotStart(f"The {kind} is {description['status']}: {reason}", where=where, remedy=BY_UP)
    return "enabled and valid"
