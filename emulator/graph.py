"""Runs the Pulumi program against mocks and keeps the graph that it registers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pulumi
import yaml
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import Stack

from emulator import ROOT
from emulator.account import Account, offerings
from infra.config import PROJECT


def config_of(stack: str, **changes: Any) -> dict[str, str]:
    """What Pulumi hands the program of `Pulumi.<stack>.yaml`, with `changes` to the project's keys (None: remove)."""
    file = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    return flat(file["config"], **changes)


def flat(values: dict[str, Any], **changes: Any) -> dict[str, str]:
    values = {**values, **{f"{PROJECT}:{key}": value for key, value in changes.items()}}
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


@dataclass
class Graph(Mocks):
    """Every resource that the program registered, (type, name) to its inputs; made for real with an `account`.

    An archive is there as its texts by name.
    """

    account: Account | None = None
    quotas: dict[str, float] = field(default_factory=dict)
    offered: dict[str, set[str]] = field(default_factory=dict)
    """Instance types by zone; every type in every zone where it is empty."""
    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        archives = {key: one for key, one in args.inputs.items() if isinstance(one, pulumi.AssetArchive)}
        args.inputs |= {key: _texts(one) for key, one in archives.items()}
        self.resources[args.typ, args.name] = args.inputs
        if ":infra:" in args.typ or args.typ.startswith("pulumi:"):
            return "", {}
        if self.account:
            number, made = self.account.create(args.typ, args.inputs)
            return number, made | archives
        return f"{args.typ}.{args.name}", {**args.inputs, **_supposed(args), **archives}

    def call(self, args: MockCallArgs) -> dict[str, Any]:  # type: ignore[override]  # both are taken
        if self.account:
            return self.account.invoke(args.token, args.args)
        if self.offered and args.token.endswith(":getInstanceTypeOfferings"):
            pairs = [(zone, name) for zone, names in self.offered.items() for name in sorted(names)]
            return {"locations": [zone for zone, _ in pairs], "instanceTypes": [name for _, name in pairs], "id": ""}
        return _known(args, self.quotas)

    def of(self, token: str) -> dict[str, dict[str, Any]]:
        """The resources of one type, by name."""
        return {name: inputs for (typ, name), inputs in self.resources.items() if typ == token}

    @property
    def types(self) -> set[str]:
        return {typ for typ, _ in self.resources if typ.startswith(("aws:", "docker:"))}


def _texts(archive: pulumi.AssetArchive) -> dict[str, str]:
    return {name: one.text for name, one in archive.assets.items() if isinstance(one, pulumi.StringAsset)}


def _supposed(args: MockResourceArgs) -> dict[str, Any]:
    name, kind = args.inputs.get("name", args.name), args.typ.rpartition(":")[2]
    found: dict[str, Any] = {
        "arn": f"arn:aws:{args.typ.split(':')[1].split('/')[0]}:us-east-1:123456789012:{kind}/{name}"
    }
    match kind:
        case "LaunchTemplate":
            found["latestVersion"] = 1
        case "Repository":
            found |= {
                "repositoryUrl": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}",
                "registryId": "123456789012",
            }
            found["arn"] = f"arn:aws:ecr:us-east-1:123456789012:repository/{name}"
        case "Image":
            found["repoDigest"] = f"{args.inputs['imageName']}@sha256:" + "0" * 64
        case "Key":
            found["arn"] = f"arn:aws:kms:us-east-1:123456789012:key/{name}"
        case "LogGroup":
            found["arn"] = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        case "Bucket":
            found["arn"] = f"arn:aws:s3:::{args.inputs['bucket']}"
    return found


def _known(args: MockCallArgs, quotas: dict[str, float]) -> dict[str, Any]:
    match args.token.rpartition(":")[2]:
        case "getCallerIdentity":
            return {"accountId": "123456789012", "arn": "", "userId": "", "id": ""}
        case "getAvailabilityZones":
            return {"names": [f"us-east-1{letter}" for letter in "abc"], "id": ""}
        case "getInstanceTypeOfferings":
            return offerings([f"us-east-1{letter}" for letter in "abc"], dict(args.args))
        case "getSubnet":
            letter = "ab"[int(str(args.args["id"])[-1], 16) % 2]
            return {"id": args.args["id"], "vpcId": "vpc-0123456789abcdef0", "availabilityZone": f"us-east-1{letter}"}
        case "getServiceQuota":
            return {"value": quotas.get(str(args.args["quotaCode"]), 10_000.0), "id": ""}
        case "getAuthorizationToken":
            return {"userName": "AWS", "password": "x", "id": ""}
    raise KeyError(args.token)


def run(
    config: dict[str, str],
    stack: str = "dev",
    *,
    graph: Graph | None = None,
    preview: bool = False,
    docker: bool = True,
) -> Graph:
    """Run the program; raises what it raises. The graph holds what was registered until then."""
    from infra.stack import build

    made = graph or Graph()
    pulumi.runtime.set_mocks(made, project=PROJECT, stack=stack, preview=preview)
    set_root_resource(None)  # type: ignore[arg-type]  # that of the run before
    pulumi.runtime.set_all_config(config)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def program() -> None:
        root = Stack(lambda: build(lambda: docker))
        pulumi.Output.from_input(root.outputs).apply(lambda found: setattr(made, "outputs", found))

    program()
    return made
