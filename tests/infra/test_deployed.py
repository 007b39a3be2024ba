"""The program's resources made for real in an account on loopback, read back with boto3, for both stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import ROOT
from emulator.account import Account
from emulator.graph import Graph, config_of, run
from emulator.servers import moto
from lammps_jobs import doctor
from lammps_jobs.backends.aws_batch.contract import StackOutputs, load

pytestmark = pytest.mark.xdist_group("deployed")  # both stacks are made once


@pytest.fixture(scope="module", params=["dev", "prod"])
def deployed(request) -> Iterator[tuple[Graph, Account]]:
    config = config_of(request.param)
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        account = Account(url, config["aws:region"], quotas={"L-7212CCBC": 0.0})
        yield run(config, request.param, graph=Graph(account=account)), account


@pytest.fixture
def outputs(deployed, monkeypatch) -> StackOutputs:
    """Loaded as a researcher's script does it: by the stack's name."""
    graph, account = deployed
    for name, value in {"AWS_ENDPOINT_URL": account.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                        "AWS_DEFAULT_REGION": account.region}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return load(graph.outputs["stack"])


def test_outputs_are_found_by_the_stacks_name(deployed, outputs):
    assert outputs == StackOutputs.model_validate(deployed[0].outputs)


def test_queues_run_on_their_environments_in_order(deployed, outputs):
    batch = deployed[1].client("batch")
    for pool in outputs.pools.values():
        queue = batch.describe_job_queues(jobQueues=[pool.queue])["jobQueues"][0]
        assert queue["state"] == "ENABLED"
        orders = sorted(queue["computeEnvironmentOrder"], key=lambda one: one["order"])
        assert tuple(one["computeEnvironment"] for one in orders) == pool.environments
        first = batch.describe_compute_environments(computeEnvironments=list(pool.environments))["computeEnvironments"]
        assert {one["status"] for one in first} == {"VALID"}


def test_definitions_hold_the_image_and_the_needs(deployed, outputs):
    batch = deployed[1].client("batch")
    for pool in outputs.pools.values():
        definition = batch.describe_job_definitions(jobDefinitions=[pool.definition])["jobDefinitions"][0]
        container = definition["containerProperties"]
        needs = {one["type"]: int(one["value"]) for one in container["resourceRequirements"]}
        assert container["image"] == pool.image
        assert needs == {"VCPU": pool.vcpus, "MEMORY": pool.memory_mib, **({"GPU": pool.gpus} if pool.gpus else {})}


def test_bucket_is_closed_encrypted_versioned_and_cleans_up(deployed, outputs):
    s3 = deployed[1].client("s3")
    block = s3.get_public_access_block(Bucket=outputs.bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    policy = json.loads(s3.get_bucket_policy(Bucket=outputs.bucket)["Policy"])
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    assert s3.get_bucket_versioning(Bucket=outputs.bucket)["Status"] == "Enabled"
    rules = {one["ID"] for one in s3.get_bucket_lifecycle_configuration(Bucket=outputs.bucket)["Rules"]}
    assert {"torn-uploads", "superseded"} <= rules
    rule = s3.get_bucket_encryption(Bucket=outputs.bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    algorithm = rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert algorithm == ("aws:kms" if outputs.stack == "prod" else "AES256")


def test_nobody_gets_in(deployed):
    ec2 = deployed[1].client("ec2")
    groups = ec2.describe_security_groups(Filters=[{"Name": "tag:project", "Values": ["lammps-jobs"]}])[
        "SecurityGroups"
    ]
    groups = groups or [g for g in ec2.describe_security_groups()["SecurityGroups"] if "lammps-jobs" in g["GroupName"]]
    assert groups
    assert not any(group["IpPermissions"] for group in groups)


def test_alarms_tell_the_topic_and_the_budget_tells_people(deployed, outputs):
    account = deployed[1]
    alarms = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == (5 if outputs.stack == "prod" else 4)
    topics = {topic for alarm in alarms for topic in alarm["AlarmActions"]}
    subscribed = account.client("sns").list_subscriptions()["Subscriptions"]
    if outputs.stack == "prod":
        assert topics | {outputs.topic} == {one["TopicArn"] for one in subscribed}
        assert outputs.topic not in topics
        budget = account.client("budgets").describe_budgets(AccountId="123456789012")["Budgets"][0]
        assert budget["BudgetLimit"]["Unit"] == "USD"
        assert sorted(name for name, _ in account.only_checked) == [
            "CreateAnomalyMonitor", "CreateAnomalySubscription", "RequestServiceQuotaIncrease"
        ]  # fmt: skip
    rules: list[dict[str, Any]] = account.client("events").list_rules()["Rules"]
    assert {rule["State"] for rule in rules} == {"ENABLED"}


def test_dashboard_is_one_that_cloudwatch_takes(deployed, outputs):
    name = outputs.dashboard.rpartition("/")[2]
    body = json.loads(deployed[1].client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert len(titles) == len(set(titles)) == 8


def test_roles_trust_only_their_service(deployed):
    roles = deployed[1].client("iam").list_roles()["Roles"]
    ours = [role for role in roles if role["RoleName"].startswith("lammps-jobs-")]
    for role in ours:
        statement = role["AssumeRolePolicyDocument"]["Statement"][0]
        assert statement["Principal"]["Service"] in ("ec2.amazonaws.com", "ecs-tasks.amazonaws.com",
                                                     "vpc-flow-logs.amazonaws.com", "lambda.amazonaws.com")  # fmt: skip
    assert len(ours) >= 5


def test_unknown_type_fails_instead_of_being_passed_over(deployed):
    with pytest.raises(KeyError, match="does not know the resource type"):
        deployed[1].create("aws:ec2/instance:Instance", {})
    with pytest.raises(ValueError, match="is unknown"):
        deployed[1].create("aws:ec2/routeTable:RouteTable", {"vpcIdd": "x"})


def test_the_checklist_of_the_docs_is_checked_line_by_line(deployed, outputs):
    found = {one.check: one for one in doctor.production(outputs.stack)}
    section = (ROOT / "docs" / "deploy.md").read_text().partition("## Production checklist")[2].partition("\n## ")[0]
    assert list(found) == re.findall(r"^\| \*(.*?)\* ", section, re.MULTILINE)
    wrong = {name for name, one in found.items() if not one.is_well}
    assert wrong == ({"somebody is told", "a budget watches"} if outputs.stack == "dev" else set())
    assert all(found[name].remedy for name in wrong)


def test_the_checklist_notices_what_was_changed_by_hand(deployed, outputs):
    account, name = deployed[1], f"lammps-jobs-{outputs.stack}-job-failed"
    cloudwatch, s3 = account.client("cloudwatch"), account.client("s3")
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    s3.put_bucket_versioning(Bucket=outputs.bucket, VersioningConfiguration={"Status": "Suspended"})
    try:
        wrong = {one.check: one.what for one in doctor.production(outputs.stack) if not one.is_well}
    finally:
        cloudwatch.enable_alarm_actions(AlarmNames=[name])
        s3.put_bucket_versioning(Bucket=outputs.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert name in wrong["alarms are on"]
    assert wrong["deleted things come back"] == "What is deleted is gone at once."
