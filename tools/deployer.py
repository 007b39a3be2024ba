"""Write docs/roles: policies for those who deploy, made from the calls of `up` and `destroy`: `--write`, `--check`.

The stack prod, and dev with every choice that makes more, are made in an emulated account, changed in place and
removed; each call that AWS got is an action. What the provider reads besides is a list of ours (`infra/deployer.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from emulator import ROOT
from emulator.account import Account
from emulator.graph import Graph, config_of, run
from emulator.kinds import Inputs, Made
from emulator.servers import moto
from infra.deployer import reading, writing
from infra.policies import Document

FOLDER = ROOT / "docs" / "roles"
EVERY_CHOICE: dict[str, Any] = {
    "alerts": {"emails": ["a@example.org"], "monthly_budget_usd": 10, "anomaly_usd": 5, "cost_tags": True,
               "stop_at_budget": True, "stop_jobs_at_usd": 20},
    "access": {"kind": "instance-connect"}, "network": {"egress": "endpoints", "flow_logs_days": 3},
    "storage": {"encryption": "kms", "on_destroy": "delete"}, "github": "lab/runs",
}  # fmt: skip

PREFIXES = {"service-quotas": "servicequotas"}
"""Services whose actions begin otherwise than boto3's name of them."""
OTHERWISE: dict[str, tuple[str, ...]] = {
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:DeleteObject": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "budgets:CreateBudget": ("budgets:ModifyBudget",),
    "budgets:UpdateBudget": ("budgets:ModifyBudget",),
    "budgets:DeleteBudget": ("budgets:ModifyBudget",),
    "lambda:UpdateFunctionConfiguration": ("lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode"),
    "logs:CreateLogGroup": ("logs:CreateLogGroup", "logs:TagResource", "logs:TagLogGroup"),
}
"""Operations whose action has another name, or that need a second one (Service Authorization Reference)."""
REMOVED = {"ce:CreateAnomalyMonitor": "ce:DeleteAnomalyMonitor", "ce:CreateAnomalySubscription":
           "ce:DeleteAnomalySubscription", "budgets:CreateBudgetAction": "budgets:DeleteBudgetAction",
           "ec2:CreateInstanceConnectEndpoint": "ec2:DeleteInstanceConnectEndpoint"}  # fmt: skip
"""What takes away that which the emulated account only checks."""
TAGS = {
    "iam": ("TagRole", "TagPolicy", "TagInstanceProfile"),
    "ec2": ("CreateTags", "DeleteTags"),
    "sns": ("TagResource",),
    "batch": ("TagResource", "UntagResource"),
    "ecr": ("TagResource",),
    "events": ("TagResource",),
    "kms": ("TagResource",),
    "cloudwatch": ("TagResource",),
    "ssm": ("AddTagsToResource",),
    "budgets": ("TagResource",),
    "ce": ("TagResource",),
    "lambda": ("TagResource",),
    "s3": ("PutBucketTagging",),
}
"""Tagging in the call that makes something needs an action of its own."""
PUSHES = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""Docker's pushing of an image (Amazon ECR user guide, "IAM permissions for pushing an image")."""


EMPTIES = ("s3:DeleteObject", "s3:DeleteObjectVersion")
"""`destroy` of a bucket with `on_destroy: delete` that has something in it (the emulated one is empty)."""
OPENS = ("lambda:InvokeFunction",)
"""Opening a stack that the guard over spending has closed (docs/operations.md)."""


@dataclass
class Watched(Account):
    """An account that notes every call to it, and what it made with its state."""

    calls: set[str] = field(default_factory=set)
    states: list[tuple[str, str, Inputs, Inputs]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        made = super().client(service)

        def note(model: Any, **_: Any) -> None:
            self.calls.add(f"{service}:{model.name}")

        made.meta.events.register("before-call", note, unique_id="note")  # once, however often it is asked for
        return made

    def check(self, service: str, name: str, inputs: Inputs, /, **renamed: str) -> None:
        super().check(service, name, inputs, **renamed)
        self.calls |= {f"{service}:{name}", *filter(None, [REMOVED.get(f"{service}:{name}")])}

    def create(self, token: str, inputs: Inputs) -> Made:
        identity, state = super().create(token, inputs)
        self.states.append((token, identity, inputs, state))
        return identity, state


def calls() -> set[str]:
    """`service:Operation` of all that making, changing in place and removing stacks calls."""
    found: set[str] = set()
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        for stack, changes in (("prod", {}), ("dev", EVERY_CHOICE)):
            config = config_of(stack, **changes)
            account = Watched(url, config["aws:region"], quotas={"L-7212CCBC": 0.0})
            run(config, stack, graph=Graph(account=account))
            for token, identity, inputs, state in account.states:
                with contextlib.suppress(ClientError):  # what is put there a second time, some say, is there
                    account.update(token, identity, state, inputs)
            for token, identity, _, state in reversed(account.states):
                account.delete(token, identity, {**state, "forceDestroy": True, "forceDelete": True})
            found |= account.calls
    return found


def actions(called: set[str]) -> Iterator[str]:
    """IAM's actions for operations, without those that only read."""
    yield from (*PUSHES, *EMPTIES, *OPENS)
    for call in called:
        service, _, name = call.partition(":")
        prefix = PREFIXES.get(service, service)
        if not name.startswith(("Describe", "Get", "List")) or call in OTHERWISE:
            yield from OTHERWISE.get(call, (f"{prefix}:{name}",))
        yield from (f"{prefix}:{tag}" for tag in TAGS.get(service, ()))


def documents() -> dict[str, Document]:
    """The policies by the names of their files."""
    written = writing(actions(calls()))
    return {"read.json": reading(), **{f"write-{number}.json": one for number, one in enumerate(written, start=1)}}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="replace docs/roles")
    args = parser.parse_args()
    for name, one in documents().items():
        text = json.dumps(one, indent=1) + "\n"
        if args.write:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / name).write_text(text)
        else:
            print(f"{name}\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
