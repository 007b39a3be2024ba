"""Why a job of AWS Batch does not run yet, in words, and what can be done about it.

Sources: AWS Batch user guide, "Job states", "Jobs stuck in a RUNNABLE status" (the codes that `statusReason` begins
with) and "Compute environment status"; EC2 API reference, "Error codes" (limits).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

BY_UP = "Ask whoever runs the stack: `pulumi up` puts it right."
OR_CLOSED = "Ask whoever runs the stack: its limit of spending is reached, or `pulumi up --refresh` puts it right."
LIMITS = ("VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "InstanceLimitExceeded")


Told = tuple[str, str]


def why_not_yet(job: dict[str, Any], queue: dict[str, Any] | None, environments: Sequence[dict[str, Any]]) -> Told:
    """(reason, remedy) from what AWS says of a job that waits, its queue (None: gone), the environments behind it."""
    return next(_reasons(job, queue, environments))


def _reasons(
    job: dict[str, Any], queue: dict[str, Any] | None, environments: Sequence[dict[str, Any]]
) -> Iterator[Told]:
    """The one that weighs most comes first."""
    said = str(job.get("statusReason", ""))
    told = [said, *(str(one.get("statusReason", "")) for one in environments)]
    if job["status"] == "PENDING":
        yield "It starts when the runs before it have finished.", ""
    if job["status"] == "STARTING":
        yield "A machine is there; the image is being pulled.", ""
    if queue is None or queue["state"] != "ENABLED":
        yield "The job queue is disabled.", OR_CLOSED
    for one in environments:
        if one.get("status") == "INVALID":
            yield f"The compute environment is INVALID: {one.get('statusReason', '')}", BY_UP
    if environments and all(one["state"] != "ENABLED" for one in environments):
        yield "The compute environments are disabled.", OR_CLOSED
    for text in told:
        if any(limit in text for limit in LIMITS):
            yield f"The account's EC2 quota is used up: {text}", "Wait, or ask AWS for more: lammps-jobs doctor STACK"
    if said.startswith("MISCONFIGURATION"):
        yield f"No machine of the pool can take the job: {said}", "Ask for less, or for another pool."
    if said.startswith("CAPACITY"):
        yield f"AWS has no such machines just now; it goes on looking: {said}", "Wait, or take another pool."
    yield said or f"The job is {job['status']}: waiting for a machine.", ""
