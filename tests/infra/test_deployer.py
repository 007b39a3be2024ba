"""Roles to deploy with: what is committed is what deploying calls, and no more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from emulator import ROOT
from emulator.access import Need, is_allowed
from emulator.graph import config_of, run
from infra.config import ConfigError, load
from infra.deployer import LONGEST_POLICY, compact
from tools import deployer


@pytest.fixture(scope="module")
def committed() -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text()) for file in sorted(deployer.FOLDER.glob("*.json"))}


def test_the_policies_are_what_up_and_destroy_call(committed):
    assert deployer.documents() == committed, "python -m tools.deployer --write"


KNOWN = {
    "RESOURCE_STAR", "UNKNOWN_ACTION", "RESOURCE_MISMATCH",
    "RESOURCE_POLICY_PRIVILEGE_ESCALATION",  # who makes a bucket and its policy can let himself in; the page says so
}  # fmt: skip
"""What the linter says that is meant so."""


def test_iam_takes_them(committed):
    parliament = pytest.importorskip("parliament")
    for name, document in committed.items():
        assert len(compact(document)) <= LONGEST_POLICY, name
        found = [one for one in parliament.analyze_policy_string(json.dumps(document)).findings
                 if one.issue not in KNOWN]  # fmt: skip
        assert not found, (name, found)


OTHERS = [
    Need("iam:CreateRole", "arn:aws:iam::123456789012:role/admin"),
    Need("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/admin"),
    Need("iam:PassRole", "arn:aws:iam::123456789012:role/admin", {"iam:PassedToService": "ec2.amazonaws.com"}),
    Need("iam:PassRole", "arn:aws:iam::123456789012:role/lammps-jobs-dev-machine",
         {"iam:PassedToService": "lambda.amazonaws.com"}),
    Need("iam:CreateUser", "arn:aws:iam::123456789012:user/eve"),
    Need("s3:DeleteBucket", "arn:aws:s3:::somebody"),
    Need("s3:GetObject", "arn:aws:s3:::lammps-jobs-dev-runs-123456789012-eu-central-1/runs/melt/spec.json"),
    Need("ssm:GetParameter", "arn:aws:ssm:eu-central-1:123456789012:parameter/database/password"),
    Need("batch:SubmitJob", "arn:aws:batch:eu-central-1:123456789012:job-queue/lammps-jobs-dev-cpu"),
]  # fmt: skip
OURS = [
    Need("iam:CreateRole", "arn:aws:iam::123456789012:role/lammps-jobs-dev-machine"),
    Need("iam:PassRole", "arn:aws:iam::123456789012:role/lammps-jobs-dev-machine",
         {"iam:PassedToService": "ec2.amazonaws.com"}),
    Need("s3:PutEncryptionConfiguration", "arn:aws:s3:::lammps-jobs-dev-runs-123456789012-eu-central-1"),
    Need("batch:CreateJobQueue", "arn:aws:batch:eu-central-1:123456789012:job-queue/lammps-jobs-dev-cpu"),
    Need("ec2:CreateVpc", "arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-1"),
]  # fmt: skip


def test_a_deployer_has_nothing_that_is_not_the_stacks(committed):
    assert not [one for one in OTHERS if is_allowed(one, *committed.values())]
    assert not [one for one in OURS if not is_allowed(one, *committed.values())]


def test_pull_requests_may_look_and_no_more():
    graph = run(config_of("dev", github="lab/runs", github_previews="lab-state"))
    trust = json.loads(graph.of("aws:iam/role:Role")["previews"]["assumeRolePolicy"])["Statement"][0]
    said = trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert said == "repo:lab/runs:pull_request"
    policy = json.loads(graph.of("aws:iam/rolePolicy:RolePolicy")["previews"]["policy"])
    state = "arn:aws:s3:::lab-state/.pulumi"
    assert is_allowed(Need("s3:GetObject", f"{state}/stacks/lammps-jobs/dev.json"), policy)
    assert is_allowed(Need("s3:PutObject", f"{state}/locks/organization/lammps-jobs/dev/1.json"), policy)
    assert not is_allowed(Need("s3:PutObject", f"{state}/stacks/lammps-jobs/dev.json"), policy)
    assert not [one for one in (*OTHERS, *OURS) if is_allowed(one, policy)]
    with pytest.raises(ConfigError, match="github_previews needs the repository"):
        load(config_of("dev", github_previews="lab-state"), "dev")


def test_the_workflow_previews_by_that_role_and_not_for_forks():
    work = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    assert work["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    (job,) = work["jobs"].values()
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    (pulumi,) = [step["with"] for step in job["steps"] if step["uses"].startswith("pulumi/")]
    assert pulumi["command"] == "preview"
