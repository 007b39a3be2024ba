"""What each role may do, as plain documents: no Pulumi here, so they can be linted and simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Statement = dict[str, Any]
Document = dict[str, Any]


def document(*statements: Statement | None) -> Document:
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one]}


def allow(sid: str, actions: Sequence[str], resources: Sequence[str], **condition: Any) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})


def assumed_by(service: str, account: str = "") -> Document:
    """The trust policy of a role for an AWS service, only on behalf of `account` where the service says so."""
    trust: Statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    if account:
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return document(trust)


def _runs(bucket: str, *, may_delete: bool) -> list[Statement]:
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"] + ["s3:DeleteObject"] * may_delete
    return [
        allow("Records", actions, [f"{bucket}/runs/*"]),
        allow("ListRecords", ["s3:ListBucket"], [bucket], StringLike={"s3:prefix": ["runs", "runs/*"]}),
    ]


def _key(key: str | None) -> Statement | None:
    return allow("Encrypt", ["kms:GenerateDataKey", "kms:Decrypt"], [key]) if key else None


def job(
    bucket: str, key: str | None, queues: Sequence[str], definitions: Sequence[str], jobs: str, topic: str
) -> Document:  # fmt: skip
    """A running attempt: its records, its own continuation, and telling of the run's end."""
    return document(
        *_runs(bucket, may_delete=True),
        _key(key),
        allow("Continue", ["batch:SubmitJob"], [*queues, *definitions]),
        allow("TagContinuation", ["batch:TagResource"], [jobs]),
        allow("Tell", ["sns:Publish"], [topic]),
    )


def execution(log_group: str, repositories: Sequence[str]) -> Document:
    """The agent that starts the container: pull the image, write the log."""
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    return document(
        allow("Login", ["ecr:GetAuthorizationToken"], ["*"]) if repositories else None,  # has no resource level
        allow("Pull", pull, repositories) if repositories else None,
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group}:*"]),
    )


def flow_logs(log_group: str) -> Document:
    """VPC flow logs: write into their own log group."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return document(
        allow("Log", actions, [log_group, f"{log_group}:*"]),
        allow("Find", ["logs:DescribeLogGroups"], ["*"]),  # without it AWS says "Access error" and keeps no logs
    )


def session_manager(instances: str) -> Document:
    """A machine that Session Manager reaches, and no more: AWS's managed policy also reads all SSM parameters."""
    channels = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"]
    return document(
        allow("Register", ["ssm:UpdateInstanceInformation"], [instances]),
        allow("Channels", [f"ssmmessages:{one}" for one in channels], ["*"]),  # these have no resources
    )


def keep_events(log_group: str, rules: Sequence[str]) -> Document:
    """The resource policy by which EventBridge writes into a log group: of its two calls only one names the rule."""
    services = {"Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}}
    stream = allow("Stream", ["logs:CreateLogStream"], [f"{log_group}:*"])
    events = allow("Events", ["logs:PutLogEvents"], [f"{log_group}:*"], ArnEquals={"aws:SourceArn": list(rules)})
    return document(stream | services, events | services)


def no_submissions(queues: Sequence[str]) -> Document:
    """What is attached to every role that submits when the budget is spent."""
    return document({"Sid": "BudgetIsSpent", "Effect": "Deny", "Action": ["batch:SubmitJob"], "Resource": list(queues)})


def stopper(roles: Sequence[str], policy: str) -> Document:
    """AWS Budgets: attach that one policy to those roles, and detach it."""
    only = {"ArnEquals": {"iam:PolicyARN": policy}}
    return document(allow("Stop", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"], roles, **only))


def guard(
    *,
    queues: Sequence[str],
    environments: Sequence[str],
    jobs: str,
    budget: str,
    log_group: str,
    topic: str,
    stack: str,
) -> Document:
    """The function that closes a stack: look at the budget, turn queues and machines off or on, end its jobs."""
    look = ["batch:DescribeJobQueues", "batch:DescribeComputeEnvironments", "batch:ListJobs"]
    return document(
        allow("Spending", ["budgets:ViewBudget"], [budget]),
        allow("Look", look, ["*"]),  # none of these has a resource level
        allow("CloseQueues", ["batch:UpdateJobQueue"], queues),
        allow("CloseMachines", ["batch:UpdateComputeEnvironment"], environments),
        allow("EndJobs", ["batch:TerminateJob"], [jobs], StringEquals={"aws:ResourceTag/stack": stack}),
        allow("Tell", ["sns:Publish"], [topic]),
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group}:*"]),
    )


def researcher(
    bucket: str,
    key: str | None,
    *,
    queues: Sequence[str],
    definitions: Sequence[str],
    jobs: str,
    log_group: str,
    parameter: str,
    repositories: Sequence[str],
    access: str,
    instances: str,
    sessions: str,
    stack: str,
) -> Document:
    """Somebody who submits: stage inputs, submit, follow, cancel, fetch results. Nothing else."""
    describe = ["batch:DescribeJobs", "batch:DescribeJobQueues", "batch:DescribeComputeEnvironments",
                "batch:DescribeJobDefinitions", "batch:ListJobs", "servicequotas:GetServiceQuota"]  # fmt: skip
    return document(
        *_runs(bucket, may_delete=False),
        _key(key),
        allow("Submit", ["batch:SubmitJob"], [*queues, *definitions]),
        allow("TagJobs", ["batch:TagResource"], [jobs]),
        allow("Cancel", ["batch:TerminateJob"], [jobs], StringEquals={"aws:ResourceTag/stack": stack}),
        allow("Look", describe, ["*"]),  # none of these has a resource level
        allow("Logs", ["logs:GetLogEvents", "logs:FilterLogEvents"], [log_group, f"{log_group}:*"]),
        allow("Outputs", ["ssm:GetParameter"], [parameter]),
        allow("Images", ["ecr:DescribeImages"], repositories) if repositories else None,
        *_shell(access, instances, sessions, stack),
    )


def _shell(access: str, instances: str, sessions: str, stack: str) -> list[Statement]:
    """A shell on the machine of a running job, the way that the stack allows (config `access.kind`)."""
    find = {
        "ssh": ["ec2:DescribeInstances"],
        "instance-connect": ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"],
    }.get(access, [])
    statements = [allow("FindMachine", ["ecs:DescribeContainerInstances", *find], ["*"])]  # EC2's have no resources
    if access == "session-manager":
        statements += [
            allow("Shell", ["ssm:StartSession"], [instances], StringEquals={"ssm:resourceTag/stack": stack}),
            allow("OwnSessions", ["ssm:TerminateSession", "ssm:ResumeSession"], [sessions]),
        ]
    if access == "instance-connect":
        connect = ["ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect:OpenTunnel"]
        on = [instances, instances.replace(":instance/", ":instance-connect-endpoint/")]
        statements.append(allow("Shell", connect, on, StringEquals={"aws:ResourceTag/stack": stack}))
    return [] if access == "none" else statements


def github(provider: str, repository: str, of: str = "ref:refs/heads/main") -> Document:
    """The trust policy for one GitHub repository's main branch, or for what else `of` says (`pull_request`)."""
    return document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": provider},
            "Condition": {
                "StringEquals": {
                    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                    "token.actions.githubusercontent.com:sub": f"repo:{repository}:{of}",
                }
            },
        }
    )
