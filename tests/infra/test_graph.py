"""What the program registers: for both stacks, for every variant, and what must hold whatever the config says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.graph import Graph, config_of, flat, run
from emulator.table import KINDS
from infra.config import PROJECT
from infra.policies import Document
from lammps_jobs.backends.aws_batch.contract import StackOutputs
from policy import rules

ENVIRONMENT, QUEUE = "aws:batch/computeEnvironment:ComputeEnvironment", "aws:batch/jobQueue:JobQueue"
DEFINITION = "aws:batch/jobDefinition:JobDefinition"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@pytest.fixture(scope="module")
def dev() -> Graph:
    return run(config_of("dev"))


@pytest.fixture(scope="module")
def prod() -> Graph:
    return run(config_of("prod"), "prod", graph=Graph(quotas={"L-7212CCBC": 0.0}))


@pytest.fixture(params=["dev", "prod"])
def graph(request) -> Graph:
    return request.getfixturevalue(request.param)


def test_outputs_are_those_of_the_library(graph):
    outputs = StackOutputs.model_validate(graph.outputs)
    written = graph.of("aws:ssm/parameter:Parameter")["outputs"]
    assert StackOutputs.model_validate_json(written["insecureValue"]) == outputs
    assert written["name"] == f"/lammps-jobs/{outputs.stack}/outputs"
    assert next(iter(outputs.pools)) == outputs.default_pool


def test_every_type_is_in_the_table_of_the_test_account(graph):
    assert graph.types <= set(KINDS)


def test_everything_that_can_be_tagged_tells_its_stack(graph):
    for (token, name), inputs in graph.resources.items():
        if "tags" in inputs:
            assert inputs["tags"]["project"] == PROJECT, (token, name)
            assert inputs["tags"]["stack"] in ("dev", "prod")


def test_machines_scale_to_zero_and_run_what_batch_still_offers(graph):
    for environment in graph.of(ENVIRONMENT).values():
        resources = environment["computeResources"]
        gpu = any(name.startswith(("g", "p")) for name in resources["instanceTypes"])
        assert resources["minVcpus"] == 0
        assert resources["ec2Configurations"] == [{"imageType": "ECS_AL2023_NVIDIA" if gpu else "ECS_AL2023"}]
        assert resources["allocationStrategy"] in ("SPOT_PRICE_CAPACITY_OPTIMIZED", "BEST_FIT_PROGRESSIVE")
        assert "serviceRole" not in environment, "it could not be updated in place"
        assert "name" not in environment, "a replacement could not be there before the old one goes"


def test_spot_comes_first_and_on_demand_after(dev):
    orders = dev.of(QUEUE)["t4"]["computeEnvironmentOrders"]
    assert [(one["order"], one["computeEnvironment"].rpartition("/")[2]) for one in orders] == [
        (1, "t4"), (2, "t4-on-demand")
    ]  # fmt: skip


def test_launch_template(graph):
    for template in graph.of("aws:ec2/launchTemplate:LaunchTemplate").values():
        options = template["metadataOptions"]
        assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)
        assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"
        script = base64.b64decode(template["userData"]).decode()
        assert script.startswith("MIME-Version: 1.0")
        assert "\nSTOP_TIMEOUT=110s\n" in script  # what it does with it: test_user_data.py


def test_job_definition(graph):
    for definition in graph.of(DEFINITION).values():
        container = json.loads(definition["containerProperties"])
        assert "@sha256:" in container["image"]
        assert not container["privileged"]
        assert container["readonlyRootFilesystem"]
        assert container["user"] == "1000:1000"
        volumes = {one["name"]: one["host"].get("sourcePath") for one in container["volumes"]}
        shared = [one for one in container["mountPoints"] if volumes[one["sourceVolume"]]]
        assert all(one["readOnly"] for one in shared), "jobs of different users would write into one folder"
        rules_ = definition["retryStrategy"]["evaluateOnExits"]
        assert len(rules_) <= 5, "AWS Batch takes no more"
        assert rules_[-1] == {"action": "EXIT", "onReason": "*"}, "what no rule matches would be retried"
        assert {"action": "RETRY", "onExitCode": "75"} in rules_
        assert {"action": "RETRY", "onStatusReason": "Host EC2*"} in rules_


def test_jobs_that_cannot_start_do_not_wait_for_ever(graph):
    for queue in graph.of(QUEUE).values():
        for action in queue["jobStateTimeLimitActions"]:
            assert 600 <= action["maxTimeSeconds"] <= 86400
            assert action["action"] == "CANCEL"


def test_prod_is_private_alarmed_encrypted_and_asks_for_quotas(prod):
    assert not any(subnet["mapPublicIpOnLaunch"] for subnet in prod.of("aws:ec2/subnet:Subnet").values())
    assert prod.of("aws:ec2/natGateway:NatGateway")
    assert prod.of("aws:ec2/flowLog:FlowLog")
    assert prod.of("aws:kms/key:Key")["runs"]["enableKeyRotation"]
    assert set(prod.of("aws:cloudwatch/metricAlarm:MetricAlarm")) == {
        "job-failed", "queue-blocked", "environment-invalid", "checkpoint-age", "guard-failed"
    }  # fmt: skip
    assert prod.of("aws:budgets/budget:Budget")
    assert prod.of("aws:costexplorer/anomalySubscription:AnomalySubscription")
    assert prod.of("aws:servicequotas/serviceQuota:ServiceQuota")


def test_machines_without_internet_reach_aws_by_endpoints_only():
    graph = run(config_of("dev", network={"egress": "endpoints"}))
    assert not graph.of("aws:ec2/internetGateway:InternetGateway")
    assert not graph.of("aws:ec2/route:Route")
    endpoints = graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert {"s3", "ecr-api", "ecr-dkr", "logs", "ecs-agent"} <= set(endpoints)


@pytest.mark.parametrize(
    ("access", "rules_"),
    [
        ({"kind": "none"}, set()),
        ({"kind": "session-manager"}, set()),
        ({"kind": "instance-connect"}, {"ssh-connect"}),
        ({"kind": "ssh", "ssh_key": "lab", "ssh_cidrs": ["192.0.2.0/24"]}, {"ssh-0"}),
    ],
)
def test_ways_in(access, rules_):
    graph = run(config_of("dev", access=access))
    assert set(graph.of(INGRESS)) == rules_


def test_images_by_digest_need_no_docker_and_no_repository():
    digest = "registry.example.org/lammps@sha256:" + "a" * 64
    image = {"source": "existing", "digests": {"Turing75": digest, "cpu": digest}}
    graph = run(config_of("dev", image=image), docker=False)
    assert not graph.of("docker:index/image:Image")
    assert json.loads(graph.of(DEFINITION)["t4"]["containerProperties"])["image"] == digest


def test_one_image_for_each_architecture(dev):
    builds = {name: image["build"] for name, image in dev.of("docker:index/image:Image").items()}
    assert {name: build["args"]["GPU_ARCH"] for name, build in builds.items()} == {"turing75": "Turing75", "cpu": "cpu"}
    assert {name: build["target"] for name, build in builds.items()} == {"turing75": "gpu", "cpu": "cpu"}


def test_github_may_submit_from_its_main_branch_only():
    graph = run(config_of("dev", github="lab/runs"))
    trust = json.loads(graph.of("aws:iam/role:Role")["github"]["assumeRolePolicy"])
    condition = trust["Statement"][0]["Condition"]["StringEquals"]
    assert condition["token.actions.githubusercontent.com:sub"] == "repo:lab/runs:ref:refs/heads/main"


# -- whatever the configuration says ---------------------------------------------------------------

POOLS: dict[str, dict[str, Any]] = {
    "t4": {"instance_types": ["g4dn.xlarge"], "gpu": "Turing75"},
    "a10g": {"instance_types": ["g5.xlarge", "g5.2xlarge"], "gpu": "Ampere86", "scratch": "instance-store"},
    "h100": {"instance_types": ["p5.48xlarge"], "gpu": "Hopper90", "job": {"gpus": 8}},
    "cpu": {"instance_types": ["c7i.xlarge", "c7a.4xlarge"]},
}

CIDRS = ["10.0.0.0/16", "172.20.0.0/22"]
ALERTS = [{}, {"emails": ["a@b.org"], "monthly_budget_usd": 10, "anomaly_usd": 5, "cost_tags": True}]


@st.composite
def configs(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(sorted(POOLS)), min_size=1, max_size=4, unique=True))
    purchase = st.sampled_from(["spot", "on-demand"])
    pools = [{**POOLS[name], "name": name, "purchase": draw(purchase), "max_vcpus": draw(st.integers(192, 2000))}
             for name in names]  # fmt: skip
    egress = draw(st.sampled_from(["public", "nat", "endpoints"]))
    ways: list[dict[str, Any]] = [{"kind": kind} for kind in ("none", "session-manager", "instance-connect")]
    if egress == "public":
        ways.append({"kind": "ssh", "ssh_key": "k", "ssh_cidrs": ["198.51.100.0/24", "203.0.113.7/32"]})
    return flat(
        {"aws:region": draw(st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]))},
        pools=pools,
        network={"egress": egress, "zones": draw(st.integers(2, 3)), "cidr": draw(st.sampled_from(CIDRS))},
        access=draw(st.sampled_from(ways)),
        storage={"encryption": draw(st.sampled_from(["s3", "kms"])),
                 "on_destroy": draw(st.sampled_from(["keep", "delete"]))},
        alerts=draw(st.sampled_from(ALERTS)),
        github=draw(st.sampled_from([None, "lab/runs"])),
        protect=draw(st.booleans()),
    )  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs())
def test_no_config_breaks_a_rule_that_must_never_break(config):
    graph = run(config)
    for (token, name), inputs in graph.resources.items():
        assert not list(rules.broken(token, inputs)), (token, name)
    StackOutputs.model_validate(graph.outputs)
    assert graph.types <= set(KINDS)


def documents(graph: Graph) -> dict[str, Document]:
    """Every IAM document of the graph, by the name of its resource."""
    found = {}
    for (token, name), inputs in graph.resources.items():
        for key in ("policy", "assumeRolePolicy"):
            if token.startswith("aws:iam/") and key in inputs:
                found[f"{token.rpartition(':')[2]} {name}"] = json.loads(inputs[key])
    return found


def test_iam_documents_pass_a_linter(graph):
    parliament = pytest.importorskip("parliament")
    for name, document in documents(graph).items():
        if name.startswith("Role "):
            continue  # trust policies have principals, which this linter does not know
        found = [
            f for f in parliament.analyze_policy_string(json.dumps(document)).findings if f.issue != "RESOURCE_STAR"
        ]
        # its tables want a job as SubmitJob's resource; AWS's own example names queue and definition, as we do
        serious = [f for f in found if "batch:SubmitJob" not in str(f)]
        assert not serious, (name, serious)


def test_star_as_resource_only_where_aws_has_nothing_narrower(graph):
    star = {
        action
        for document in documents(graph).values()
        for statement in document["Statement"]
        if statement.get("Resource") == ["*"]
        for action in statement["Action"]
    }
    assert star <= {
        "ecr:GetAuthorizationToken", "batch:DescribeJobs", "batch:DescribeJobQueues", "batch:ListJobs",
        "batch:DescribeComputeEnvironments", "batch:DescribeJobDefinitions", "servicequotas:GetServiceQuota",
        "ecs:DescribeContainerInstances", "ec2:DescribeInstances", "logs:DescribeLogGroups",
        "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }  # fmt: skip
