"""AWS Batch: for each pool machines, a queue and a job definition; a fair share between those who submit."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.base import Component, Context
from infra.config import Pool
from infra.identity import Identity
from infra.images import Images
from infra.network import Network
from infra.storage import Storage
from lammps_jobs.backends.aws_batch.contract import (
    INTERRUPTED,
    MACHINE_UNUSABLE,
    MOST_ATTEMPTS,
    TERM_GRACE_S,
    Variable,
)

SCRATCH = "/scratch"
METADATA = "http://169.254.169.254"


@dataclass(frozen=True)
class DeployedPool:
    queue: aws.batch.JobQueue
    definition: aws.batch.JobDefinition
    environments: list[aws.batch.ComputeEnvironment]


class Batch(Component):
    """`pools`: what was deployed for each pool of the configuration."""

    def __init__(
        self, context: Context, network: Network, storage: Storage, images: Images, identity: Identity,
        log_group: aws.cloudwatch.LogGroup,
    ) -> None:  # fmt: skip
        super().__init__("Batch", context)
        self.network, self.storage, self.images = network, storage, images
        self.identity, self.log_group = identity, log_group
        config = context.config
        self.sharing = aws.batch.SchedulingPolicy(
            "sharing",
            name=self.name("sharing"),
            fair_share_policy={
                "share_decay_seconds": int(config.sharing.half_life_h * 3600),
                "compute_reservation": config.sharing.reservation_percent,
            },
            tags=self.tags("sharing"),
            opts=self.child(),
        )
        environments = {pool.name: self._environment(pool) for pool in config.pools}
        self.pools = {}
        for pool in config.pools:
            behind = [environments[pool.name]] + ([environments[pool.fallback]] if pool.fallback else [])
            self.pools[pool.name] = DeployedPool(self._queue(pool, behind), self._definition(pool), behind)
        self.register_outputs({name: pool.queue.arn for name, pool in self.pools.items()})

    def _environment(self, pool: Pool) -> aws.batch.ComputeEnvironment:
        """A name made anew at every replacement, so that the new one is there before the queue lets the old one go."""
        template = self._template(pool)
        return aws.batch.ComputeEnvironment(
            pool.name,
            name_prefix=self.name(pool.name) + "-",
            type="MANAGED",
            state="ENABLED",
            compute_resources={
                "type": "SPOT" if pool.purchase == "spot" else "EC2",
                "allocation_strategy": pool.allocation_strategy,
                "min_vcpus": 0,
                "max_vcpus": pool.max_vcpus,
                "instance_types": list(pool.instance_types),
                "instance_role": self.identity.machine.arn,
                "subnets": [subnet.id for subnet in self.network.subnets],
                "security_group_ids": [self.network.machines.id],
                "ec2_configurations": [{"image_type": "ECS_AL2023_NVIDIA" if pool.gpu else "ECS_AL2023"}],
                "launch_template": {
                    "launch_template_id": template.id,
                    "version": template.latest_version.apply(str),
                },
                "tags": self.tags(pool.name),
            },
            # no service_role: only with the service-linked role can AWS update it in place
            update_policy={"terminate_jobs_on_update": False, "job_execution_timeout_minutes": 30},
            tags=self.tags(pool.name),
            opts=self.child(),
        )

    def _template(self, pool: Pool) -> aws.ec2.LaunchTemplate:
        access = self.context.config.access
        return aws.ec2.LaunchTemplate(
            pool.name,
            name_prefix=self.name(pool.name) + "-",
            update_default_version=True,
            key_name=access.ssh_key,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 2,  # one more than the machine: containers ask for the Spot notice
                "instance_metadata_tags": "enabled",
            },
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "volume_type": "gp3",
                        "volume_size": pool.disk_gib,
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            user_data=base64.b64encode(user_data(pool).encode()).decode(),
            tag_specifications=[
                {"resource_type": kind, "tags": self.tags(pool.name)} for kind in ("instance", "volume")
            ],
            tags=self.tags(pool.name),
            opts=self.child(),
        )

    def _queue(self, pool: Pool, behind: list[aws.batch.ComputeEnvironment]) -> aws.batch.JobQueue:
        limit = int(self.context.config.runnable_limit_h * 3600)
        reasons = ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
                   "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")  # fmt: skip
        return aws.batch.JobQueue(
            pool.name,
            name=self.name(pool.name),
            state="ENABLED",
            priority=1,
            scheduling_policy_arn=self.sharing.arn,
            compute_environment_orders=[
                {"order": number, "compute_environment": environment.arn}
                for number, environment in enumerate(behind, start=1)
            ],
            job_state_time_limit_actions=[
                {"action": "CANCEL", "state": "RUNNABLE", "max_time_seconds": limit, "reason": reason}
                for reason in reasons
            ],
            tags=self.tags(pool.name),
            opts=self.child(),
        )

    def _definition(self, pool: Pool) -> aws.batch.JobDefinition:
        container = pulumi.Output.all(
            image=self.images.digests[pool.variant],
            job=self.identity.jobs[pool.name].arn,
            execution=self.identity.execution.arn,
            bucket=self.storage.bucket.id,
            group=self.log_group.name,
        ).apply(lambda known: json.dumps(container_of(pool, self.context, **known), sort_keys=True))
        return aws.batch.JobDefinition(
            pool.name,
            name=self.name(pool.name),
            type="container",
            platform_capabilities=["EC2"],
            container_properties=container,
            parameters={"run": "", "store": ""},
            retry_strategy={"attempts": MOST_ATTEMPTS, "evaluate_on_exits": retry_rules()},
            timeout={"attempt_duration_seconds": int(pool.job.timeout_h * 3600)},
            scheduling_priority=1,
            propagate_tags=True,
            deregister_on_new_revision=False,  # runs that were submitted with the old one go on
            tags=self.tags(pool.name),
            opts=self.child(),
        )


def retry_rules() -> list[Any]:
    """What AWS Batch does when an attempt ends; the first rule that fits decides, and without one it retries."""
    return [
        {"action": "RETRY", "on_status_reason": "Host EC2*"},  # the machine is gone
        {"action": "RETRY", "on_exit_code": str(INTERRUPTED)},  # interrupted, its checkpoint committed
        {"action": "RETRY", "on_exit_code": str(MACHINE_UNUSABLE)},  # a GPU that does not work: another machine
        {"action": "RETRY", "on_reason": "CannotPullContainer*"},
        {"action": "EXIT", "on_reason": "*"},
    ]


def container_of(
    pool: Pool, context: Context, *, image: str, job: str, execution: str, bucket: str, group: str
) -> dict[str, Any]:
    """The container of a job: unprivileged, its root read-only, scratch from the machine."""
    needs = [{"type": "VCPU", "value": str(pool.job_vcpus)}, {"type": "MEMORY", "value": str(pool.job_memory_mib)}]
    if pool.job_gpus:
        needs.append({"type": "GPU", "value": str(pool.job_gpus)})
    environment = {
        "AWS_DEFAULT_REGION": context.region,
        "AWS_REGION": context.region,
        Variable.METADATA.value: METADATA,
        Variable.STACK.value: context.stack,
        Variable.POOL.value: pool.name,
        Variable.SCRATCH.value: SCRATCH,
        Variable.TIMEOUT_S.value: str(int(pool.job.timeout_h * 3600)),
        Variable.GPUS.value: str(pool.job_gpus),
        Variable.GPU_ARCH.value: pool.gpu or "",
        "TMPDIR": SCRATCH,
        "HOME": SCRATCH,
    }
    if pool.fallback:
        environment[Variable.FALLBACK.value] = f"{context.prefix}-{pool.fallback}"
    return {
        "image": image,
        "command": ["lammps-jobs-attempt", "--store", "Ref::store", "--run", "Ref::run"],
        "jobRoleArn": job,
        "executionRoleArn": execution,
        "resourceRequirements": needs,
        "environment": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "privileged": False,
        "readonlyRootFilesystem": True,
        "user": "1000:1000",
        "linuxParameters": {"initProcessEnabled": True, "sharedMemorySize": pool.job.shm_mib},
        "volumes": [{"name": "scratch", "host": {"sourcePath": SCRATCH}}],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": SCRATCH, "readOnly": False}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": group, "awslogs-region": context.region, "awslogs-stream-prefix": pool.name},
        },
    }


BOUNDARY = "==lammps-jobs=="


def user_data(pool: Pool) -> str:
    """What a machine does at its first start: the ECS agent's settings and the scratch folder (MIME, as Batch asks)."""
    settings = {
        "ECS_CONTAINER_STOP_TIMEOUT": f"{TERM_GRACE_S:g}s",
        "ECS_ENABLE_SPOT_INSTANCE_DRAINING": "true",
        "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached",
        "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "10m",
    }
    lines = ["#!/bin/bash", "set -euo pipefail", f"mkdir -p {SCRATCH}"]
    if pool.scratch == "instance-store":
        lines += [
            "disks=$(lsblk --nodeps --noheadings --paths --output NAME,MODEL | awk '/Instance Storage/ {print $1}')",
            'count=$(echo "$disks" | wc --words)',
            'if [ "$count" -gt 1 ]; then',
            '  mdadm --create /dev/md0 --run --level=0 --raid-devices="$count" $disks',
            "  disks=/dev/md0",
            "fi",
            'if [ -n "$disks" ]; then',
            f"  mkfs.ext4 -q -E nodiscard $disks && mount -o noatime $disks {SCRATCH}",
            "fi",
        ]
    lines += [f"chmod 1777 {SCRATCH}"]
    lines += [f"echo {name}={value} >> /etc/ecs/ecs.config" for name, value in settings.items()]
    return "\n".join(
        [
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{BOUNDARY}"',
            "",
            f"--{BOUNDARY}",
            'Content-Type: text/x-shellscript; charset="us-ascii"',
            "",
            *lines,
            f"--{BOUNDARY}--",
            "",
        ]
    )
