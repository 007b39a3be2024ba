"""What is to be looked at before a group's work depends on a stack: each line of docs/deploy.md's checklist is a check.

They read what only those who deploy may read (docs/roles/read.json); researchers have `lammps-jobs doctor STACK`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lammps_jobs.backends.aws_batch.client import client, explained
from lammps_jobs.backends.aws_batch.contract import StackOutputs
from lammps_jobs.errors import CloudError

UP = "pulumi up"


def checks(outputs: StackOutputs) -> dict[str, Callable[[], str]]:
    """The lines by name; each returns what it found, and raises CloudError with what to do where it is not so."""
    return {
        "somebody is told": lambda: _told(outputs),
        "alarms are on": lambda: _alarms(outputs),
        "a budget watches": lambda: _budget(outputs),
        "the bucket is closed": lambda: _closed(outputs),
        "deleted things come back": lambda: _versioned(outputs),
        "old versions go": lambda: _expiring(outputs),
        "more than one zone": lambda: _zones(outputs),
    }


def _ask(outputs: StackOutputs, service: str, operation: str, **parameters: Any) -> Any:
    with explained(f"{service}, {operation}"):
        return getattr(client(service, outputs.region), operation)(**parameters)


def _told(outputs: StackOutputs) -> str:
    partition = outputs.researcher_policy.split(":")[1]
    topic = f"arn:{partition}:sns:{outputs.region}:{outputs.account}:lammps-jobs-{outputs.stack}-alerts"
    found = _ask(outputs, "sns", "list_subscriptions_by_topic", TopicArn=topic)["Subscriptions"]
    if not found:
        raise CloudError("Alarms go to nobody.", where=topic, remedy=f"Set alerts.emails, then {UP}.")
    waiting = [one["Endpoint"] for one in found if not one["SubscriptionArn"].startswith("arn:")]
    if waiting:
        raise CloudError(f"Not confirmed: {', '.join(waiting)}.", where=topic,
                         remedy="Click the link in AWS's message; it is sent again from the SNS console.")  # fmt: skip
    return f"{len(found)} subscriptions"


def _alarms(outputs: StackOutputs) -> str:
    prefix = f"lammps-jobs-{outputs.stack}-"
    found = _ask(outputs, "cloudwatch", "describe_alarms", AlarmNamePrefix=prefix)["MetricAlarms"]
    silent = [one["AlarmName"] for one in found if not (one["ActionsEnabled"] and one["AlarmActions"])]
    if silent or not found:
        raise CloudError(f"Alarms that tell nobody: {', '.join(silent) or 'there are none'}.", where=prefix,
                         remedy=f"Somebody has changed them by hand: pulumi refresh, then {UP}.")  # fmt: skip
    return f"{len(found)} alarms"


def _budget(outputs: StackOutputs) -> str:
    name = f"lammps-jobs-{outputs.stack}-monthly"
    found = _ask(outputs, "budgets", "describe_budgets", AccountId=outputs.account).get("Budgets", [])
    ours = [one for one in found if one["BudgetName"] == name]
    if not ours:
        raise CloudError("No budget of this stack.", where=f"account {outputs.account}",
                         remedy=f"Set alerts.monthly_budget_usd and alerts.emails, then {UP}.")  # fmt: skip
    limit = ours[0]["BudgetLimit"]
    return f"{limit['Amount']} {limit['Unit']} a month"


def _closed(outputs: StackOutputs) -> str:
    block = _ask(outputs, "s3", "get_public_access_block", Bucket=outputs.bucket)["PublicAccessBlockConfiguration"]
    if not all(block.values()):
        raise CloudError("The bucket could be made public.", where=outputs.bucket, remedy=f"pulumi refresh, then {UP}.")
    rules = _ask(outputs, "s3", "get_bucket_encryption", Bucket=outputs.bucket)
    rule = rules["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    return f"not public, encrypted ({rule['SSEAlgorithm']})"


def _versioned(outputs: StackOutputs) -> str:
    status = _ask(outputs, "s3", "get_bucket_versioning", Bucket=outputs.bucket).get("Status")
    if status != "Enabled":
        raise CloudError("What is deleted is gone at once.", where=outputs.bucket,
                         remedy=f"Set storage.versioning to true, then {UP}.")  # fmt: skip
    return "versions are kept"


def _expiring(outputs: StackOutputs) -> str:
    rules = _ask(outputs, "s3", "get_bucket_lifecycle_configuration", Bucket=outputs.bucket)["Rules"]
    days = [one["NoncurrentVersionExpiration"]["NoncurrentDays"] for one in rules
            if one["Status"] == "Enabled" and "NoncurrentVersionExpiration" in one]  # fmt: skip
    if not days:
        raise CloudError("Superseded checkpoints are kept, and paid for, for ever.", where=outputs.bucket,
                         remedy=f"pulumi refresh, then {UP}.")  # fmt: skip
    return f"after {min(days)} days"


def _zones(outputs: StackOutputs) -> str:
    arns = [arn for pool in outputs.pools.values() for arn in pool.environments]
    found = _ask(outputs, "batch", "describe_compute_environments", computeEnvironments=sorted(set(arns)))
    for one in found["computeEnvironments"]:
        if len(one["computeResources"]["subnets"]) < 2:
            raise CloudError("Machines come from one zone only: Spot capacity of others is not used.",
                             where=one["computeEnvironmentName"],
                             remedy=f"Set network.zones, or more network.existing.subnet_ids, then {UP}.")  # fmt: skip
    return f"{len(found['computeEnvironments'])} compute environments"
