"""`lammps-jobs doctor` and `shell`: every failure is named with its remedy, and a healthy stack is called healthy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
from click.testing import CliRunner

import lammps_jobs
from emulator.endpoint import Fault
from lammps_jobs import doctor
from lammps_jobs.backends.aws_batch.shell import command_for
from lammps_jobs.cli import commands
from lammps_jobs.errors import UNWELL, UsageError, WrongState

pytestmark = pytest.mark.xdist_group("waiting")


@pytest.fixture
def outputs(waiting):
    return lammps_jobs.connect("dev")._backend.outputs  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def no_faults(waiting) -> Iterator[None]:
    yield
    waiting.endpoint.faults.clear()


def findings() -> dict[str, doctor.Finding]:
    return {one.check: one for one in doctor.stack("dev")}


def failing() -> dict[str, doctor.Finding]:
    found = {check: one for check, one in findings().items() if not one.is_well}
    assert all(one.remedy for one in found.values()), found
    return found


def test_healthy_stack_is_well(waiting):
    found = findings()
    assert [f"{one.check}: {one.what}" for one in found.values() if not one.is_well] == []
    assert {"stack outputs", "credentials", "clock", "bucket, reading", "bucket, writing", "logs"} <= set(found)
    for pool in ("t4", "t4-on-demand", "cpu"):
        checks = {"queue", "machines", "job definition", "submitting", "image", "quota"}
        assert {f"{pool}: {check}" for check in checks} <= set(found)
    assert not [call for call in waiting.calls if call[0] == "submitjob" and call[1]["jobName"] == "doctor"
                and not call[1]["jobDefinition"].endswith(str(doctor.NO_SUCH_REVISION))]  # fmt: skip


def test_doctor_leaves_nothing_behind(waiting, outputs):
    s3 = waiting._client("s3")
    before = len(waiting.jobs)
    findings()
    assert not s3.list_multipart_uploads(Bucket=outputs.bucket).get("Uploads")
    assert len(waiting.jobs) == before


def test_disabled_queue_and_environment(waiting, outputs):
    batch = boto3.client("batch")
    pool = outputs.pool("cpu")
    batch.update_job_queue(jobQueue=pool.queue, state="DISABLED")
    batch.update_compute_environment(computeEnvironment=pool.environments[0], state="DISABLED")
    try:
        assert {"cpu: queue", "cpu: machines"} <= set(failing())
    finally:
        batch.update_job_queue(jobQueue=pool.queue, state="ENABLED")
        batch.update_compute_environment(computeEnvironment=pool.environments[0], state="ENABLED")


def test_definition_that_was_deregistered(waiting, outputs, monkeypatch):
    gone = outputs.pool("cpu").model_copy(update={"definition": outputs.pool("cpu").definition + "9"})
    monkeypatch.setattr(doctor, "load", lambda *_: outputs.model_copy(update={"pools": {"cpu": gone}}))
    assert "not active" in failing()["cpu: job definition"].what


def test_quota_too_small_for_one_job(outputs, monkeypatch):
    greedy = outputs.pool("cpu").model_copy(update={"vcpus": 100_000, "max_vcpus": 200_000})
    monkeypatch.setattr(doctor, "load", lambda *_: outputs.model_copy(update={"pools": {"cpu": greedy}}))
    assert "one job needs 100000" in failing()["cpu: quota"].what


def test_image_that_is_not_in_its_repository(outputs, monkeypatch):
    gone = f"{outputs.account}.dkr.ecr.{outputs.region}.amazonaws.com/lammps-jobs-dev-images@sha256:{'0' * 64}"
    pool = outputs.pool("cpu").model_copy(update={"image": gone})
    monkeypatch.setattr(doctor, "load", lambda *_: outputs.model_copy(update={"pools": {"cpu": pool}}))
    assert "not in its repository" in failing()["cpu: image"].what


@pytest.mark.parametrize(
    ("operation", "check"),
    [("submitjob", "cpu: submitting"), ("describejobs", "jobs"), ("listjobs", "jobs")],
)
def test_permission_that_is_missing(waiting, operation, check):
    waiting.faults.extend([(operation, 403, "AccessDeniedException")] * 3)
    try:
        assert "does not allow" in failing()[check].what
    finally:
        waiting.faults.clear()


def test_bucket_that_may_not_be_written(waiting):
    waiting.endpoint.faults.append(Fault(lambda call: call.method == "POST" and "uploads" in call.query, "403", 9))
    assert set(failing()) == {"bucket, writing"}


def test_clock_that_is_wrong(monkeypatch):
    late = doctor.now() + timedelta(hours=1)
    monkeypatch.setattr(doctor, "now", lambda: late)
    assert re.search(r"clock is \+3[56]\d\d s off", failing()["clock"].what)


def test_another_account_and_a_stack_that_is_not_there(waiting, outputs, monkeypatch):
    monkeypatch.setattr(doctor, "load", lambda *_: outputs.model_copy(update={"account": "999999999999"}))
    (finding,) = failing().values()
    assert "999999999999" in finding.what
    monkeypatch.undo()
    for name, value in waiting.environment.items():
        monkeypatch.setenv(name, value)
    (finding,) = doctor.stack("mars")
    assert "mars" in finding.what
    assert finding.remedy


def test_command_line_says_it_and_exits_with_its_code(waiting):
    said = CliRunner().invoke(commands, ["doctor", "dev"])
    assert said.exit_code == 0, said.output
    assert "ok   cpu: queue" in said.output
    waiting.endpoint.faults.append(Fault(lambda call: call.method == "POST" and "uploads" in call.query, "403", 9))
    said = CliRunner().invoke(commands, ["--json", "doctor", "dev"])
    assert said.exit_code == UNWELL
    assert [one["check"] for one in json.loads(said.output) if not one["is_well"]] == ["bucket, writing"]
    assert "LAMMPS" in CliRunner().invoke(commands, ["doctor"]).output


# -- shell -----------------------------------------------------------------------------------------------


@pytest.fixture
def job(waiting) -> dict:
    """What DescribeJobs says of a job that runs on a machine that ECS and EC2 know."""
    return {"status": "RUNNING", "container": {"containerInstanceArn": waiting._machine()}}


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ("session-manager", "aws ssm start-session --target i-"),
        ("instance-connect", "aws ec2-instance-connect ssh --instance-id i-"),
        ("ssh", "ssh ec2-user@"),
    ],
)
def test_shell_goes_the_way_that_the_stack_allows(outputs, job, access, expected):
    command = " ".join(command_for(outputs.model_copy(update={"access": access}), job))
    assert command.startswith(expected)
    assert "None" not in command


def test_no_shell_without_access_or_machine(outputs, job):
    with pytest.raises(UsageError, match="allows no shell"):
        command_for(outputs.model_copy(update={"access": "none"}), job)
    for none_yet in (None, {"status": "RUNNABLE", "container": {}}):
        with pytest.raises(WrongState, match="no machine"):
            command_for(outputs, none_yet)
