"""AWS Batch: for each pool machines, a queue and a job definition; a fair share between those who submit."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
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

SCRATCH = "/home/lammps"
"""A job's own volume: Docker makes it with the owner that this folder has in the image, and ECS removes it with the
job. A folder of the machine would be open to all its jobs, which are one user."""
NOTICES = "/run/lammps-jobs"
"""Where a service of the machine writes down what the metadata announces (infra/notices.sh)."""
METADATA = "http://169.254.169.254"
JOBS_USER = 1000
LONGEST_GOODBYE_MIN = 360
"""Minutes that jobs have to end when their machine is exchanged by an update: the most that the provider takes."""


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
            behind = [environments[pool.name]]
            if pool.fallback and pool.critical:  # on-demand machines cost three times as much: only where it is said
                behind.append(environments[pool.fallback])
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
                "subnets": self.network.subnet_ids,
                "security_group_ids": self.network.group_ids,
                "ec2_configurations": [{"image_type": "ECS_AL2023_NVIDIA" if pool.gpu else "ECS_AL2023"}],
                "launch_template": {
                    "launch_template_id": template.id,
                    "version": template.latest_version.apply(str),
                },
                "tags": self.tags(pool.name),
            },
            # no service_role: only with the service-linked role can AWS update it in place
            update_policy={"terminate_jobs_on_update": False, "job_execution_timeout_minutes": LONGEST_GOODBYE_MIN},
            tags=self.tags(pool.name),
            # without them machines cannot leave the cluster: taken down first, the environment stays in DELETING
            opts=self.child(after=self.identity.machine_policies),
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
                "http_put_response_hop_limit": 1,  # and infra/notices.sh keeps jobs away, which are no hop apart
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
            tag_specifications=[{"resource_type": "volume", "tags": self.tags(pool.name)}],
            tags=self.tags(pool.name),
            opts=self.child(),
        )

    def _queue(self, pool: Pool, behind: list[aws.batch.ComputeEnvironment]) -> aws.batch.JobQueue:
        limit = int(self.context.config.runnable_limit_h * 3600)
        reasons = ["MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"]
        if self.context.config.cancel_without_capacity:
            reasons.insert(0, "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")
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
            bucket=self.storage.name_of_bucket,
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
        {"action": "RETRY", "on_status_reason": "Task failed to start*"},  # the image, Docker, a disk: another try
        {"action": "EXIT", "on_reason": "*"},
    ]


def own_limit_s(limit_s: float) -> int:
    """Seconds after which an attempt ends itself: a job that AWS Batch has to end is never tried again.

    A quarter of an hour before, since AWS counts from before the image's start and the last upload takes its time.
    """
    return int(limit_s - min(900.0, limit_s / 4))


def container_of(
    pool: Pool, context: Context, *, image: str, job: str, execution: str, bucket: str, group: str
) -> dict[str, Any]:
    """The container of a job: unprivileged, its root read-only, its scratch its own."""
    needs = [{"type": "VCPU", "value": str(pool.job_vcpus)}, {"type": "MEMORY", "value": str(pool.job_memory_mib)}]
    if pool.job_gpus:
        needs.append({"type": "GPU", "value": str(pool.job_gpus)})
    environment = {
        "AWS_DEFAULT_REGION": context.region,
        "AWS_REGION": context.region,
        Variable.METADATA.value: METADATA,
        Variable.NOTICES.value: NOTICES,
        Variable.STACK.value: context.stack,
        Variable.POOL.value: pool.name,
        Variable.SCRATCH.value: SCRATCH,
        Variable.TIMEOUT_S.value: str(own_limit_s(pool.job.timeout_h * 3600)),
        Variable.GPUS.value: str(pool.job_gpus),
        Variable.GPU_ARCH.value: pool.gpu or "",
        # Open MPI takes cores for slots, and binds the ranks of every container to the same first cores
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
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
        "user": f"{JOBS_USER}:{JOBS_USER}",
        "ulimits": [{"name": name, "softLimit": -1, "hardLimit": -1} for name in ("memlock", "stack")],  # MPI, OpenMP
        "linuxParameters": {"initProcessEnabled": True, "sharedMemorySize": pool.job.shm_mib},
        "volumes": [{"name": "scratch", "host": {}}, {"name": "notices", "host": {"sourcePath": NOTICES}}],
        "mountPoints": [
            {"sourceVolume": "scratch", "containerPath": SCRATCH, "readOnly": False},
            {"sourceVolume": "notices", "containerPath": NOTICES, "readOnly": True},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": group,
                "awslogs-region": context.region,
                "awslogs-stream-prefix": pool.name,
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },  # throttled logs must not stall LAMMPS
        },
    }


BOUNDARY = "==lammps-jobs=="


def user_data(pool: Pool) -> str:
    """What a machine does at its first start (MIME, as Batch asks): infra/user-data.sh, with infra/notices.sh in it."""
    here = Path(__file__).parent
    shebang, _, script = (here / "user-data.sh").read_text().partition("\n")
    lines = [
        shebang,
        f"INSTANCE_STORE={'yes' if pool.scratch == 'instance-store' else 'no'}",
        f"STOP_TIMEOUT={TERM_GRACE_S:g}s",
        f"NOTICES={NOTICES}",
        f"JOBS_USER={JOBS_USER}",
        "notices_script() { cat <<'NOTICES_SCRIPT'",
        f"{(here / 'notices.sh').read_text()}NOTICES_SCRIPT",
        "}",
        script,
    ]
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
