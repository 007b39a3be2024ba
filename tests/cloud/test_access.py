"""The policies of the stack allow what the library does, and nothing else: its calls, held against IAM's documents."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import lammps_jobs
from emulator.access import Need, actions_of, is_allowed, needs
from emulator.batch import Cloud
from emulator.journeys import checkpointed, job_of
from emulator.stack import JOB, RESEARCHER
from lammps_jobs import Checkpoints, Cluster, doctor
from lammps_jobs.backends.aws_batch import submission
from tests.conftest import script_of
from tests.waiting import ended, scaled, until

pytestmark = pytest.mark.xdist_group("containers")

BY_OTHERS = {
    "ssm:StartSession": "by the AWS CLI, which `lammps-jobs shell` starts",
    "ssm:TerminateSession": "by the AWS CLI",
    "ssm:ResumeSession": "by the AWS CLI",
}
AFTER_FAILURE = {"s3:AbortMultipartUpload": "an upload that cannot be ended"}


@pytest.fixture
def stack(cloud) -> Cluster:
    return lammps_jobs.connect("dev", pool="cpu")


def policy_of_researcher(cloud: Cloud, stack: Cluster) -> dict[str, Any]:
    iam = cloud._client("iam")
    arn = stack._backend.outputs.researcher_policy  # type: ignore[attr-defined]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def policy_of_job(cloud: Cloud, stack: Cluster) -> dict[str, Any]:
    iam, batch = cloud._client("iam"), cloud._client("batch")
    wanted = stack._backend.pool.definition  # type: ignore[attr-defined]
    definition = batch.describe_job_definitions(jobDefinitions=[wanted])["jobDefinitions"][0]
    role = definition["containerProperties"]["jobRoleArn"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


def made(cloud: Cloud, start: int, who: str) -> list[Need]:
    tags = {job.job_id: job.tags for job in cloud.jobs.values()}
    calls = [call for call in cloud.endpoint.calls[start:] if call.who == who]
    return [need for call in calls for need in needs(call, cloud.region, tags)]


def test_a_run_needs_what_the_policies_allow_and_they_allow_nothing_else(cloud, stack, script, tmp_path, monkeypatch):
    start = len(cloud.endpoint.calls)
    everything_that_users_do(cloud, script, tmp_path, monkeypatch)
    for who, policy, spared in (
        (RESEARCHER, policy_of_researcher(cloud, stack), BY_OTHERS),
        (JOB, policy_of_job(cloud, stack), AFTER_FAILURE),
    ):
        asked = made(cloud, start, who)
        refused = [one for one in asked if not is_allowed(one, policy)]
        assert not refused, f"{who} is refused {refused}"
        unused = actions_of(policy) - {need.action for need in asked} - set(spared)
        assert not unused, f"{who} may do what it never does: {unused}"


def everything_that_users_do(cloud, script, tmp_path, monkeypatch) -> None:
    """Submit, crash and submit again, follow, interrupt, go on beyond the last attempt, cancel, fetch, examine."""
    stack = lammps_jobs.connect("dev", pool="cpu")
    path = script(script_of("nve", 80_000))
    with monkeypatch.context() as crash:
        crash.setattr(lammps_jobs.record.run_record.RunRecord, "answer_job", lambda self, number, job: 1 / 0)
        cloud.first_attempt = 10
        with pytest.raises(ZeroDivisionError):
            stack.submit(path, name="access", checkpoints=Checkpoints(every_s=1.0, keep=1), notify="sns")
    monkeypatch.setattr(submission, "OTHERS_S", 0.0)
    run = stack.submit(path, name="access", checkpoints=Checkpoints(every_s=1.0, keep=1), notify="sns")
    job = job_of(cloud, run)
    cloud.first_attempt = 1
    checkpointed(run, 1)
    shell = [sys.executable, "-m", "lammps_jobs.cli", "--stack", "dev", "shell", "access", "--print"]
    said = subprocess.run(shell, capture_output=True, text=True, timeout=scaled(120), check=True).stdout
    assert said.startswith("aws ssm start-session --target i-")
    cloud.reclaim(job, notice=True)
    assert ended(run).state == "finished"
    run.logs()
    run.download(tmp_path / "got")
    list(doctor.stack("dev"))
    other = stack.submit(script(script_of("nve", 300_000), name="in.other"), name="access-cancelled")
    job_of(cloud, other)
    until(lambda: "Step" in other.logs(), "a log to follow", lambda: other.status)
    other.cancel(now=True)
    stack.statuses()


@pytest.mark.parametrize(
    "need",
    [
        Need("s3:GetObject", "arn:aws:s3:::another-bucket/runs/x"),
        Need("batch:SubmitJob", "arn:aws:batch:eu-central-1:123456789012:job-queue/another"),
        Need("batch:TerminateJob", "arn:aws:batch:eu-central-1:123456789012:job/1", {"aws:ResourceTag/stack": "prod"}),
        Need("sns:Publish", "arn:aws:sns:eu-central-1:123456789012:lammps-jobs-dev-alerts"),
        Need("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
        Need("ssm:StartSession", "arn:aws:ec2:eu-central-1:123456789012:instance/i-1", {"ssm:resourceTag/stack": "x"}),
    ],
)
def test_what_is_not_theirs_is_refused_to_both(cloud, stack, need):
    assert not is_allowed(need, policy_of_researcher(cloud, stack))
    assert not is_allowed(need, policy_of_job(cloud, stack))


def test_a_researcher_cannot_delete_records_and_a_job_can(cloud, stack):
    need = Need("s3:DeleteObject", f"arn:aws:s3:::{stack._backend.outputs.bucket}/runs/x")  # type: ignore[attr-defined]
    assert not is_allowed(need, policy_of_researcher(cloud, stack))
    assert is_allowed(need, policy_of_job(cloud, stack))
