"""Closes a stack when a month's limit is spent, and opens it again: the code of an AWS Lambda function.

In a closed stack no queue takes a job and no machine starts. Jobs that run are told to end, which AWS Batch does by
SIGTERM: their attempts take a checkpoint first, and `lammps-jobs resume` goes on with their runs. Those that wait go on
waiting. What is closed already is looked at again each time: an error leaves nothing half done for longer than an hour.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HAVE_MACHINES = ("STARTING", "RUNNING")
UNTIL_THE_END = ("SUBMITTED", "PENDING", "RUNNABLE", *HAVE_MACHINES)
REASON = "The stack's limit of spending is reached: stopped with a checkpoint"
PATIENT = Config(retries={"mode": "standard", "max_attempts": 10})


def handler(event: dict[str, Any], _: object = None) -> dict[str, Any]:
    """`{"do": "open"}` opens the stack, anything else closes it if the limit is spent; returns what was done."""
    budget = _client("budgets").describe_budget(AccountId=os.environ["ACCOUNT"], BudgetName=os.environ["BUDGET"])
    limit = Decimal(budget["Budget"]["BudgetLimit"]["Amount"])
    spent = Decimal(budget["Budget"]["CalculatedSpend"]["ActualSpend"]["Amount"])
    amounts = f"{spent:.2f} of {limit:.2f} USD are spent this month"
    is_spent = spent >= limit
    if event.get("do") == "open":
        if is_spent:
            raise ValueError(f"{amounts}: raise alerts.stop_jobs_at_usd and `pulumi up` before the stack is opened.")
        opened, refused = _turn("ENABLED")
        return _done({"spent": amounts, "opened": opened, "refused": refused})
    if not is_spent:
        return {"spent": amounts}
    closed, refused = _turn("DISABLED")
    stopped, not_stopped = _stop_jobs()
    refused += not_stopped
    if closed or stopped or refused:
        _tell(amounts, closed, stopped, refused)
    return _done({"spent": amounts, "closed": closed, "stopped": stopped, "refused": refused})


def _done(done: dict[str, Any]) -> dict[str, Any]:
    """What was done; raised where something was refused, which the alarm tells, and the next hour tries again."""
    if done["refused"]:
        raise RuntimeError(json.dumps(done))
    return done


def _client(service: str) -> Any:
    return boto3.client(service, config=PATIENT)


def _queues() -> list[str]:
    found: list[str] = json.loads(os.environ["QUEUES"])
    return found


def _turn(state: str) -> tuple[list[str], list[str]]:
    """Give queues and the machines behind them a state; returns which had another, and what AWS said of the others."""
    batch, changed, refused = _client("batch"), list[str](), list[str]()

    def turn(name: str, update: Callable[..., Any], **what: str) -> None:
        try:
            update(**what, state=state)
            changed.append(name)
        except ClientError as error:  # one that is being changed just now must not keep the others going
            refused.append(f"{name}: {error}")

    queues = batch.describe_job_queues(jobQueues=_queues())["jobQueues"]
    for queue in queues:
        if queue["state"] != state:
            turn(queue["jobQueueName"], batch.update_job_queue, jobQueue=queue["jobQueueArn"])
    behind = sorted({one["computeEnvironment"] for queue in queues for one in queue["computeEnvironmentOrder"]})
    for one in batch.describe_compute_environments(computeEnvironments=behind)["computeEnvironments"]:
        if one["state"] != state:
            name, arn = one["computeEnvironmentName"], one["computeEnvironmentArn"]
            turn(name, batch.update_compute_environment, computeEnvironment=arn)
    return changed, refused


def _stop_jobs() -> tuple[list[str], list[str]]:
    """Tell every job that has a machine to end; returns the IDs of those told, and what AWS said of the others."""
    batch, told, refused = _client("batch"), list[str](), list[str]()
    for job in _with_machines(batch):
        try:
            batch.terminate_job(jobId=job, reason=REASON)
            told.append(job)
        except ClientError as error:  # one that cannot be stopped must not keep the others going
            refused.append(f"{job}: {error}")
    return told, refused


def _with_machines(batch: Any) -> Iterator[str]:
    """Of an array its children: to end the array would fail those that wait, too."""
    for queue in _queues():
        for status in UNTIL_THE_END:
            for job in _listed(batch, jobQueue=queue, jobStatus=status):
                if job.get("arrayProperties", {}).get("size"):
                    for child_status in HAVE_MACHINES:
                        for child in _listed(batch, arrayJobId=job["jobId"], jobStatus=child_status):
                            yield child["jobId"]
                elif status in HAVE_MACHINES:
                    yield job["jobId"]


def _listed(batch: Any, **of: str) -> Iterator[dict[str, Any]]:
    for page in batch.get_paginator("list_jobs").paginate(**of):
        yield from page["jobSummaryList"]


def _tell(amounts: str, closed: list[str], stopped: list[str], refused: list[str]) -> None:
    stack = os.environ["STACK"]
    text = [f"{amounts}, so the stack {stack} is closed.", "",
            f"Closed: {', '.join(closed) or 'all was closed already'}.",
            f"Stopped with a checkpoint: {len(stopped)} jobs.",
            *(f"Refused, and tried again in an hour: {one}" for one in refused), "",
            "To open it: docs/operations.md. Then `lammps-jobs resume RUN` goes on with what was stopped."]  # fmt: skip
    _client("sns").publish(TopicArn=os.environ["TOPIC"], Subject=f"lammps-jobs: stack {stack} is closed",
                           Message="\n".join(text))  # fmt: skip
