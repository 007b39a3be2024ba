"""What IAM would say to the calls that were made: each call as actions on resources, policies as IAM reads them.

Sources: AWS, "Service Authorization Reference" (which action a call needs, on which resource) and "Policy evaluation
logic" (an Allow that fits, and no Deny). Only what our policies use is known; anything else is an error.
"""

from __future__ import annotations

import fnmatch
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.endpoint import Call

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Need:
    """An action on a resource; `context` holds the condition keys of the request."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def is_allowed(need: Need, *policies: dict[str, Any]) -> bool:
    statements = [one for policy in policies for one in policy["Statement"] if _fits(one, need)]
    effects = {one["Effect"] for one in statements}
    return effects == {"Allow"}


def actions_of(*policies: dict[str, Any]) -> set[str]:
    return {action for policy in policies for one in policy["Statement"] for action in _many(one["Action"])}


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _fits(statement: dict[str, Any], need: Need) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
    assert not unknown, f"not known here: {unknown}"
    action = any(fnmatch.fnmatch(need.action.lower(), one.lower()) for one in _many(statement["Action"]))
    resource = any(fnmatch.fnmatchcase(need.resource, one) for one in _many(statement["Resource"]))
    return (
        action
        and resource
        and all(_holds(operator, wanted, need) for operator, wanted in statement.get("Condition", {}).items())
    )


def _holds(operator: str, wanted: dict[str, Any], need: Need) -> bool:
    assert operator in ("StringEquals", "StringLike", "Null", "Bool"), f"not known here: {operator}"
    if operator == "Null":
        return all((key not in need.context) == (value == "true") for key, value in wanted.items())
    match = fnmatch.fnmatchcase if operator == "StringLike" else str.__eq__
    return all(
        key in need.context and any(match(need.context[key], one) for one in _many(value))
        for key, value in wanted.items()
    )


# -- calls ---------------------------------------------------------------------------------------------


def needs(call: Call, region: str, tags_of_job: Mapping[str, Mapping[str, str]]) -> list[Need]:
    """What a call needs; nothing for those that everybody may make."""
    if call.service == "s3":
        return list(_of_s3(call))
    if call.service == "batch":
        return list(_of_batch(call, region, tags_of_job))
    if call.service == "sts":
        return []
    form = {} if call.target else dict(urllib.parse.parse_qsl(call.body.decode()))
    operation = call.target.rpartition(".")[2] or form["Action"]
    asked = json.loads(call.body) if call.target else form
    arn = f"arn:aws:{call.service}:{region}:{ACCOUNT}"
    resource = {
        "GetParameter": f"{arn}:parameter{asked.get('Name')}",
        "GetLogEvents": f"{arn}:log-group:{asked.get('logGroupName')}:log-stream:{asked.get('logStreamName')}",
        "FilterLogEvents": f"{arn}:log-group:{asked.get('logGroupName')}:*",
        "DescribeImages": f"{arn}:repository/{asked.get('repositoryName')}",
        "DescribeContainerInstances": (asked.get("containerInstances") or [""])[0],
        "GetServiceQuota": "*",
        "Publish": asked.get("TopicArn", ""),
        "DescribeInstances": "*",
        "DescribeBudget": f"arn:aws:budgets::{ACCOUNT}:budget/{asked.get('BudgetName')}",
    }[operation]
    action = {"DescribeBudget": "ViewBudget"}.get(operation, operation)
    return [Need(f"{call.service}:{action}", resource)]


def _of_s3(call: Call) -> Iterator[Need]:
    bucket, _, key = call.path.lstrip("/").partition("/")
    if "delete" in call.query:
        for one in re.findall(r"<Key>(.*?)</Key>", call.body.decode()):
            yield Need("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{one}")
        return
    if not key:
        assert call.method == "GET", call
        yield Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": call.query.get("prefix", "")})
        return
    aborted = call.method == "DELETE" and "uploadId" in call.query
    action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject",
              "DELETE": "AbortMultipartUpload" if aborted else "DeleteObject"}[call.method]  # fmt: skip
    yield Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}", _of_put(call) if action == "PutObject" else {})


def _of_put(call: Call) -> dict[str, str]:
    """Condition keys of what may make an object; the parts of a large upload make none, nor does its beginning."""
    makes = "partNumber" not in call.query and "uploads" not in call.query
    given = {"s3:if-none-match": call.if_none_match, "s3:x-amz-copy-source": call.copy_source}
    return {"s3:ObjectCreationOperation": str(makes).lower(), **{key: value for key, value in given.items() if value}}


def _of_batch(call: Call, region: str, tags_of_job: Mapping[str, Mapping[str, str]]) -> Iterator[Need]:
    asked = json.loads(call.body or b"{}")
    operation = call.path.rpartition("/")[2]
    jobs = f"arn:aws:batch:{region}:{ACCOUNT}:job"
    match operation:
        case "submitjob":
            yield Need("batch:SubmitJob", asked["jobQueue"])
            yield Need("batch:SubmitJob", asked["jobDefinition"])
            if asked.get("tags"):
                yield Need("batch:TagResource", f"{jobs}/new")
        case "terminatejob":
            tags = {
                f"aws:ResourceTag/{key}": value for key, value in tags_of_job[asked["jobId"].partition(":")[0]].items()
            }
            yield Need("batch:TerminateJob", f"{jobs}/{asked['jobId']}", tags)
        case "updatejobqueue":
            yield Need("batch:UpdateJobQueue", asked["jobQueue"])
        case "updatecomputeenvironment":
            yield Need("batch:UpdateComputeEnvironment", asked["computeEnvironment"])
        case _:
            names = {"describejobs": "DescribeJobs", "listjobs": "ListJobs", "describejobqueues": "DescribeJobQueues",
                     "describecomputeenvironments": "DescribeComputeEnvironments",
                     "describejobdefinitions": "DescribeJobDefinitions"}  # fmt: skip
            yield Need(f"batch:{names[operation]}", "*")
