"""The guard over spending: its function as it is deployed, run on a stack on loopback; what becomes of jobs there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import lammps_jobs
from emulator.access import actions_of, is_allowed, needs
from emulator.batch import Cloud
from emulator.containers import HINT, NoContainers, Podman, can_run_containers
from emulator.endpoint import Fault
from emulator.functions import FunctionError, invoke
from emulator.journeys import checkpointed, job_of
from emulator.stack import deployed, keys
from infra.guard import CODE
from lammps_jobs import CannotStart, Checkpoints
from lammps_jobs.backends.aws_batch import submission
from tests.conftest import script_of
from tests.waiting import ended, until

pytestmark = pytest.mark.xdist_group("containers")
LIMIT, GUARD = 100.0, "guard"
GUARDED: dict[str, Any] = {"alerts": {"emails": ["a@example.org"], "stop_jobs_at_usd": LIMIT}}
Guarded = Iterator[tuple[Cloud, dict[str, str]]]


@pytest.fixture(scope="module")
def _without_machines() -> Guarded:
    with deployed(NoContainers(), **GUARDED) as (cloud, environment):
        cloud.capacity.clear()
        yield cloud, environment


@pytest.fixture(scope="module")
def _with_machines() -> Guarded:
    if not can_run_containers():
        pytest.skip(HINT)
    podman = Podman()
    podman.build()
    with deployed(podman, **GUARDED) as (cloud, environment):
        yield cloud, environment


@pytest.fixture
def idle(_without_machines, monkeypatch) -> Iterator[Cloud]:
    """A stack with a limit that finds no machines."""
    yield from _reached(*_without_machines, monkeypatch)


@pytest.fixture
def busy(_with_machines, monkeypatch) -> Iterator[Cloud]:
    """A stack with a limit whose jobs run in containers."""
    yield from _reached(*_with_machines, monkeypatch)


def _reached(cloud: Cloud, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield cloud
    spend(cloud, 0)
    look(cloud, do="open")


def spend(cloud: Cloud, usd: float) -> None:
    """AWS's billing has come to know of it."""
    cloud.endpoint.spent = usd


def look(cloud: Cloud, **event: str) -> dict[str, Any]:
    """The function's hour has come, or somebody invokes it."""
    reach = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
    return invoke(cloud._client("lambda"), "lammps-jobs-dev-guard", CODE, event, reach | keys(GUARD))


def states(cloud: Cloud) -> set[str]:
    batch = cloud._client("batch")
    queues = batch.describe_job_queues()["jobQueues"]
    machines = batch.describe_compute_environments()["computeEnvironments"]
    assert (len(queues), len(machines)) == (3, 3)
    return {one["state"] for one in (*queues, *machines)}


def test_nothing_happens_below_the_limit(idle):
    spend(idle, LIMIT - 0.01)
    assert look(idle) == {"spent": "99.99 of 100.00 USD are spent this month"}
    assert states(idle) == {"ENABLED"}


def test_at_the_limit_nothing_is_submitted_and_what_waits_goes_on_waiting(idle, script):
    stack = lammps_jobs.connect("dev", pool="cpu")
    waits = stack.submit(script(script_of("nve", 1000)), name="waits")
    spend(idle, LIMIT)
    assert len(look(idle)["closed"]) == 6
    assert states(idle) == {"DISABLED"}
    with pytest.raises(CannotStart, match="DISABLED"):
        stack.submit(script(script_of("nve", 1000)), name="late")
    state = waits.status
    assert (state.state, state.reason) == ("waiting", "The job queue is disabled.")
    assert "limit of spending" in state.remedy
    waits.cancel(now=True)


def test_a_closed_stack_is_told_of_once_and_opened_below_the_limit_only(idle):
    spend(idle, LIMIT + 1)
    before = len(idle.endpoint.calls)
    look(idle)
    again = look(idle)
    assert (again["closed"], again["stopped"]) == ([], [])
    told = [call for call in idle.endpoint.calls[before:] if call.service == "sns"]
    assert len(told) == 1
    assert b"101.00+of+100.00+USD" in told[0].body
    with pytest.raises(FunctionError, match=r"raise alerts\.stop_jobs_at_usd"):
        look(idle, do="open")
    assert states(idle) == {"DISABLED"}
    spend(idle, 1)
    assert len(look(idle, do="open")["opened"]) == 6
    assert states(idle) == {"ENABLED"}


def test_jobs_that_run_stop_with_a_checkpoint_and_are_resumed_once_the_stack_is_open(busy, script, monkeypatch):
    stack = lammps_jobs.connect("dev", pool="cpu")
    runs = [stack.submit(script(script_of("nve", 60_000)), name=name, checkpoints=Checkpoints(every_s=1.0))
            for name in ("one", "two")]  # fmt: skip
    jobs = [job_of(busy, run) for run in runs]
    for run in runs:
        checkpointed(run, 1)
    start = len(busy.endpoint.calls)
    spend(busy, LIMIT)
    assert sorted(look(busy)["stopped"]) == sorted(job.job_id for job in jobs)
    for run, job in zip(runs, jobs, strict=True):
        assert ended(run).state == "interrupted"
        until(job.over.is_set, "the end of the job", job.described)
        assert (job.status, job.attempts[-1]["container"]["exitCode"]) == ("FAILED", 75)
        assert "limit of spending" in job.reason
    with pytest.raises(CannotStart, match="DISABLED"):
        runs[0].resume()
    monkeypatch.setattr(submission, "OTHERS_S", 0.0)  # that request was refused: nobody waits for its answer
    spend(busy, 0)
    look(busy, do="open")
    runs[0].resume()
    state = ended(runs[0])
    assert (state.state, state.attempt, state.fidelity.grade) == ("finished", 2, "exact")
    runs[1].cancel(now=True)
    it_needed_what_its_role_allows(busy, start)


def it_needed_what_its_role_allows(cloud: Cloud, start: int) -> None:
    role = cloud._client("iam").get_role_policy(RoleName="lammps-jobs-dev-guard", PolicyName="inline")["PolicyDocument"]
    tags = {job.job_id: job.tags for job in cloud.jobs.values()}
    asked = [
        need for call in cloud.endpoint.calls[start:] if call.who == GUARD for need in needs(call, cloud.region, tags)
    ]
    assert not [one for one in asked if not is_allowed(one, role)]
    unused = actions_of(role) - {one.action for one in asked}
    assert unused == {"logs:CreateLogStream", "logs:PutLogEvents"}, "by AWS Lambda itself"


def test_of_an_array_only_the_jobs_with_a_machine_are_told(idle):
    array = submitted_array(idle, 5)
    array.child(1).status = array.child(3).status = "RUNNING"
    spend(idle, LIMIT)
    assert look(idle)["stopped"] == [f"{array.job_id}:1", f"{array.job_id}:3"]
    assert not array.terminated
    assert not array.child(0).terminated
    idle._terminatejob({"jobId": array.job_id, "reason": "over"})


def submitted_array(cloud: Cloud, size: int) -> Any:
    status, said, _ = cloud.answer("submitjob", {
        "jobName": "array", "jobQueue": "lammps-jobs-dev-cpu", "jobDefinition": "lammps-jobs-dev-cpu",
        "shareIdentifier": "a", "arrayProperties": {"size": size}, "tags": {"stack": "dev"}})  # fmt: skip
    assert status == 200, said
    array = cloud.jobs[said["jobId"]]
    until(lambda: array.status == "PENDING", "the array", array.described)
    return array


def test_machines_that_cannot_be_closed_just_now_keep_nothing_going_and_the_next_hour_closes_them(idle):
    array = submitted_array(idle, 2)
    array.child(0).status = "RUNNING"
    spend(idle, LIMIT)
    changing = Fault(lambda call: call.path.endswith("updatecomputeenvironment"), "403")
    idle.endpoint.faults.append(changing)
    with pytest.raises(FunctionError, match="refused") as error:
        look(idle)
    done = json.loads(str(error.value).partition("RuntimeError: ")[2])
    assert (len(done["closed"]), len(done["refused"]), len(done["stopped"])) == (5, 1, 1)
    idle._terminatejob({"jobId": array.job_id, "reason": "over"})
    until(lambda: array.status == "FAILED", "the end of the array", array.described)
    assert len(look(idle)["closed"]) == 1
    assert states(idle) == {"DISABLED"}


def test_a_job_that_cannot_be_stopped_keeps_no_other_going_and_is_told(idle):
    array = submitted_array(idle, 3)
    for index in range(3):
        array.child(index).status = "RUNNING"
    spend(idle, LIMIT)
    idle.faults.append(("terminatejob", 400, "ClientException"))
    with pytest.raises(FunctionError, match="refused") as error:
        look(idle)
    done = json.loads(str(error.value).partition("RuntimeError: ")[2])
    assert (len(done["stopped"]), len(done["refused"])) == (2, 1)
    idle._terminatejob({"jobId": array.job_id, "reason": "over"})
