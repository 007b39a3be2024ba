"""What is known of EC2 instance types that LAMMPS runs on: cores, memory, GPUs, scratch disks.

The table is made from AWS's own (`tools/machines.py`). A family that is missing is one more name there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.machine_table import TABLE

GpuArchitecture = Literal["Turing75", "Ampere80", "Ampere86", "Ada89", "Hopper90"]
Quota = Literal["G", "P", "P5", "standard"]


@dataclass(frozen=True)
class Machine:
    """One instance type; `memory_mib` of the whole machine, `nvme` whether it has disks of its own."""

    vcpus: int
    memory_mib: int
    gpus: int = 0
    gpu: str = ""
    nvme: bool = False

    @property
    def vcpus_per_gpu(self) -> int:
        return self.vcpus // max(1, self.gpus)


MACHINES: dict[str, Machine] = {name: Machine(*row) for name, row in TABLE.items()} | {
    # retired, and still asked for: the answer says why not
    name: Machine(vcpus, gib * 1024, gpus, "Volta70")
    for name, vcpus, gib, gpus in (("p3.2xlarge", 8, 61, 1), ("p3.8xlarge", 32, 244, 4), ("p3.16xlarge", 64, 488, 8))
}
"""The instance types that pools may name."""

UNSUPPORTED: dict[str, str] = {
    "Volta70": "the GPU image of Amazon Linux 2023 has no driver for the V100: take g4dn, g5, g6, p4d or p5",
}
"""GPU architectures that AWS Batch's image `ECS_AL2023_NVIDIA` does not serve, and what to take instead.
(AWS Batch user guide, "Amazon ECS-optimized AMI": its driver 570 and newer needs Turing or newer.)"""

QUOTA_CODES: dict[tuple[Quota, str], str] = {
    ("G", "spot"): "L-3819A6DF",
    ("G", "on-demand"): "L-DB2E81BA",
    ("P", "spot"): "L-7212CCBC",
    ("P", "on-demand"): "L-417A185B",
    ("P5", "spot"): "L-C4BD4855",
    ("P5", "on-demand"): "L-417A185B",
    ("standard", "spot"): "L-34B43A08",
    ("standard", "on-demand"): "L-1216C47A",
}
"""Service Quotas of EC2 in vCPUs, by kind of machine and purchase (Service Quotas console, service `ec2`)."""


def quota_of(instance_type: str) -> Quota:
    """The EC2 vCPU quota that an instance type counts against."""
    family = instance_type.split(".", maxsplit=1)[0]
    if family.startswith("p5"):
        return "P5"
    return "G" if family.startswith("g") else "P" if family.startswith("p") else "standard"
