"""What no emulator refuses but AWS would, or would take and do something else with: rules from AWS's and the
provider's documentation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest

from emulator import ROOT
from emulator.graph import Graph, config_of, run
from infra import images
from infra.config import ConfigError, load
from infra.zones import zones_for

BUDGET, MONITOR = "aws:budgets/budget:Budget", "aws:costexplorer/anomalyMonitor:AnomalyMonitor"
PAID = {"emails": ["a@b.org"], "monthly_budget_usd": 10, "anomaly_usd": 5}


@pytest.fixture(scope="module")
def dev() -> Graph:
    return run(config_of("dev", alerts=PAID))


@pytest.fixture(scope="module")
def tagged() -> Graph:
    return run(config_of("dev", alerts={**PAID, "cost_tags": True}))


def document(graph: Graph, token: str, name: str, key: str = "policy") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(graph.of(token)[name][key])
    return found


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for one in statements for action in one["Action"]}


# -- money --


def test_budget_and_anomalies_see_real_spending_though_no_tag_is_activated(dev):
    assert not dev.of(BUDGET)["monthly"].get("costFilters")
    monitor = dev.of(MONITOR)["spending"]
    assert (monitor["monitorType"], monitor["monitorDimension"]) == ("DIMENSIONAL", "SERVICE")


def test_with_activated_tags_they_see_the_stack_only(tagged):
    assert tagged.of(BUDGET)["monthly"]["costFilters"] == [{"name": "TagKeyValue", "values": ["user:stack$dev"]}]
    assert "stack" in tagged.of("aws:costexplorer/costAllocationTag:CostAllocationTag")
    # the provider stores the whole expression, nulls and all: without them the monitor is replaced at every `up`
    wanted = document(tagged, MONITOR, "spending", "monitorSpecification")
    assert set(wanted) == {"And", "CostCategories", "Dimensions", "Not", "Or", "Tags"}
    assert wanted["Tags"] == {"Key": "stack", "Values": ["dev"], "MatchOptions": None}


def test_the_accounts_own_monitor_is_used_where_it_has_one():
    arn = "arn:aws:ce::123456789012:anomalymonitor/0aa1-b"
    graph = run(config_of("dev", alerts={**PAID, "anomaly_monitor_arn": arn}))
    assert not graph.of(MONITOR)
    (mail,) = graph.of("aws:costexplorer/anomalySubscription:AnomalySubscription").values()
    assert mail["monitorArnLists"] == [arn]


def test_a_spent_budget_stops_every_role_that_submits():
    graph = run(config_of("dev", alerts={**PAID, "stop_at_budget": True}, github="lab/runs"))
    (action,) = graph.of("aws:budgets/budgetAction:BudgetAction").values()
    assert action["approvalModel"] == "AUTOMATIC"
    roles = graph.of("aws:iam/role:Role")
    submit = {one["name"] for name, one in roles.items() if name == "github" or name.startswith("job-")}
    assert set(action["definition"]["iamActionDefinition"]["roles"]) == submit
    (deny,) = document(graph, "aws:iam/policy:Policy", "stop")["Statement"]
    assert (deny["Effect"], deny["Action"], len(deny["Resource"])) == ("Deny", ["batch:SubmitJob"], 3)


def test_on_demand_machines_start_by_themselves_only_where_it_is_said():
    pools = json.loads(config_of("dev")["lammps-jobs:pools"])
    pools[0]["critical"] = False
    graph = run(config_of("dev", pools=pools))
    assert len(graph.of("aws:batch/jobQueue:JobQueue")["t4"]["computeEnvironmentOrders"]) == 1


def test_superseded_checkpoints_are_paid_for_a_day(dev):
    rules = dev.of("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")["runs"]["rules"]
    (old,) = [rule for rule in rules if rule["id"] == "superseded"]
    assert old["noncurrentVersionExpiration"]["noncurrentDays"] == 1


# -- runs that go on --


def test_a_job_alone_in_its_pool_can_start():
    for stack in ("dev", "prod"):
        assert load(config_of(stack), stack).sharing.reservation_percent == 0
    with pytest.raises(ConfigError, match=r"leaves 3.6 of 4 vCPUs of t4-on-demand to a single user, but a job needs 4"):
        load(config_of("dev", sharing={"reservation_percent": 10}), "dev")


def test_no_capacity_means_waiting_and_failing_only_where_it_is_said():
    def reasons(**changes: Any) -> set[str]:
        queue = run(config_of("dev", **changes)).of("aws:batch/jobQueue:JobQueue")["t4"]
        return {one["reason"].partition(":")[0] for one in queue["jobStateTimeLimitActions"]}

    assert reasons() == {"MISCONFIGURATION"}
    assert reasons(cancel_without_capacity=True) == {"MISCONFIGURATION", "CAPACITY"}


def test_a_start_that_failed_is_tried_again(dev):
    for definition in dev.of("aws:batch/jobDefinition:JobDefinition").values():
        rules = definition["retryStrategy"]["evaluateOnExits"]
        assert {"action": "RETRY", "onStatusReason": "Task failed to start*"} in rules
        assert len(rules) <= 5


def test_jobs_have_hours_to_end_when_an_update_exchanges_their_machine(dev):
    for environment in dev.of("aws:batch/computeEnvironment:ComputeEnvironment").values():
        assert environment["updatePolicy"] == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 360}


def test_an_attempt_ends_itself_before_aws_does(dev):
    for definition in dev.of("aws:batch/jobDefinition:JobDefinition").values():
        variables = {one["name"]: one["value"] for one in json.loads(definition["containerProperties"])["environment"]}
        limit = definition["timeout"]["attemptDurationSeconds"]
        assert int(variables["LAMMPS_JOBS_TIMEOUT_S"]) == limit - 900, "a job that times out is not tried again"
        assert variables["PRTE_MCA_hwloc_default_binding_policy"] == "none", "packed jobs would share the first cores"
        assert variables["PRTE_MCA_rmaps_default_mapping_policy"] == ":oversubscribe"


def test_logs_and_limits_do_not_stall_a_run(dev):
    for definition in dev.of("aws:batch/jobDefinition:JobDefinition").values():
        container = json.loads(definition["containerProperties"])
        assert container["logConfiguration"]["options"]["mode"] == "non-blocking"
        assert {one["name"] for one in container["ulimits"]} == {"memlock", "stack"}


# -- what AWS has once, or not everywhere --


def test_zones_are_those_where_the_machines_are():
    offered = {"us-east-1a": {"g4dn.xlarge"}, "us-east-1b": {"g4dn.xlarge", "g4dn.2xlarge", "c7i.xlarge"},
               "us-east-1c": {"g4dn.xlarge", "c7i.xlarge", "c7a.xlarge", "c6i.xlarge", "c6a.xlarge"}}  # fmt: skip
    graph = run(config_of("dev"), graph=Graph(offered=offered))
    subnets = {one["availabilityZone"]: one["cidrBlock"] for one in graph.of("aws:ec2/subnet:Subnet").values()}
    assert subnets == {"us-east-1b": "10.40.32.0/19", "us-east-1c": "10.40.64.0/19"}, (
        "addresses go by the zone's letter"
    )


ZONES = ("r-1a", "r-1b", "r-1c")
HAS = {zone: {"g4dn.xlarge"} for zone in ZONES}
POOL = {"name": "t4", "instance_types": ["g4dn.xlarge"], "gpu": "Turing75", "max_vcpus": 16}


def zones(offered: dict[str, set[str]], **network: Any) -> tuple[str, ...]:
    raw = {"aws:region": "eu-central-1", "lammps-jobs:pools": json.dumps([POOL]),
           "lammps-jobs:network": json.dumps(network)}  # fmt: skip
    return zones_for(load(raw, "dev"), ZONES, offered)


def test_pinned_zones_stay_whatever_is_offered():
    assert zones(HAS, zone_names=["r-1c", "r-1a"]) == ("r-1a", "r-1c")
    assert zones({**HAS, "r-1a": set()}, zone_names=["r-1c", "r-1a"]) == ("r-1a", "r-1c")


@pytest.mark.parametrize(
    ("offered", "network", "expected"),
    [
        ({}, {}, "g4dn.xlarge of t4 cannot be had in eu-central-1"),
        (HAS, {"zone_names": ["r-1a", "x-1b"]}, "eu-central-1 has no x-1b; it has r-1a, r-1b, r-1c"),
        ({"r-1c": {"g4dn.xlarge"}}, {"zone_names": ["r-1a", "r-1b"]}, "no machine of t4 can be had in r-1a, r-1b"),
        (HAS, {"zone_names": ["r-1a"]}, "two or three different zones"),
    ],
)
def test_zones_that_cannot_be(offered, network, expected):
    with pytest.raises(ConfigError, match=expected):
        zones(offered, **network)


def test_a_second_stack_uses_the_github_provider_that_is_there():
    graph = run(config_of("dev", github="lab/runs", github_provider="existing"))
    assert not graph.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    trust = document(graph, "aws:iam/role:Role", "github", "assumeRolePolicy")
    arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    assert trust["Statement"][0]["Principal"]["Federated"] == arn


def test_a_kept_bucket_is_used_again():
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"
    graph = run(config_of("dev", storage={"existing": {"bucket": "old-runs", "key_arn": key}}))
    assert not [kind for kind in graph.types if kind.startswith(("aws:s3/", "aws:kms/"))]
    assert graph.outputs["store"] == "s3://old-runs/runs"
    job = document(graph, "aws:iam/rolePolicy:RolePolicy", "job-t4")["Statement"]
    assert {"Sid": "Encrypt", "Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": [key]} in job  # fmt: skip
    assert job[0]["Resource"] == ["arn:aws:s3:::old-runs/runs/*"]


def test_a_mistaken_account_is_left_alone():
    graph = Graph()
    with pytest.raises(
        pulumi.RunError, match="account = 210987654321, but the present credentials are of 123456789012"
    ):
        run(config_of("dev", account="210987654321"), graph=graph)
    assert not graph.types


# -- roles --


def test_events_are_kept_by_the_policy_that_aws_documents(dev):
    token = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"
    stream, events = document(dev, token, "events", "policyDocument")["Statement"]
    assert (stream["Action"], "Condition" in stream) == (["logs:CreateLogStream"], False)
    assert events["Action"] == ["logs:PutLogEvents"]
    rules = events["Condition"]["ArnEquals"]["aws:SourceArn"]
    names = {one["name"] for one in dev.of("aws:cloudwatch/eventRule:EventRule").values()}
    assert {arn.rpartition("/")[2] for arn in rules} == names


def test_flow_logs_may_find_their_group():
    graph = run(config_of("dev", network={"flow_logs_days": 3}))
    statements = document(graph, "aws:iam/rolePolicy:RolePolicy", "flow")["Statement"]
    assert {"logs:DescribeLogGroups", "logs:DescribeLogStreams"} <= actions(statements)
    assert [one["Resource"] for one in statements if "logs:DescribeLogGroups" in one["Action"]] == [["*"]]


def test_a_machine_reads_no_parameters_of_the_account(dev):
    attached = {one["policyArn"].rpartition("/")[2] for one in
                dev.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment").values()}  # fmt: skip
    assert attached == {"AmazonEC2ContainerServiceforEC2Role"}
    allowed = actions(document(dev, "aws:iam/rolePolicy:RolePolicy", "machine")["Statement"])
    assert "ssmmessages:OpenDataChannel" in allowed
    assert not any("Parameter" in action for action in allowed)


def test_machines_carry_no_tags_in_their_metadata(dev):
    """A tag that metadata cannot hold (a slash, a space) would stop every launch."""
    for template in dev.of("aws:ec2/launchTemplate:LaunchTemplate").values():
        assert "instanceMetadataTags" not in template["metadataOptions"]
        assert {one["resourceType"] for one in template["tagSpecifications"]} == {"volume"}, (
            "instances: the environment"
        )


# -- images --


def copy(folder: Path) -> Path:
    for name in ("pyproject.toml", ".dockerignore", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("image", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "lammps_jobs").mkdir()
    return folder


def test_the_tag_of_an_image_changes_with_all_that_docker_sees(monkeypatch, tmp_path: Path):
    root = copy(tmp_path)
    monkeypatch.setattr(images, "ROOT", root)  # a constant of the program, which has no arguments
    seen = {images.source_digest({}), images.source_digest({"GPU_ARCH": "Ada89"})}
    for name in ("requirements/image.lock", "requirements/image-gpu.lock", "README.md", "image/Dockerfile"):
        (root / name).write_text((root / name).read_text() + "#\n")
        seen.add(images.source_digest({}))
    (root / "image" / "build-lammps").chmod(0o600)
    seen.add(images.source_digest({}))
    assert len(seen) == 7
    (root / "requirements" / "dev.lock").write_text("")
    assert images.source_digest({}) in seen, "not in the image"


def test_every_variant_keeps_its_own_images(dev):
    policy = document(dev, "aws:ecr/lifecyclePolicy:LifecyclePolicy", "images")
    prefixes = [rule["selection"]["tagPrefixList"] for rule in policy["rules"]]
    assert prefixes == [["turing75-"], ["cpu-"]]
    tags = [one["imageName"].rpartition(":")[2] for one in dev.of("docker:index/image:Image").values()]
    assert all(any(tag.startswith(prefix) for (prefix,) in prefixes) for tag in tags)
