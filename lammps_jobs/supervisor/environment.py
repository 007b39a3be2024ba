"""What an attempt is told about the place it runs in: environment variables, by name, in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lammps_jobs.record.documents import Event, Progress

Observer = Callable[[Progress | Event], None]
TERM_GRACE_S = 110.0
"""Seconds between SIGTERM and SIGKILL on a stack's machines (ECS_CONTAINER_STOP_TIMEOUT in their launch template)."""


def _nobody(_: Progress | Event) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class JobEnvironment:
    """Defaults are those of one's own machine."""

    job: str = ""
    """ID of the AWS Batch job; empty elsewhere."""
    job_attempt: int = 0
    """Which attempt of the job this is, from 1."""
    stack: str = ""
    pool: str = ""
    fallback: str = ""
    """Pool that takes over where this one keeps being interrupted."""
    gpus: int = 0
    gpu: str = ""
    """Architecture of the GPUs, as Kokkos names it."""
    grace_s: float | None = None
    """Seconds that SIGTERM leaves; None: what the run's specification says."""
    time_limit_s: float | None = None
    """Seconds after which the attempt is ended from outside."""
    metadata: str = ""
    """Address of the EC2 instance metadata service; empty where there is none."""
    notice_every_s: float = 5.0
    observe: Observer = _nobody

    @classmethod
    def from_variables(cls, variables: Mapping[str, str] = os.environ) -> JobEnvironment:
        """What environment variables say; the names are those that AWS Batch and the stack's job definition set."""
        get = variables.get
        limit = get("LAMMPS_JOBS_TIMEOUT_S")
        grace = get("LAMMPS_JOBS_GRACE_S")
        job = get("AWS_BATCH_JOB_ID", "")
        return cls(
            job=job,
            job_attempt=int(get("AWS_BATCH_JOB_ATTEMPT", "1")) if job else 0,
            stack=get("LAMMPS_JOBS_STACK", ""),
            pool=get("LAMMPS_JOBS_POOL", ""),
            fallback=get("LAMMPS_JOBS_FALLBACK", ""),
            gpus=int(get("LAMMPS_JOBS_GPUS", "0")),
            gpu=get("LAMMPS_JOBS_GPU_ARCH", ""),
            grace_s=float(grace) if grace else TERM_GRACE_S if job else None,
            time_limit_s=float(limit) if limit else None,
            metadata=get("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""),
            notice_every_s=float(get("LAMMPS_JOBS_NOTICE_EVERY_S", "5")),
        )
