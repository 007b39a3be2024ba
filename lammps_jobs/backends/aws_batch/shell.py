"""A shell where a run is running: the command that opens it, as the stack allows."""

from __future__ import annotations

from typing import Any

from lammps_jobs.backends.aws_batch.client import client, explained
from lammps_jobs.backends.aws_batch.contract import StackOutputs
from lammps_jobs.errors import UsageError, WrongState

USER = "ec2-user"
INTO_CONTAINER = "sudo docker exec -it $(sudo docker ps -q --filter label=com.amazonaws.ecs.task-arn={task}) bash"
"""What leads on from the machine into the container of a job's task (the ECS agent labels its containers)."""
PROGRAMS = {
    "aws": "Install the AWS CLI, version 2; for Session Manager its session-manager-plugin, too.",
    "ssh": "Install an OpenSSH client.",
}
LOOK = "lammps-jobs list shows what becomes of it."


def command_for(outputs: StackOutputs, job: dict[str, Any] | None) -> list[str]:
    """The command that opens a shell on the machine of `job`, as DescribeJobs tells of it.

    Raises UsageError when the stack allows no shell, WrongState while the job has no machine, CloudError.
    """
    if outputs.access == "none":
        raise UsageError(
            f"The stack {outputs.stack!r} allows no shell on its machines.",
            remedy="pulumi config set --path lammps-jobs:access.kind session-manager; pulumi up",
        )
    machine = (job or {}).get("container", {}).get("containerInstanceArn", "")
    if not job or job["status"] != "RUNNING" or not machine:
        state = job["status"] if job else "gone"
        raise WrongState(f"The run has no machine just now: its job is {state}.", remedy=LOOK)
    instance = _instance(outputs.region, machine)
    region = ["--region", outputs.region]
    match outputs.access:
        case "session-manager":
            return ["aws", "ssm", "start-session", "--target", instance, *region]
        case "instance-connect":
            return ["aws", "ec2-instance-connect", "ssh", "--instance-id", instance, "--connection-type", "eice",
                    "--os-user", USER, *region]  # fmt: skip
        case _:
            return ["ssh", f"{USER}@{_address(outputs.region, instance)}"]


def _instance(region: str, machine: str) -> str:
    """ID of the EC2 instance behind an ECS container instance (arn:...:container-instance/CLUSTER/ID)."""
    with explained(machine):
        found = client("ecs", region).describe_container_instances(
            cluster=machine.split("/")[-2], containerInstances=[machine]
        )["containerInstances"]
    if not found:
        raise WrongState("The machine has just gone.", where=machine, remedy=LOOK)
    return str(found[0]["ec2InstanceId"])


def _address(region: str, instance: str) -> str:
    with explained(instance):
        found = client("ec2", region).describe_instances(InstanceIds=[instance])
    machine = found["Reservations"][0]["Instances"][0]
    return str(machine.get("PublicIpAddress") or machine["PrivateIpAddress"])
