"""All that the Pulumi program and the library share: a stack's outputs, exit codes, limits and names.

`infra/` imports this module of the library and no other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lammps_jobs.errors import INTERRUPTED, MACHINE_UNUSABLE, StackError
from lammps_jobs.supervisor.environment import TERM_GRACE_S, Variable

__all__ = [
    "INTERRUPTED",
    "MACHINE_UNUSABLE",
    "MOST_ATTEMPTS",
    "NAMESPACE",
    "OUTPUTS_FORMAT",
    "OUTPUTS_VARIABLE",
    "TERM_GRACE_S",
    "PoolOutputs",
    "StackOutputs",
    "Variable",
    "load",
    "parameter_name",
]  # fmt: skip

OUTPUTS_FORMAT = 1
OUTPUTS_VARIABLE = "LAMMPS_JOBS_STACK_OUTPUTS"

MOST_ATTEMPTS = 10
"""Attempts of one AWS Batch job, which is all it allows (RetryStrategy, attempts)."""

NAMESPACE = "LammpsJobs"
"""CloudWatch namespace of the metrics that attempts print in the embedded metric format."""


def parameter_name(stack: str) -> str:
    """Name of the SSM parameter that holds the outputs of `stack`."""
    return f"/lammps-jobs/{stack}/outputs"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PoolOutputs(_Part):
    """One kind of machine that runs can be submitted to."""

    queue: str
    """ARN of the job queue."""
    definition: str
    """ARN of the job definition, with its revision."""
    environments: tuple[str, ...]
    """ARNs of the compute environments behind the queue, in the order in which they are tried."""
    purchase: Literal["spot", "on-demand"]
    gpu: str
    """Architecture of the GPUs as Kokkos names it; empty for CPU machines."""
    image: str
    """Image by digest."""
    instance_types: tuple[str, ...]
    gpus: int
    vcpus: int
    memory_mib: int
    """GPUs, vCPUs and memory (MiB) of one attempt, unless a submission says otherwise."""
    max_vcpus: int
    quotas: tuple[str, ...] = ()
    """Codes of the EC2 quotas that its machines count against."""


class StackOutputs(_Part):
    """All that a research script needs to use a stack."""

    format: int = OUTPUTS_FORMAT
    stack: str
    region: str
    account: str
    bucket: str
    store: str
    """Where runs are recorded: `s3://bucket/runs`."""
    log_group: str
    pools: dict[str, PoolOutputs]
    default_pool: str
    access: Literal["none", "session-manager", "instance-connect", "ssh"]
    dashboard: str
    """Address of the CloudWatch dashboard."""
    researcher_policy: str
    """ARN of the IAM policy to attach to those who submit."""
    topic: str = ""
    """ARN of the SNS topic by which runs tell of their end (`--notify sns`); empty of a stack that has none yet."""

    def pool(self, name: str = "") -> PoolOutputs:
        """The pool of that name, the stack's first one by default. Raises StackError for an unknown name."""
        found = self.pools.get(name or self.default_pool)
        if found is None:
            raise StackError(
                f"The stack {self.stack!r} has no pool {name!r}.", remedy=f"It has: {', '.join(sorted(self.pools))}."
            )
        return found


def parse(text: str, where: str) -> StackOutputs:
    """Outputs from JSON: this model's own, or all of `pulumi stack output --json`.

    Raises StackError naming `where` when it is no JSON, of another format or incomplete.
    """
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise StackError(f"The stack outputs are no JSON: {error}", where=where, remedy=_AGAIN) from None
    if not isinstance(found, dict) or not found:
        raise StackError("The stack has no outputs.", where=where, remedy="Deploy it: pulumi up")
    format_ = found.get("format", 0)
    if isinstance(format_, int) and format_ > OUTPUTS_FORMAT:
        raise StackError(
            f"The stack was deployed by a newer version (format {format_}, this one reads {OUTPUTS_FORMAT}).",
            where=where,
            remedy="Upgrade: pip install --upgrade lammps-jobs",
        )
    try:
        return StackOutputs.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise StackError(
            f"The stack outputs are stale or of something else: {key}: {first['msg']}", where=where, remedy=_AGAIN
        ) from None


_AGAIN = "Deploy the stack again with this version: pulumi up"


def load(stack: str, region: str | None = None) -> StackOutputs:
    """The outputs of `stack`: a JSON file of that name, the file that $LAMMPS_JOBS_STACK_OUTPUTS names, or the
    stack's SSM parameter in `region` (the region of the AWS configuration by default).

    Raises StackError for each way in which they can be missing, stale or of another version.
    """
    file = stack if stack.endswith(".json") else os.environ.get(OUTPUTS_VARIABLE, "")
    if file:
        return _of_file(Path(file), "" if stack.endswith(".json") else stack)
    return parse(_parameter(stack, region), f"SSM parameter {parameter_name(stack)}")


def _of_file(file: Path, stack: str) -> StackOutputs:
    try:
        outputs = parse(file.read_text(), str(file))
    except OSError as error:
        raise StackError(
            f"The file with the stack outputs cannot be read: {error.strerror}.",
            where=str(file),
            remedy="Make it: pulumi stack output --json > FILE",
        ) from None
    if stack and outputs.stack != stack:
        raise StackError(
            f"The outputs are those of the stack {outputs.stack!r}, not of {stack!r}.",
            where=str(file),
            remedy=f"connect({outputs.stack!r}), or unset {OUTPUTS_VARIABLE}.",
        )
    return outputs


def _parameter(stack: str, region: str | None) -> str:
    from lammps_jobs.backends.aws_batch.client import client, explained

    name = parameter_name(stack)
    with explained(f"SSM parameter {name}"):
        ssm = client("ssm", region)
        try:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            raise StackError(
                f"There is no stack named {stack!r} in {ssm.meta.region_name}.",
                where=f"SSM parameter {name}",
                remedy="Check the name and the region (AWS_REGION); deploy it: pulumi up --stack " + stack,
            ) from None
