"""AWS Batch as it treats a container: attempts, retry rules, SIGTERM and SIGKILL, and machines that are reclaimed.

moto keeps queues, environments and definitions; this serves the calls about jobs beside it, on a port of its own,
and runs each attempt in a fresh container on a fresh machine: metadata that it cannot reach, the service that reads
them for it, and a volume of its own. Rules as in AWS's user guide, "Automated job retries".
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import shutil
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from emulator.containers import IMAGE, Podman
from emulator.endpoint import Endpoint
from emulator.logs import Shipper
from emulator.patience import scaled
from emulator.servers import MetadataService, metadata, noticing
from lammps_jobs.supervisor.environment import Variable

KILLED = 137
"""Exit code of a container that SIGKILL ended; one that ended by itself before its machine went has its own."""
NO_IMAGE = "CannotPullContainerError: pull image manifest has been retried 5 time(s): not found"
MOST_CHILDREN, PER_PAGE = 10_000, 100
MACHINES = 2
"""Jobs of an array that run at one time here."""
NOBODY = "http://127.0.0.1:9"
"""Where no metadata service answers."""
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
    depends_on: tuple[str, ...] = ()
    stream: str = ""
    instance: str = ""
    hold: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    index: int | None = None
    """Of a job of an array: which."""
    children: dict[int, Job] = field(default_factory=dict)
    """Of an array: those that somebody has asked about, or that began."""
    size: int = 0
    """Of an array: how many."""

    def child(self, index: int) -> Job:
        """A job of this array, which is made when it is first spoken of: most of ten thousand only wait."""
        if index not in self.children:
            made = Job(f"{self.job_id}:{index}", self.name, self.queue, self.definition, self.parameters, self.tags,
                       status=self.status if self.status == "FAILED" else "RUNNABLE", reason=self.reason,
                       terminated=self.terminated, index=index)  # fmt: skip
            self.children.setdefault(index, made)
        return self.children[index]

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs of the array are in which state."""
        rest = "FAILED" if self.status == "FAILED" else "RUNNABLE"
        found = Counter(child.status for child in list(self.children.values()))
        return dict(found + Counter({rest: self.size - len(self.children)}))

    def described(self) -> dict[str, Any]:
        array: dict[str, Any] = {"size": self.size, "statusSummary": self.counts} if self.size else {}
        if self.index is not None:
            array = {"index": self.index}
        container = {"image": self.definition["containerProperties"]["image"], "logStreamName": self.stream}
        if self.status == "RUNNING":
            container |= {"containerInstanceArn": self.instance, "taskArn": f"{self.instance}-task"}
        if self.attempts and self.status in ("SUCCEEDED", "FAILED"):
            container |= self.attempts[-1]["container"]
        return {
            "jobId": self.job_id, "jobName": self.name, "jobQueue": self.queue, "status": self.status,
            "statusReason": self.reason, "attempts": self.attempts, "container": container, "tags": self.tags,
            "jobDefinition": self.definition["jobDefinitionArn"], "parameters": self.parameters,
            "createdAt": 0, "startedAt": 0, "isTerminated": bool(self.terminated), "arrayProperties": array,
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
        size = asked.get("arrayProperties", {}).get("size", 0)
        if asked.get("arrayProperties") and not 2 <= size <= MOST_CHILDREN:
            raise ValueError(f"arrayProperties.size must be between 2 and {MOST_CHILDREN}: {size}")
        job = Job(str(uuid.uuid4()), asked["jobName"], queue, definition, parameters, asked.get("tags", {}), size=size)
        job.depends_on = tuple(one["jobId"] for one in asked.get("dependsOn", []))
        if missing := [one for one in job.depends_on if one not in self.jobs]:
            raise ValueError(f"Job ID {missing[0]} is not valid")
        if len(job.depends_on) > 20:
            raise ValueError("dependsOn takes 20 jobs at most")
        with self._lock:
            self.jobs[job.job_id] = job
        live = self._live_together if size else self._live
        thread = threading.Thread(target=live, args=(job,), daemon=True, name=f"job-{job.name}")
        self._threads.append(thread)
        thread.start()
        return {"jobId": job.job_id, "jobName": job.name}

    def _describejobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        if len(asked["jobs"]) > 100:
            raise ValueError("DescribeJobs takes 100 jobs at most")
        return {"jobs": [job.described() for one in asked["jobs"] if (job := self.job(one))]}

    def job(self, job_id: str) -> Job | None:
        """A job, or one of an array (`ARRAY:INDEX`)."""
        whole, _, index = job_id.partition(":")
        found = self.jobs.get(whole)
        return found.child(int(index)) if found and index and int(index) < found.size else found

    def _listjobs(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "arrayJobId" in asked:
            wanted = asked.get("jobStatus", "RUNNING")
            array = self.jobs[asked["arrayJobId"]]
            every = range(array.size) if array.status == "FAILED" else list(array.children)
            found = [child for at in every if (child := array.child(at)).status == wanted]
            start = int(asked.get("nextToken", "0"))
            page = [{"jobId": job.job_id, "jobName": job.name, "status": job.status, "statusReason": job.reason}
                    for job in found[start : start + PER_PAGE]]  # fmt: skip
            more = {"nextToken": str(start + PER_PAGE)} if len(found) > start + PER_PAGE else {}
            return {"jobSummaryList": page, **more}
        queue = asked["jobQueue"].rpartition("/")[2]
        found = [job for job in list(self.jobs.values()) if job.queue.rpartition("/")[2] == queue]
        names = next((one["values"] for one in asked.get("filters", []) if one["name"] == "JOB_NAME"), None)
        if names is None:  # with names it is of any state
            found = [job for job in found if job.status == asked.get("jobStatus", "RUNNING")]
        else:
            found = [job for job in found if any(fnmatch.fnmatch(job.name, name) for name in names)]
        return {"jobSummaryList": [
            {"jobId": job.job_id, "jobName": job.name, "status": job.status,
             **({"arrayProperties": {"size": job.size}} if job.size else {})} for job in found]}  # fmt: skip

    def _terminatejob(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self.job(asked["jobId"])
        if found is None:
            raise LookupError(f"Job {asked['jobId']} not found")
        for job in (found, *list(found.children.values())):
            job.terminated = asked["reason"]
            job.hold.set()
            if job.machine:
                threading.Thread(target=self._stop, args=(job.machine,), daemon=True).start()
        return {}

    _canceljob = _terminatejob

    # -- a job's life ------------------------------------------------------------------------------

    def _live_together(self, array: Job) -> None:
        """The jobs of an array, as many at a time as there are machines."""
        array.status = "PENDING"
        if not self._comes_to_its_turn(array):
            array.over.set()
            return
        while not self.capacity.wait(0.5) and not array.terminated:
            pass
        if not array.terminated:
            with ThreadPoolExecutor(MACHINES) as machines:
                list(machines.map(lambda at: self._live(array.child(at)), range(array.size)))
        states = {child.status for child in array.children.values()}
        array.status = "SUCCEEDED" if states == {"SUCCEEDED"} else "FAILED"
        array.reason = array.terminated or ("" if states == {"SUCCEEDED"} else "Array Child Job failed")
        array.over.set()

    def _live(self, job: Job) -> None:
        """Attempt after attempt, until the retry rules say that it is enough."""
        strategy = job.definition.get("retryStrategy", {})
        try:
            if not self._comes_to_its_turn(job):
                return
            while True:
                job.status = "RUNNABLE"
                while not (self.capacity.wait(0.5) and self._is_open(job.queue)) and not job.terminated:
                    time.sleep(0.1)
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

    def _is_open(self, queue: str) -> bool:
        """Whether machines start for a queue: one that is disabled takes no job, but gets on with those that it has."""
        batch = self._client("batch")
        (found,) = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
        behind = [one["computeEnvironment"] for one in found["computeEnvironmentOrder"]]
        made = batch.describe_compute_environments(computeEnvironments=behind)["computeEnvironments"]
        return any(one["state"] == "ENABLED" for one in made)

    def _comes_to_its_turn(self, job: Job) -> bool:
        """PENDING until the jobs that it depends on have succeeded; FAILED when one of them fails."""
        for other in [self.jobs[one] for one in job.depends_on]:
            job.status = "PENDING"
            while not other.over.wait(0.2) and not job.terminated:
                pass
            if job.terminated or other.status != "SUCCEEDED":
                job.status, job.reason = "FAILED", job.terminated or "Dependent Job failed"
                return False
        return True

    def _no_image(self, job: Job) -> None:
        job.reason = "Task failed to start"
        job.attempts.append({"container": {"reason": NO_IMAGE}, "statusReason": job.reason})

    def _attempt(self, job: Job, number: int) -> tuple[int, str]:
        """Run one container to its end: its exit code, and why its machine was lost if it was."""
        job.status = "STARTING"
        properties = job.definition["containerProperties"]
        job.instance = job.instance or self._machine()
        short = job.job_id.replace(":", "-")
        name = f"lammps-jobs-{short[:8]}{short[36:]}-{number}"
        notices = self._scratch / f"{short}-{number}"
        with contextlib.ExitStack() as over:
            service = over.enter_context(metadata())
            if self.has_metadata:
                over.enter_context(noticing(service, notices))
            notices.mkdir(exist_ok=True)
            machine = Machine(name, service)
            told = {
                **{one["name"]: one["value"] for one in properties["environment"]},
                "AWS_BATCH_JOB_ID": job.job_id, "AWS_BATCH_JOB_ATTEMPT": str(number),
                **({"AWS_BATCH_JOB_ARRAY_INDEX": str(job.index)} if job.index is not None else {}),
                "AWS_BATCH_JQ_NAME": job.queue.rpartition("/")[2],
                Variable.METADATA.value: NOBODY, Variable.NOTICE_EVERY_S.value: "0.2", **self.environment,
            }  # fmt: skip
            command = [job.parameters.get(word.removeprefix("Ref::"), word) if word.startswith("Ref::") else word
                       for word in properties["command"]]  # fmt: skip
            shm = f"{properties['linuxParameters']['sharedMemorySize']}m"
            arguments = ["run", "--name", machine.container, "--network", "host", "--init",
                         "--user", properties["user"], "--shm-size", shm,
                         *(["--read-only"] if properties["readonlyRootFilesystem"] else []),
                         *(word for mount in mounts(properties, name, notices) for word in ("--volume", mount)),
                         *(word for key, value in told.items() for word in ("--env", f"{key}={value}")),
                         IMAGE, *command]  # fmt: skip
            job.stream = (
                f"{properties['logConfiguration']['options']['awslogs-stream-prefix']}/default/{uuid.uuid4().hex}"
            )
            output = notices.with_suffix(".log")
            with output.open("wb") as out:
                shipper = Shipper(
                    self._logs, properties["logConfiguration"]["options"]["awslogs-group"], job.stream, output
                )
                process = self.podman.popen(*arguments, stdout=out, stderr=out)
                job.machine, job.status = machine, "RUNNING"
                code = self.podman.end_of(machine.container, process)
            shipper.close()
            job.machine = None
            self.podman("volume", "rm", "--force", name, check=False)  # as the ECS agent does with a task
        shutil.rmtree(notices, ignore_errors=True)
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
            for job in self._every():
                if job.machine and job.status == "RUNNING":
                    return job
            time.sleep(0.05)
        raise TimeoutError(f"no job runs: {[(job.name, job.status, job.reason) for job in self.jobs.values()]}")

    def _every(self) -> Iterator[Job]:
        for job in list(self.jobs.values()):
            yield from (job, *list(job.children.values()))

    def close(self) -> None:
        for job in self._every():
            job.terminated = job.terminated or "the cloud is closed"
            if job.machine:
                self.podman("kill", "--signal", "KILL", job.machine.container, check=False)
        for thread in self._threads:
            thread.join(scaled(20))
        shutil.rmtree(self._scratch, ignore_errors=True)


def mounts(properties: dict[str, Any], volume: str, folder: Path) -> list[str]:
    """What a container sees of its machine: a fresh volume where the definition names no folder, else that `folder`."""
    sources = {one["name"]: one.get("host", {}).get("sourcePath") for one in properties["volumes"]}
    return [f"{folder if sources[one['sourceVolume']] else volume}:{one['containerPath']}{':ro' * one['readOnly']}"
            for one in properties["mountPoints"]]  # fmt: skip


def decide(strategy: dict[str, Any], attempts: int, exit_code: str, status_reason: str, reason: str = "") -> bool:
    """Whether AWS Batch retries: the first rule of which all conditions fit decides; without one it does."""
    if attempts >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit", []):
        told = {"onExitCode": exit_code, "onStatusReason": status_reason, "onReason": reason}
        if all(fnmatch.fnmatchcase(told[key], pattern) for key, pattern in rule.items() if key in told):
            return str(rule["action"]).upper() == "RETRY"
    return True
