"""AWS Batch as it treats a container: attempts, retry rules, SIGTERM and SIGKILL, and machines that are reclaimed.

moto keeps queues, environments and definitions; this serves the calls about jobs beside it, on a port of its own,
and runs each attempt in a fresh container with a fresh metadata service. Rules as in AWS's user guide,
"Automated job retries".
"""

from __future__ import annotations

import fnmatch
import json
import shutil
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from emulator.containers import IMAGE, Podman
from emulator.endpoint import Endpoint
from emulator.patience import scaled
from emulator.servers import MetadataService, metadata

KILLED = 137
"""Exit code of a container that SIGKILL ended; one that ended by itself before its machine went has its own."""
NO_IMAGE = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
NOTICE_LEAD_S = 1.0
"""Seconds between a Spot notice and SIGTERM here (120 on AWS: nobody waits for that in a test)."""


@dataclass
class Machine:
    """One attempt's container and its metadata service."""

    container: str
    metadata: MetadataService
    lost: str = ""


@dataclass
class Job:
    job_id: str
    name: str
    queue: str
    definition: dict[str, Any]
    parameters: dict[str, str]
    tags: dict[str, str]
    status: str = "SUBMITTED"
    reason: str = ""
    attempts: list[dict[str, Any]] = field(default_factory=list)
    machine: Machine | None = None
    terminated: str = ""
    stream: str = ""
    instance: str = ""
    hold: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def described(self) -> dict[str, Any]:
        container = {"image": self.definition["containerProperties"]["image"], "logStreamName": self.stream}
        if self.status == "RUNNING":
            container |= {"containerInstanceArn": self.instance, "taskArn": f"{self.instance}-task"}
        if self.attempts and self.status in ("SUCCEEDED", "FAILED"):
            container |= self.attempts[-1]["container"]
        return {
            "jobId": self.job_id, "jobName": self.name, "jobQueue": self.queue, "status": self.status,
            "statusReason": self.reason, "attempts": self.attempts, "container": container, "tags": self.tags,
            "jobDefinition": self.definition["jobDefinitionArn"], "parameters": self.parameters,
            "createdAt": 0, "startedAt": 0, "isTerminated": bool(self.terminated),
        }  # fmt: skip


class Cloud:
    """What is behind AWS's doors: jobs, machines, and the power to take machines away."""

    def __init__(self, endpoint: Endpoint, region: str, podman: Podman, environment: dict[str, str]) -> None:
        self.endpoint, self.region, self.podman, self.environment = endpoint, region, podman, environment
        self.moto_url = endpoint.moto_url
        self.jobs: dict[str, Job] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[tuple[str, int, str]] = []
        """Answers to give instead, once each: (operation, HTTP status, error code)."""
        self.first_attempt = 1
        """Number of a job's first attempt, to come to the last ones sooner."""
        self.has_metadata = True
        self.broken_image = False
        self.capacity = threading.Event()
        self.capacity.set()
        self._logs = self._client("logs")
        self._lock = threading.Lock()
        self._scratch = Path(tempfile.mkdtemp(prefix="lammps-jobs-cloud-"))
        self._threads: list[threading.Thread] = []

    def _client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.moto_url, region_name=self.region, aws_access_key_id="test",
                            aws_secret_access_key="test")  # fmt: skip

    # -- the API ---------------------------------------------------------------------------------

    def answer(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
        """(HTTP status, body, error code) for a call about jobs."""
        with self._lock:
            self.calls.append((operation, asked))
            for fault in self.faults:
                if fault[0] == operation:
                    self.faults.remove(fault)
                    return fault[1], {"message": "injected"}, fault[2]
        try:
            return 200, getattr(self, f"_{operation}")(asked), ""
        except (LookupError, ValueError) as error:
            return 400, {"message": str(error)}, "ClientException"

    def _submitjob(self, asked: dict[str, Any]) -> dict[str, Any]:
        batch = self._client("batch")
        queues = batch.describe_job_queues(jobQueues=[asked["jobQueue"]])["jobQueues"]
        if not queues:
            raise LookupError(f"JobQueue {asked['jobQueue']} not found")
        if queues[0]["state"] != "ENABLED":
            raise ValueError(f"JobQueue {asked['jobQueue']} is DISABLED")
        if queues[0].get("schedulingPolicyArn") and not asked.get("shareIdentifier"):
            raise ValueError("shareIdentifier must be specified: the queue has a scheduling policy")
        wanted = asked["jobDefinition"]
        by_name = {"jobDefinitionName": wanted.rpartition("/")[2], "status": "ACTIVE"}
        exact = ":" in wanted.rpartition("/")[2]
        found = batch.describe_job_definitions(**({"jobDefinitions": [wanted]} if exact else by_name))["jobDefinitions"]
        found = [one for one in found if one["status"] == "ACTIVE"]
        if not found:
            raise LookupError(f"JobDefinition {wanted} does not exist or is not ACTIVE")
        definition = max(found, key=lambda one: one["revision"])
        parameters = {**definition.get("parameters", {}), **asked.get("parameters", {})}
        queue = queues[0]["jobQueueArn"]
        job = Job(str(uuid.uuid4()), asked["jobName"], queue, definition, parameters, asked.get("tags", {}))
        with self._lock:
            self.jobs[job.job_id] = job
        thread = threading.Thread(target=self._live, args=(job,), daemon=True, name=f"job-{job.name}")
        self._threads.append(thread)
        thread.start()
        return {"jobId": job.job_id, "jobName": job.name}

    def _describejobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        if len(asked["jobs"]) > 100:
            raise ValueError("DescribeJobs takes 100 jobs at most")
        return {"jobs": [self.jobs[one].described() for one in asked["jobs"] if one in self.jobs]}

    def _listjobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        names = next((one["values"] for one in asked.get("filters", []) if one["name"] == "JOB_NAME"), ["*"])
        found = [job for job in self.jobs.values() if any(fnmatch.fnmatch(job.name, name) for name in names)]
        return {"jobSummaryList": [{"jobId": job.job_id, "jobName": job.name, "status": job.status} for job in found]}

    def _terminatejob(self, asked: dict[str, Any]) -> dict[str, Any]:
        job = self.jobs[asked["jobId"]]
        job.terminated = asked["reason"]
        job.hold.set()
        if job.machine:
            threading.Thread(target=self._stop, args=(job.machine,), daemon=True).start()
        return {}

    _canceljob = _terminatejob

    # -- a job's life ------------------------------------------------------------------------------

    def _live(self, job: Job) -> None:
        """Attempt after attempt, until the retry rules say that it is enough."""
        strategy = job.definition.get("retryStrategy", {})
        try:
            while True:
                job.status = "RUNNABLE"
                while not self.capacity.wait(0.5) and not job.terminated:
                    pass
                if job.terminated:
                    job.status, job.reason = "FAILED", job.terminated
                    return
                if self.broken_image:
                    self._no_image(job)
                    if decide(strategy, len(job.attempts), "", job.reason, NO_IMAGE) and not job.terminated:
                        continue
                    job.status = "FAILED"
                    return
                code, lost = self._attempt(job, len(job.attempts) + self.first_attempt)
                status_reason = job.terminated or lost or "Essential container in task exited"
                said = {"exitCode": code} if not lost else {"reason": "Task failed to run"}
                job.attempts.append({"container": {**said, "logStreamName": job.stream}, "statusReason": status_reason})
                job.reason = status_reason
                if code == 0 and not lost:
                    job.status = "SUCCEEDED"
                    return
                number = len(job.attempts) + self.first_attempt - 1
                again = decide(strategy, number, "" if lost else str(code), status_reason)
                if job.terminated or not again:
                    job.status = "FAILED"
                    return
        finally:
            job.over.set()

    def _no_image(self, job: Job) -> None:
        job.reason = "Task failed to start"
        job.attempts.append({"container": {"reason": NO_IMAGE}, "statusReason": job.reason})

    def _attempt(self, job: Job, number: int) -> tuple[int, str]:
        """Run one container to its end: its exit code, and why its machine was lost if it was."""
        job.status = "STARTING"
        properties = job.definition["containerProperties"]
        job.instance = job.instance or self._machine()
        scratch = self._scratch / f"{job.job_id}-{number}"
        scratch.mkdir()
        scratch.chmod(0o1777)
        with metadata() as service:
            machine = Machine(f"lammps-jobs-{job.job_id[:8]}-{number}", service)
            told = {
                **{one["name"]: one["value"] for one in properties["environment"]},
                "AWS_BATCH_JOB_ID": job.job_id, "AWS_BATCH_JOB_ATTEMPT": str(number),
                "AWS_BATCH_JQ_NAME": job.queue.rpartition("/")[2],
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.url if self.has_metadata else "http://127.0.0.1:9",
                "LAMMPS_JOBS_NOTICE_EVERY_S": "0.2", **self.environment,
            }  # fmt: skip
            command = [job.parameters.get(word.removeprefix("Ref::"), word) if word.startswith("Ref::") else word
                       for word in properties["command"]]  # fmt: skip
            mounts = [f"{scratch}:{one['containerPath']}" for one in properties["mountPoints"]]
            shm = f"{properties['linuxParameters']['sharedMemorySize']}m"
            arguments = ["run", "--name", machine.container, "--network", "host", "--init",
                         "--user", properties["user"], "--shm-size", shm,
                         *(["--read-only"] if properties["readonlyRootFilesystem"] else []),
                         *(word for mount in mounts for word in ("--volume", mount)),
                         *(word for key, value in told.items() for word in ("--env", f"{key}={value}")),
                         IMAGE, *command]  # fmt: skip
            job.stream = (
                f"{properties['logConfiguration']['options']['awslogs-stream-prefix']}/default/{uuid.uuid4().hex}"
            )
            output = scratch.with_suffix(".log")
            with output.open("wb") as out:
                shipper = _Shipper(
                    self._logs, properties["logConfiguration"]["options"]["awslogs-group"], job.stream, output
                )
                process = self.podman.popen(*arguments, stdout=out, stderr=out)
                job.machine, job.status = machine, "RUNNING"
                code = self.podman.end_of(machine.container, process)
            shipper.close()
            job.machine = None
        shutil.rmtree(scratch, ignore_errors=True)
        return code, machine.lost if code == KILLED else ""

    def _machine(self) -> str:
        """ARN of a container instance, as ECS and EC2 know it."""
        ecs, ec2 = self._client("ecs"), self._client("ec2")
        ecs.create_cluster(clusterName="AWSBatch-lammps-jobs")
        ami = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        made = ec2.run_instances(ImageId=ami, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        document = {"instanceId": made, "accountId": "123456789012", "region": self.region}
        return str(ecs.register_container_instance(
            cluster="AWSBatch-lammps-jobs", instanceIdentityDocument=json.dumps(document)
        )["containerInstance"]["containerInstanceArn"])  # fmt: skip

    def _stop(self, machine: Machine, within_s: int = 110) -> None:
        self.podman("stop", "--time", str(within_s), machine.container, check=False, timeout_s=within_s + 30)

    # -- machines that go --------------------------------------------------------------------------

    def reclaim(self, job: Job, *, notice: bool, deadline_s: int = 30) -> None:
        """Take the machine of a running job away: just so, or with a Spot notice, SIGTERM and then SIGKILL."""
        machine = job.machine
        assert machine, f"{job.name} does not run"
        machine.lost = "Host EC2 (instance i-0123456789abcdef0) terminated."
        if notice:
            machine.metadata.notice.set()
            time.sleep(NOTICE_LEAD_S)
            self._stop(machine, deadline_s)
        else:
            self.podman("kill", "--signal", "KILL", machine.container, check=False)

    def running(self, timeout_s: float = 60) -> Job:
        """The job whose container runs; waits for one."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for job in list(self.jobs.values()):
                if job.machine and job.status == "RUNNING":
                    return job
            time.sleep(0.05)
        raise TimeoutError(f"no job runs: {[(job.name, job.status, job.reason) for job in self.jobs.values()]}")

    def close(self) -> None:
        for job in self.jobs.values():
            job.terminated = job.terminated or "the cloud is closed"
            if job.machine:
                self.podman("kill", "--signal", "KILL", job.machine.container, check=False)
        for thread in self._threads:
            thread.join(scaled(20))
        shutil.rmtree(self._scratch, ignore_errors=True)


def decide(strategy: dict[str, Any], attempts: int, exit_code: str, status_reason: str, reason: str = "") -> bool:
    """Whether AWS Batch retries: the first rule of which all conditions fit decides; without one it does."""
    if attempts >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit", []):
        told = {"onExitCode": exit_code, "onStatusReason": status_reason, "onReason": reason}
        if all(fnmatch.fnmatchcase(told[key], pattern) for key, pattern in rule.items() if key in told):
            return str(rule["action"]).upper() == "RETRY"
    return True


class _Shipper:
    """Brings a container's output to CloudWatch Logs, as the awslogs driver does."""

    def __init__(self, logs: Any, group: str, stream: str, file: Path) -> None:
        self._logs, self._group, self._stream, self._file = logs, group, stream, file
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ship, daemon=True)
        self._thread.start()

    def _ship(self) -> None:
        read = 0
        while True:
            last = self._over.is_set()
            lines = self._file.read_bytes()[read:].split(b"\n")
            whole = lines[:-1]
            read += sum(len(line) + 1 for line in whole)
            events = [
                {"timestamp": int(time.time() * 1000), "message": line.decode(errors="replace") or " "}
                for line in whole
            ]
            for start in range(0, len(events), 1000):
                self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream,
                                          logEvents=events[start : start + 1000])  # fmt: skip
            if last:
                return
            self._over.wait(0.3)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)
