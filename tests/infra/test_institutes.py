"""What institutes require: their network, keys, repositories, boundaries and tags, and several stacks in an account."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from emulator.account import Account
from emulator.graph import Graph, config_of, run
from emulator.servers import moto
from infra.config import ConfigError, load
from infra.zones import zones_for

VPC, SUBNETS, GROUP = (
    "vpc-0123456789abcdef0",
    ["subnet-0000000000000000a", "subnet-0000000000000000b"],
    "sg-0123456789abcdef0",
)
OURS = {"existing": {"vpc_id": VPC, "subnet_ids": SUBNETS}}
ENVIRONMENT = "aws:batch/computeEnvironment:ComputeEnvironment"
GROUPS = "aws:ec2/securityGroup:SecurityGroup"
BOUNDARY = "arn:aws:iam::123456789012:policy/institute"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"


def documents(graph: Graph, token: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(graph.of(token)[name]["policy"])
    return found


def test_machines_go_into_the_institutes_network_and_none_is_made():
    graph = run(config_of("dev", network=OURS))
    network = {one for one in graph.types if one.startswith(("aws:ec2/", "aws:vpc/"))} - {
        "aws:ec2/launchTemplate:LaunchTemplate", GROUPS,
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"}  # fmt: skip
    assert not network
    assert [one["vpcId"] for one in graph.of(GROUPS).values()] == [VPC]
    for environment in graph.of(ENVIRONMENT).values():
        assert environment["computeResources"]["subnets"] == SUBNETS


def test_the_institutes_security_groups_are_used_as_they_are():
    graph = run(config_of("dev", network={"existing": {**OURS["existing"], "security_group_ids": [GROUP]}}))
    assert not graph.of(GROUPS)
    assert {tuple(one["computeResources"]["securityGroupIds"]) for one in graph.of(ENVIRONMENT).values()} == {(GROUP,)}


def test_the_network_that_is_there_is_looked_at_before_anything_is_made():
    config = load(config_of("dev", network=OURS), "dev")
    types = {name for pool in config.pools for name in pool.instance_types}
    offered = {"us-east-1a": types, "us-east-1b": {"c7i.xlarge"}, "us-east-1c": types}

    def zones(*places: tuple[str, str]) -> tuple[str, ...]:
        return zones_for(config, sorted(offered), offered, dict(zip(SUBNETS, places, strict=True)))

    assert zones((VPC, "us-east-1a"), (VPC, "us-east-1b")) == ("us-east-1a", "us-east-1b")
    with pytest.raises(ConfigError, match=r"subnet-0+b is in vpc-1, not in vpc-0123456789abcdef0"):
        zones((VPC, "us-east-1a"), ("vpc-1", "us-east-1b"))
    with pytest.raises(ConfigError, match=r"no machine of t4 can be had in us-east-1b: .* or subnets there"):
        zones((VPC, "us-east-1b"), (VPC, "us-east-1b"))


def test_a_real_vpc_takes_the_machines():
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        account = Account(url, "eu-central-1")
        ec2 = account.client("ec2")
        subnets = [one for one in ec2.describe_subnets()["Subnets"] if one["AvailabilityZone"][-1] in "ab"]
        network = {"existing": {"vpc_id": subnets[0]["VpcId"], "subnet_ids": [one["SubnetId"] for one in subnets]}}
        run(config_of("dev", network=network), graph=Graph(account=account))
        made = account.client("batch").describe_compute_environments()["computeEnvironments"]
        assert {tuple(one["computeResources"]["subnets"]) for one in made} == {tuple(network["existing"]["subnet_ids"])}
        assert len(ec2.describe_vpcs()["Vpcs"]) == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"network": {"existing": {"vpc_id": "vpc", "subnet_ids": SUBNETS}}}, "network.existing.vpc_id"),
        ({"network": {"existing": {"vpc_id": VPC, "subnet_ids": []}}}, "network.existing.subnet_ids"),
        ({"network": {"existing": {"vpc": VPC}}}, "Known here: vpc_id, subnet_ids, security_group_ids"),
        ({"network": {"existing": {**OURS["existing"], "security_group_ids": [GROUP]}},
          "access": {"kind": "instance-connect"}}, "are not the stack's: leave them out, or use session-manager"),
        ({"tags": {"stack": "mine"}}, "tags: 'stack' is set by the stack"),
        ({"tags": {"aws:owner": "me"}}, "is set by the stack, its jobs, or AWS"),
        ({"tags": {"owner": "x" * 257}}, "values of up to 256"),
        ({"permissions_boundary": "institute"}, "lammps-jobs:permissions_boundary"),
        ({"storage": {"key_arn": "alias/x"}}, "lammps-jobs:storage.key_arn"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(changes, expected):
    with pytest.raises(ConfigError, match=re.escape(expected)):
        load(config_of("dev", **changes), "dev")


def test_no_role_is_without_the_institutes_boundary():
    alerts = {"emails": ["a@b.org"], "monthly_budget_usd": 10, "stop_at_budget": True}
    graph = run(config_of("dev", permissions_boundary=BOUNDARY, github="lab/runs", alerts=alerts,
                          network={"flow_logs_days": 3}))  # fmt: skip
    roles = graph.of("aws:iam/role:Role")
    assert {"machine", "execution", "job-t4", "github", "flow", "stop"} <= set(roles)
    assert {one["permissionsBoundary"] for one in roles.values()} == {BOUNDARY}


def test_the_institutes_tags_are_on_all_that_has_tags_on_machines_and_on_disks():
    graph = run(config_of("dev", tags={"CostCentre": "4711"}))
    tagged = [inputs["tags"] for inputs in graph.resources.values() if "tags" in inputs]
    tagged += [one["computeResources"]["tags"] for one in graph.of(ENVIRONMENT).values()]
    templates = graph.of("aws:ec2/launchTemplate:LaunchTemplate").values()
    tagged += [spec["tags"] for one in templates for spec in one["tagSpecifications"]]
    assert len(tagged) > 40
    assert {(one.get("CostCentre"), one["stack"]) for one in tagged} == {("4711", "dev")}


def test_the_institutes_key_encrypts_the_bucket_that_is_made():
    graph = run(config_of("dev", storage={"encryption": "kms", "key_arn": KEY}))
    assert not graph.of("aws:kms/key:Key")
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    (rule,) = graph.of(token)["runs"]["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
    statements = documents(graph, "aws:iam/rolePolicy:RolePolicy", "job-t4")["Statement"]
    assert [one["Resource"] for one in statements if one["Sid"] == "Encrypt"] == [[KEY]]


def test_images_of_another_repository_in_ecr_may_be_pulled():
    digest = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/hpc/lammps@sha256:" + "a" * 64
    image = {"source": "existing", "digests": {"Turing75": digest, "cpu": "ghcr.io/lab/lammps@sha256:" + "b" * 64}}
    statements = documents(run(config_of("dev", image=image)), "aws:iam/rolePolicy:RolePolicy", "execution")[
        "Statement"
    ]
    pull = {one["Sid"]: one["Resource"] for one in statements}
    assert pull["Pull"] == ["arn:aws:ecr:eu-west-1:210987654321:repository/hpc/lammps"]
    assert pull["Login"] == ["*"]


NAMES = ("name", "namePrefix", "bucket", "dashboardName", "policyName", "imageName")


def test_two_stacks_of_an_account_have_no_name_in_common():
    def names(stack: str, provider: str) -> set[tuple[str, str, str]]:
        config = config_of("prod", github="lab/runs", github_provider=provider)
        graph = run(config, stack, graph=Graph(quotas={"L-7212CCBC": 0.0}))
        return {(token, key, inputs[key]) for (token, _), inputs in graph.resources.items() for key in NAMES
                if isinstance(inputs.get(key), str) and not inputs[key].startswith("aws:")}  # fmt: skip

    both = names("physics", "make") & names("chemistry", "existing")
    assert not both
