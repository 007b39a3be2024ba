"""What a stack's configuration may say, and what is said of one that cannot be deployed."""

from __future__ import annotations

import json

import pulumi
import pytest
import yaml

from emulator import ROOT
from emulator.graph import Graph, config_of, flat, run
from infra.config import ConfigError, StackConfig, bucket_name, load
from infra.schema import schema

POOL = {"name": "t4", "instance_types": ["g4dn.xlarge"], "gpu": "Turing75", "max_vcpus": 16}
ON_DEMAND = {**POOL, "name": "sure", "purchase": "on-demand"}
CPU = {"name": "cpu", "instance_types": ["c7i.xlarge"], "max_vcpus": 16}


def values(**keys: object) -> dict[str, str]:
    return flat({"aws:region": "eu-central-1"}, **{"pools": [POOL], **keys})


def said(raw: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as error:
        load(raw, "dev")
    return str(error.value)


def test_a_region_and_one_pool_are_enough():
    config = load(values(), "dev")
    pool = config.pools[0]
    assert (pool.job_gpus, pool.job_vcpus, pool.job_memory_mib) == (1, 4, 14745)
    assert pool.allocation_strategy == "SPOT_PRICE_CAPACITY_OPTIMIZED"
    assert config.variants == {"Turing75"}


def test_other_namespaces_are_left_alone():
    load({**values(), "aws:profile": "lab", "docker:host": "x"}, "dev")


BAD = {
    "typo at the top": ({"netwrok": {}}, "lammps-jobs:netwrok is not known. Known here: network, pools"),
    "typo inside": ({"network": {"cdir": "10.0.0.0/16"}}, "lammps-jobs:network.cdir is not known. Known here: cidr"),
    "typo in a pool": ({"pools": [{**POOL, "max_cpus": 1}]}, "lammps-jobs:pools[0].max_cpus is not known"),
    "wrong type": ({"pools": [{**POOL, "max_vcpus": "many"}]}, 'lammps-jobs:pools[0].max_vcpus = "many"'),
    "wrong choice": ({"network": {"egress": "vpn"}}, "'public', 'nat' or 'endpoints'"),
    "no pools": ({"pools": []}, "lammps-jobs:pools"),
    "pools missing": ({"pools": None}, "lammps-jobs:pools is missing"),
    "unknown type": ({"pools": [{**POOL, "instance_types": ["g4dn.huge"]}]}, "known are g4dn.xlarge"),
    "another GPU": ({"pools": [{**POOL, "gpu": "Ampere80"}]}, "its GPU is 'Turing75'"),
    "no GPU said": ({"pools": [{**POOL, "gpu": None}]}, "its GPU is 'Turing75'"),
    "p3": ({"pools": [{**POOL, "instance_types": ["p3.2xlarge"]}]}, "Amazon Linux 2023 has no driver for the V100"),
    "fall-back missing": ({"pools": [{**POOL, "critical": True}]}, "name an on-demand `fallback`"),
    "fall-back unknown": ({"pools": [{**POOL, "fallback": "x"}]}, "fallback 'x' of t4 is no on-demand pool"),
    "fall-back of another image": (
        {"pools": [{**POOL, "fallback": "cpu"}, {**CPU, "purchase": "on-demand"}]}, "another GPU architecture"),
    "fall-back of on-demand": ({"pools": [{**ON_DEMAND, "fallback": "t4"}]}, "makes no sense for an on-demand pool"),
    "Spot strategy on demand": ({"pools": [{**ON_DEMAND, "allocation": "capacity"}]}, "leave it out"),
    "two of one name": ({"pools": [POOL, POOL]}, "names must differ"),
    "scratch disks missing": ({"pools": [{**CPU, "scratch": "instance-store"}]}, "use 'ebs'"),
    "job too large": ({"pools": [{**POOL, "job": {"gpus": 4}}]}, "fits on none of instance_types"),
    "limit too small": ({"pools": [{**POOL, "max_vcpus": 2}]}, "the smallest type has 4"),
    "network too small": ({"network": {"cidr": "10.0.0.0/28"}}, "must be /16 to /22"),
    "networks overlap": ({"network": {"cidr": "10.1.0.0/16", "avoid": ["10.0.0.0/8"]}}, "choose another range"),
    "ssh open to all": ({"access": {"kind": "ssh", "ssh_key": "k", "ssh_cidrs": ["0.0.0.0/0"]}}, "whole internet"),
    "ssh without a key": ({"access": {"kind": "ssh"}}, "needs ssh_key and ssh_cidrs"),
    "ssh into a private network": (
        {"access": {"kind": "ssh", "ssh_key": "k", "ssh_cidrs": ["192.0.2.0/24"]}, "network": {"egress": "nat"}},
        "cannot reach private subnets"),
    "budget for nobody": ({"alerts": {"monthly_budget_usd": 10}}, "add `emails`"),
    "limit for nobody": ({"alerts": {"stop_jobs_at_usd": 10}}, "that nobody hears of"),
    "no e-mail": ({"alerts": {"emails": ["me"]}}, "lammps-jobs:alerts.emails[0]"),
    "image not by digest": ({"image": {"source": "existing", "digests": {"Turing75": "x:latest"}}}, "image.digests"),
    "image missing": ({"image": {"source": "existing", "digests": {}}}, "missing Turing75"),
    "region in the wrong place": ({"region": "eu-central-1"}, "Say it once, as aws:region"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_configuration_is_named_with_file_key_and_remedy(case):
    changes, expected = BAD[case]
    text = said(values(**changes))
    assert expected in text
    assert text.startswith("Pulumi.dev.yaml: ")


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("MyGroup_1", "lower-case letters, digits and single dashes"),
        ("lab--a", "lower-case"),
        ("1st", "a letter first"),
        ("a-group-with-a-long-name", "too long by 4: in eu-central-1 it can have 20 characters"),
    ],
)
def test_a_stack_name_that_no_bucket_can_have(stack, expected):
    with pytest.raises(ConfigError, match=expected):
        load(values(), stack)


def test_the_longest_stack_name_gives_a_bucket_that_s3_takes():
    load(values(), "a" * 20)
    assert len(bucket_name("a" * 20, "1" * 12, "eu-central-1")) == 63


@pytest.mark.parametrize("region", ["", "frankfurt"])
def test_missing_or_wrong_region(region):
    text = said({**values(), "aws:region": region})
    assert "aws:region" in text


@pytest.mark.parametrize(
    ("graph", "docker", "changes", "expected"),
    [
        (Graph(), False, {}, "no Docker engine answers here"),
        (Graph(quotas={"L-3819A6DF": 0.0}), True, {}, "Not even one machine can start"),
        (Graph(), True, {"network": {"zones": 3, "cidr": "10.0.0.0/8"}}, "must be /16 to /22"),
    ],
    ids=["docker", "quota", "config"],
)
def test_nothing_is_registered_when_something_is_wrong(graph, docker, changes, expected):
    with pytest.raises(pulumi.RunError, match=expected):
        run(config_of("dev", **changes), graph=graph, docker=docker)
    assert not graph.types


def test_a_preview_without_docker_only_warns():
    assert run(config_of("dev"), preview=True, docker=False).types


def test_too_low_quota_is_asked_for_when_the_config_says_so():
    graph = run(config_of("dev", quotas={"request": True}), graph=Graph(quotas={"L-3819A6DF": 0.0}))
    asked = graph.of("aws:servicequotas/serviceQuota:ServiceQuota")
    assert asked == {"l-3819a6df": {"serviceCode": "ec2", "quotaCode": "L-3819A6DF", "value": 16.0}}


def test_schema_in_the_docs_is_fresh_and_takes_both_stacks():
    jsonschema = pytest.importorskip("jsonschema")
    assert json.loads((ROOT / "docs" / "stack-config.schema.json").read_text()) == schema()
    for stack in ("dev", "prod"):
        jsonschema.validate(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"config": {"aws:region": "x", "lammps-jobs:pools": [], "lammps-jobs:typo": 1}}, schema())


def test_every_key_is_documented():
    undocumented = [
        f"{name}.{key}"
        for name, model in StackConfig.model_json_schema()["$defs"].items()
        for key, field in model["properties"].items()
        if not field.get("description") and "default" not in field and "$ref" not in field and "const" not in field
    ]
    assert not undocumented
