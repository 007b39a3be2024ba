"""An AWS account on loopback: each resource type of the Pulumi program as a call to it.

An unknown type, or an input that AWS has no parameter for, is an error. What moto does not serve is checked
against botocore's model of the request and kept in `Account.only_checked`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3

from emulator.kinds import Inputs, Made
from emulator.requests import request
from emulator.table import kind_of


@dataclass
class Account:
    """The account behind the endpoint `url`; `made` lists what was made, in order."""

    url: str
    region: str = "us-east-1"
    quotas: dict[str, float] = field(default_factory=dict)
    made: list[tuple[str, str]] = field(default_factory=list)
    only_checked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """Made once: making one takes longer than most calls."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service, endpoint_url=self.url, region_name=self.region,
                    aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
            return self._clients[service]

    def call(self, service: str, name: str, inputs: Inputs, /, **renamed: str) -> Any:
        parameters = request(service, name, inputs, **renamed)
        client = self.client(service)
        method = next(m for m, op in client.meta.method_to_api_mapping.items() if op == name)
        return getattr(client, method)(**parameters)

    def check(self, service: str, name: str, inputs: Inputs, /, **renamed: str) -> None:
        self.only_checked.append((name, request(service, name, inputs, **renamed)))

    # -- what a provider does ----------------------------------------------------------------------

    def create(self, token: str, inputs: Inputs) -> Made:
        identity, outputs = kind_of(token).create(self, dict(inputs))
        self.made.append((token, identity))
        return identity, {**inputs, **outputs}

    def update(self, token: str, identity: str, old: Inputs, new: Inputs) -> Inputs:
        kind = kind_of(token)
        changed = kind.update(self, identity, old, dict(new)) if kind.update else {}
        return {**old, **new, **changed}

    def delete(self, token: str, identity: str, state: Inputs) -> None:
        kind_of(token).delete(self, identity, state)
        self.made.remove((token, identity))  # in one step: the engine deletes from several threads

    def invoke(self, token: str, args: Inputs) -> Inputs:
        match token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                found = self.client("sts").get_caller_identity()
                return {
                    "accountId": found["Account"],
                    "arn": found["Arn"],
                    "userId": found["UserId"],
                    "id": found["Account"],
                }
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                zones = self.client("ec2").describe_availability_zones()["AvailabilityZones"]
                names = sorted(zone["ZoneName"] for zone in zones if zone["State"] == args.get("state", "available"))
                return {"names": names, "id": self.region, "groupNames": [], "zoneIds": [], "region": self.region}
            case "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings":
                zones = [self.region + letter for letter in "abc"]
                return offerings(zones, args)
            case "aws:ec2/getSubnet:getSubnet":
                (found,) = self.client("ec2").describe_subnets(SubnetIds=[args["id"]])["Subnets"]
                return {"id": args["id"], "vpcId": found["VpcId"], "availabilityZone": found["AvailabilityZone"]}
            case "aws:servicequotas/getServiceQuota:getServiceQuota":
                return {"value": self.quotas.get(args["quotaCode"], 10_000.0), "id": args["quotaCode"], **args}
            case "aws:ecr/getAuthorizationToken:getAuthorizationToken":
                return {"userName": "AWS", "password": "token", "id": self.region, "proxyEndpoint": "", "expiresAt": "",
                        "authorizationToken": "token", "region": self.region}  # fmt: skip
        raise KeyError(f"The table of the test account does not know the function {token}")


def offerings(zones: Sequence[str], args: Inputs) -> Inputs:
    """An answer of DescribeInstanceTypeOfferings in which every zone has every type that was asked for."""
    (types,) = [one["values"] for one in args["filters"] if one["name"] == "instance-type"]
    pairs = [(zone, name) for zone in zones for name in types]
    return {
        "locations": [zone for zone, _ in pairs],
        "instanceTypes": [name for _, name in pairs],
        "locationTypes": ["availability-zone"] * len(pairs),
        "id": "",
    }
