"""Why nothing runs yet: each of AWS's reasons in words, and with a remedy where there is one."""

from __future__ import annotations

import pytest

from lammps_jobs.backends.aws_batch.pending import why_not_yet

QUEUE = {"state": "ENABLED"}
WELL = {"state": "ENABLED", "status": "VALID", "statusReason": "ComputeEnvironment Healthy"}
FULL = {**WELL, "statusReason": "CLIENT_ERROR - You have exceeded (VcpuLimitExceeded) your limit of 0 vCPUs"}
BROKEN = {**WELL, "status": "INVALID", "statusReason": "CLIENT_ERROR - Not authorized to perform sts:AssumeRole"}


@pytest.mark.parametrize(
    ("said", "queue", "environments", "expected", "remedy"),
    [
        ("", QUEUE, [WELL], "waiting for a machine", ""),
        ("", None, [], "queue is disabled", "pulumi up"),
        ("", {"state": "DISABLED"}, [WELL], "queue is disabled", "pulumi up"),
        ("", QUEUE, [WELL, BROKEN], "INVALID: CLIENT_ERROR - Not authorized", "pulumi up"),
        ("", QUEUE, [{**WELL, "state": "DISABLED"}], "environments are disabled", "pulumi up"),
        ("", QUEUE, [{**WELL, "state": "DISABLED"}, WELL], "waiting for a machine", ""),
        ("", QUEUE, [FULL], "quota is used up", "doctor"),
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - x", QUEUE, [WELL], "no such machines just now", "another pool"),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - x", QUEUE, [WELL], "No machine of the pool", "less"),
        ("UNDETERMINED - x", QUEUE, [WELL], "UNDETERMINED - x", ""),
    ],
)
def test_reason_and_remedy(said, queue, environments, expected, remedy):
    reason, then = why_not_yet({"status": "RUNNABLE", "statusReason": said}, queue, environments)
    assert expected in reason
    assert (remedy in then) if remedy else not then


def test_pulling_the_image_is_no_waiting_for_a_machine():
    assert "image" in why_not_yet({"status": "STARTING"}, QUEUE, [WELL])[0]
