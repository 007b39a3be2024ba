"""Each rule of the policy pack, broken once; and the pack that Pulumi loads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi_policy import ResourceValidationArgs, ResourceValidationPolicy

from policy.pack import policies
from policy.rules import BLOCKS, RULES, broken

ADMIN = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
ALL_OF_S3 = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]})
PUBLIC = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}]})
IMAGE = json.dumps({"image": "lammps:latest", "privileged": True})
PLAIN_DISK = [{"ebs": {"encrypted": "false"}}]

BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("no-public-bucket", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", dict.fromkeys(BLOCKS[:3], True)),
    ("no-public-bucket", "aws:s3/bucket:Bucket", {"acl": "public-read"}),
    ("no-public-bucket", "aws:s3/bucketPolicy:BucketPolicy", {"policy": PUBLIC}),
    ("no-open-ingress", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv4": "0.0.0.0/0"}),
    ("no-open-ingress", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"cidrIpv6": "::/0"}),
    ("no-open-ingress", "aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]}),
    (
        "no-open-ingress",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        {"type": "ingress", "cidrBlocks": ["0.0.0.0/0"]},
    ),
    ("no-unencrypted-volume", "aws:ec2/launchTemplate:LaunchTemplate", {"blockDeviceMappings": PLAIN_DISK}),
    ("no-unencrypted-volume", "aws:ebs/volume:Volume", {}),
    (
        "metadata-needs-a-token",
        "aws:ec2/launchTemplate:LaunchTemplate",
        {"metadataOptions": {"httpTokens": "optional"}},
    ),
    ("no-unpinned-image", "aws:batch/jobDefinition:JobDefinition", {"containerProperties": IMAGE}),
    ("no-unpinned-image", "aws:ecr/repository:Repository", {"imageTagMutability": "MUTABLE"}),
    ("no-wildcard-admin", "aws:iam/policy:Policy", {"policy": ADMIN}),
    ("no-wildcard-admin", "aws:iam/rolePolicy:RolePolicy", {"policy": ALL_OF_S3}),
    ("no-wildcard-admin", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"policyArn": "x/AdministratorAccess"}),
]


@pytest.mark.parametrize(("name", "token", "inputs"), BROKEN)
def test_rule_is_broken_by(name, token, inputs):
    assert list(RULES[name](token, inputs))


def test_every_rule_was_broken_once():
    assert {name for name, _, _ in BROKEN} == set(RULES)


def test_what_is_no_business_of_the_rules_passes():
    assert not list(broken("aws:sns/topic:Topic", {"name": "x"}))
    assert not list(broken("aws:ec2/securityGroup:SecurityGroup", {"name": "x"}))


def test_the_pack_reports_what_the_rules_say():
    said: dict[str, list[str]] = {}
    for policy in policies():
        assert isinstance(policy, ResourceValidationPolicy)
        assert policy.description
        args = ResourceValidationArgs("aws:ebs/volume:Volume", {}, "urn", "disk", None, None)
        policy.validate(args, lambda text, urn=None, name=policy.name: said.setdefault(name, []).append(text))
    assert said == {"no-unencrypted-volume": ["the volume is not encrypted"]}
