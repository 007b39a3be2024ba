"""What an attempt knows of the place it runs in, and the environment variables that say it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lammps_jobs.record.documents import Event, Progress
from lammps_jobs.supervisor.notify import Publisher

Observer = Callable[[Progress | Event], None]
TERM_GRACE_S = 110.0
"""Seconds between SIGTERM and SIGKILL on a stack's machines (ECS_CONTAINER_STOP_TIMEOUT in their launch template)."""


class Variable(StrEnum):
    """Names of the environment variables: AWS Batch sets the first three, EC2's tools the next, a stack the others."""

    JOB = "AWS_BATCH_JOB_ID"
    JOB_ATTEMPT = "AWS_BATCH_JOB_ATTEMPT"
    INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
    METADATA = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    NOTICES = "LAMMPS_JOBS_NOTICES"
    STACK = "LAMMPS_JOBS_STACK"
    POOL = "LAMMPS_JOBS_POOL"
    FALLBACK = "LAMMPS_JOBS_FALLBACK"
    SCRATCH = "LAMMPS_JOBS_SCRATCH"
    TIMEOUT_S = "LAMMPS_JOBS_TIMEOUT_S"
    GPUS = "LAMMPS_JOBS_GPUS"
    GPU_ARCH = "LAMMPS_JOBS_GPU_ARCH"
    GRACE_S = "LAMMPS_JOBS_GRACE_S"
    NOTICE_EVERY_S = "LAMMPS_JOBS_NOTICE_EVERY_S"


def _nobody(_: Progress | Event) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class JobEnvironment:
    """The place of an attempt; the defaults describe a local machine."""

    job: str = ""
    """ID of the AWS Batch job; empty elsewhere."""
    job_attempt: int = 0
    """Which attempt of the job this is, from 1."""
    index: int = 0
    """Which job of its array this is, from 0; 0 also of none."""
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
    notices: Path | None = None
    """Folder in which a service of the machine writes down what the metadata announces; None where there is none."""
    notice_every_s: float = 5.0
    observe: Observer = _nobody
    publish: Publisher | None = None
    """Publishes to an SNS topic; None where there is none."""

    @classmethod
    def from_variables(cls, variables: Mapping[str, str] = os.environ) -> JobEnvironment:
        """Read what the environment variables say; a local machine has none of them."""
        get = variables.get
        limit = get(Variable.TIMEOUT_S)
        grace = get(Variable.GRACE_S)
        job = get(Variable.JOB, "")
        return cls(
            job=job,
            job_attempt=int(get(Variable.JOB_ATTEMPT, "1")) if job else 0,
            index=int(get(Variable.INDEX, "0")),
            stack=get(Variable.STACK, ""),
            pool=get(Variable.POOL, ""),
            fallback=get(Variable.FALLBACK, ""),
            gpus=int(get(Variable.GPUS, "0")),
            gpu=get(Variable.GPU_ARCH, ""),
            grace_s=float(grace) if grace else TERM_GRACE_S if job else None,
            time_limit_s=float(limit) if limit else None,
            metadata=get(Variable.METADATA, ""),
            notices=Path(folder) if (folder := get(Variable.NOTICES)) else None,
            notice_every_s=float(get(Variable.NOTICE_EVERY_S, "5")),
        )
