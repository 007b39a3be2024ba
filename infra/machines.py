"""What is known of EC2 instance types that LAMMPS runs on: cores, memory, GPUs, scratch disks.

Source: AWS's pages of instance types (aws.amazon.com/ec2/instance-types), November 2025. A type that is
missing here is one more row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GpuArchitecture = Literal["Turing75", "Ampere80", "Ampere86", "Ada89", "Hopper90"]
Quota = Literal["G", "P", "P5", "standard"]

GIB = 1024


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


def _family(gpu: str, sizes: dict[str, tuple[int, int, int]], *, nvme: bool = True) -> dict[str, Machine]:
    return {name: Machine(vcpus, gib * GIB, gpus, gpu, nvme) for name, (vcpus, gib, gpus) in sizes.items()}


MACHINES: dict[str, Machine] = {
    **_family("Turing75", {
        "g4dn.xlarge": (4, 16, 1), "g4dn.2xlarge": (8, 32, 1), "g4dn.4xlarge": (16, 64, 1),
        "g4dn.8xlarge": (32, 128, 1), "g4dn.12xlarge": (48, 192, 4), "g4dn.16xlarge": (64, 256, 1),
    }),
    **_family("Ampere86", {
        "g5.xlarge": (4, 16, 1), "g5.2xlarge": (8, 32, 1), "g5.4xlarge": (16, 64, 1),
        "g5.8xlarge": (32, 128, 1), "g5.12xlarge": (48, 192, 4), "g5.16xlarge": (64, 256, 1),
        "g5.24xlarge": (96, 384, 4), "g5.48xlarge": (192, 768, 8),
    }),
    **_family("Ada89", {
        "g6.xlarge": (4, 16, 1), "g6.2xlarge": (8, 32, 1), "g6.4xlarge": (16, 64, 1),
        "g6.8xlarge": (32, 128, 1), "g6.12xlarge": (48, 192, 4), "g6.16xlarge": (64, 256, 1),
        "g6.24xlarge": (96, 384, 4), "g6.48xlarge": (192, 768, 8),
        "g6e.xlarge": (4, 32, 1), "g6e.2xlarge": (8, 64, 1), "g6e.4xlarge": (16, 128, 1),
        "g6e.8xlarge": (32, 256, 1), "g6e.12xlarge": (48, 384, 4), "g6e.48xlarge": (192, 1536, 8),
    }),
    **_family("Volta70", {"p3.2xlarge": (8, 61, 1), "p3.8xlarge": (32, 244, 4), "p3.16xlarge": (64, 488, 8)},
              nvme=False),
    **_family("Ampere80", {"p4d.24xlarge": (96, 1152, 8), "p4de.24xlarge": (96, 1152, 8)}),
    **_family("Hopper90", {"p5.4xlarge": (16, 256, 1), "p5.48xlarge": (192, 2048, 8), "p5en.48xlarge": (192, 2048, 8)}),
    **_family("", {f"{family}.{size}": (vcpus, vcpus * 2, 0)
                   for family in ("c6i", "c7i", "c6a", "c7a")
                   for size, vcpus in (("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32),
                                       ("12xlarge", 48), ("16xlarge", 64), ("24xlarge", 96))}, nvme=False),
    **_family("", {f"{family}.{size}": (vcpus, vcpus * 4, 0)
                   for family in ("m6i", "m7i", "m6a", "m7a")
                   for size, vcpus in (("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32))}, nvme=False),
    **_family("", {f"c6id.{size}": (vcpus, vcpus * 2, 0)
                   for size, vcpus in (("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32))}),
}  # fmt: skip

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
