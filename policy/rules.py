"""The rules themselves: from a resource's type and inputs to what is wrong with it. No Pulumi here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Inputs = dict[str, Any]
Rule = Callable[[str, Inputs], Iterator[str]]

WORLD = ("0.0.0.0/0", "::/0")
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def no_public_bucket(token: str, inputs: Inputs) -> Iterator[str]:
    """No bucket is public, by its block, its ACL or its policy."""
    kind = token.rpartition(":")[2]
    if kind == "BucketPublicAccessBlock":
        for name in BLOCKS:
            if inputs.get(name) is not True:
                yield f"{name} must be true"
    if kind in ("Bucket", "BucketAcl") and str(inputs.get("acl", "private")).startswith("public"):
        yield f"acl {inputs['acl']} is public"
    if kind == "BucketPolicy":
        for statement in _statements(inputs.get("policy")):
            if statement.get("Effect") == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"}):
                yield "the bucket policy allows everybody"


def no_open_ingress(token: str, inputs: Inputs) -> Iterator[str]:
    """No security group lets the whole internet in."""
    kind = token.rpartition(":")[2]
    if kind == "SecurityGroupIngressRule":
        for key in ("cidrIpv4", "cidrIpv6"):
            if inputs.get(key) in WORLD:
                yield f"{key} is the whole internet"
    if kind in ("SecurityGroup", "DefaultSecurityGroup"):
        for rule in inputs.get("ingress") or []:
            if set(rule.get("cidrBlocks") or []) & set(WORLD):
                yield "an ingress rule is open to the whole internet"
    if (
        kind == "SecurityGroupRule"
        and inputs.get("type") == "ingress"
        and set(inputs.get("cidrBlocks") or []) & set(WORLD)
    ):
        yield "the rule is open to the whole internet"


def no_unencrypted_volume(token: str, inputs: Inputs) -> Iterator[str]:
    """Every disk is encrypted."""
    kind = token.rpartition(":")[2]
    if kind == "LaunchTemplate":
        volumes = [mapping.get("ebs") or {} for mapping in inputs.get("blockDeviceMappings") or []]
        if not volumes or any(str(volume.get("encrypted")).lower() != "true" for volume in volumes):
            yield "a volume of the launch template is not encrypted"
    if kind == "Volume" and inputs.get("encrypted") is not True:
        yield "the volume is not encrypted"


def metadata_needs_a_token(token: str, inputs: Inputs) -> Iterator[str]:
    """Machines answer questions about themselves (and their credentials) to IMDSv2 only."""
    options = inputs.get("metadataOptions") or {}
    if token.endswith(":LaunchTemplate") and options.get("httpTokens") != "required":
        yield "metadataOptions.httpTokens must be 'required'"


def no_unpinned_image(token: str, inputs: Inputs) -> Iterator[str]:
    """Jobs name their image by digest, and tags in the repository never move."""
    kind = token.rpartition(":")[2]
    if kind == "JobDefinition" and inputs.get("containerProperties"):
        container = json.loads(inputs["containerProperties"])
        if "@sha256:" not in str(container.get("image")):
            yield f"image {container.get('image')} is not given by digest"
        if container.get("privileged"):
            yield "the container is privileged"
    if kind == "Repository" and inputs.get("imageTagMutability") != "IMMUTABLE":
        yield "imageTagMutability must be IMMUTABLE"


def no_wildcard_admin(token: str, inputs: Inputs) -> Iterator[str]:
    """No policy allows every action, or every action of a service on everything."""
    if not token.startswith("aws:iam/"):
        return
    if "AdministratorAccess" in str(inputs.get("policyArn", "")):
        yield "AdministratorAccess is attached"
    for statement in _statements(inputs.get("policy")):
        actions = _listed(statement.get("Action"))
        if statement.get("Effect") == "Allow" and ("*" in actions or statement.get("NotAction")):
            yield "every action is allowed"
        if "*" in _listed(statement.get("Resource")) and any(action.endswith(":*") for action in actions):
            yield "every action of a service is allowed on every resource"


RULES: dict[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (no_public_bucket, no_open_ingress, no_unencrypted_volume, metadata_needs_a_token, no_unpinned_image,
                 no_wildcard_admin)
}  # fmt: skip


def broken(token: str, inputs: Inputs) -> Iterator[str]:
    """Whatever any rule has to say of a resource."""
    for rule in RULES.values():
        yield from rule(token, inputs)


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def _statements(policy: Any) -> list[dict[str, Any]]:
    document = json.loads(policy) if isinstance(policy, str) else policy or {}
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]
