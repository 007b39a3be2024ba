"""What those may do who deploy a stack: reading (enough for a preview), and what `up` and `destroy` call besides.

Pure data; `tools/deployer.py` makes the documents in docs/roles of it and of the calls that were seen.
"""

from __future__ import annotations

from collections.abc import Iterable

from infra.config import PROJECT
from infra.policies import Document, Statement, allow, document

LONGEST_POLICY = 6144
"""Characters, without white space, of an IAM policy (IAM and AWS STS quotas)."""

ON: dict[str, tuple[str, ...]] = {
    "iam": tuple(f"arn:*:iam::*:{kind}/{PROJECT}-*" for kind in ("role", "policy", "instance-profile")),
    "s3": (f"arn:*:s3:::{PROJECT}-*",),
    "ecr": (f"arn:*:ecr:*:*:repository/{PROJECT}-*",),
    "logs": (f"arn:*:logs:*:*:log-group:/{PROJECT}-*", f"arn:*:logs:*:*:log-group:/aws/events/{PROJECT}-*"),
    "sns": (f"arn:*:sns:*:*:{PROJECT}-*",),
    "events": (f"arn:*:events:*:*:rule/{PROJECT}-*",),
    "cloudwatch": (f"arn:*:cloudwatch:*:*:alarm:{PROJECT}-*", f"arn:*:cloudwatch::*:dashboard/{PROJECT}-*"),
    "ssm": (f"arn:*:ssm:*:*:parameter/{PROJECT}/*",),
    "lambda": (f"arn:*:lambda:*:*:function:{PROJECT}-*",),
    "budgets": (f"arn:*:budgets::*:budget/{PROJECT}-*",),
    "batch": tuple(f"arn:*:batch:*:*:{kind}/{PROJECT}-*"
                   for kind in ("compute-environment", "job-queue", "job-definition", "scheduling-policy")),
}  # fmt: skip
"""Where what a service makes carries the project's name; the other services' things have numbers."""

EVERYWHERE = frozenset({
    "ecr:GetAuthorizationToken", "logs:PutResourcePolicy", "logs:DeleteResourcePolicy", "sns:Unsubscribe",
    "iam:CreateServiceLinkedRole",
    "iam:CreateOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider", "iam:TagOpenIDConnectProvider",
})  # fmt: skip
"""Actions of those services that take no such resource."""

READS: tuple[str, ...] = (
    "batch:Describe*", "batch:List*", "budgets:View*", "budgets:Describe*", "budgets:ListTagsForResource",
    "ce:Get*", "ce:List*", "cloudwatch:Describe*", "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource", "ec2:Describe*", "ecr:Describe*", "ecr:GetAuthorizationToken",
    "ecr:GetLifecyclePolicy", "ecr:ListTagsForResource", "events:Describe*", "events:List*", "iam:Get*",
    "iam:List*", "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases",
    "kms:ListResourceTags", "lambda:Get*", "lambda:List*", "logs:Describe*", "logs:ListTagsForResource",
    "s3:GetBucket*",
    "s3:GetAccelerateConfiguration", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration", "servicequotas:Get*", "servicequotas:List*", "sns:GetTopicAttributes",
    "sns:GetSubscriptionAttributes", "sns:ListTagsForResource", "ssm:DescribeParameters",
    "ssm:ListTagsForResource", "sts:GetCallerIdentity",
)  # fmt: skip
"""What the provider reads of the resources that the program makes, in a preview, a refresh and after each change: names
and settings, no content of records, logs or parameters (but the stack's own outputs)."""


def reading() -> Document:
    """Enough for `pulumi preview` and `refresh`."""
    return document(
        allow("Read", READS, ["*"]),
        allow("ReadOutputs", ["ssm:GetParameter", "ssm:GetParameters"], ON["ssm"]),
        allow("FindBucket", ["s3:ListBucket"], ON["s3"]),
    )


def state(bucket: str, *, preview_only: bool = False) -> list[Statement]:
    """Pulumi's state in a bucket of its own; a preview writes nothing there but its lock."""
    objects = f"arn:*:s3:::{bucket}"
    writes = ["s3:PutObject", "s3:DeleteObject"]
    return [
        allow("FindState", ["s3:ListBucket", "s3:GetBucketLocation"], [objects]),
        allow("ReadState", ["s3:GetObject"], [f"{objects}/.pulumi/*"]),
        allow("WriteState", writes, [f"{objects}/.pulumi/{'locks/' if preview_only else ''}*"]),
    ]


def writing(actions: Iterable[str]) -> list[Document]:
    """The documents that allow `actions` and handing the stack's roles over, each as long as IAM takes it at most."""
    by_place: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(set(actions)):
        place = ("*",) if action in EVERYWHERE else ON.get(action.partition(":")[0], ("*",))
        by_place.setdefault(place, []).append(action)
    objects = (f"{ON['s3'][0]}/*",)
    statements = [allow(_sid(place, found), found, [*place, *(objects if place == ON["s3"] else ())])
                  for place, found in by_place.items()]  # fmt: skip
    services = ["batch", "ec2", "ecs-tasks", "budgets", "vpc-flow-logs"]
    passed = {"iam:PassedToService": [f"{service}.amazonaws.com" for service in services]}
    statements.append(allow("HandOver", ["iam:PassRole"], [ON["iam"][0]], StringEquals=passed))
    function = {"iam:PassedToService": ["lambda.amazonaws.com"]}
    statements.append(allow("HandOverGuard", ["iam:PassRole"], [f"{ON['iam'][0]}-guard"], StringEquals=function))
    documents: list[list[Statement]] = [[]]
    for statement in statements:
        if len(compact(document(*documents[-1], statement))) > LONGEST_POLICY:
            documents.append([])
        documents[-1].append(statement)
    return [document(*one) for one in documents]


def compact(written: Document) -> str:
    """The document as IAM counts it."""
    import json

    return json.dumps(written, separators=(",", ":"))


def _sid(place: tuple[str, ...], actions: list[str]) -> str:
    return "Numbered" if place == ("*",) else actions[0].partition(":")[0].capitalize()
