"""Write `infra/machine_table.py`, what EC2's instance types have: `python -m tools.machines --write`.

The source is AWS's own answer to DescribeInstanceTypes, of which the developers' tool moto ships a copy that its
maintainers fetch anew for each release. With credentials `--aws` asks AWS itself.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from emulator import ROOT

FILE = ROOT / "infra" / "machine_table.py"
FAMILIES = ("g4dn", "g5", "g6", "gr6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en", "c6i", "c6id", "c7i", "c8i", "c6a",
            "c7a", "c8a", "m6i", "m7i", "m6a", "m7a")  # fmt: skip
"""Families that LAMMPS is worth running on: NVIDIA's GPUs that the images are built for, x86 cores."""
GPUS = {"T4": "Turing75", "A10G": "Ampere86", "L4": "Ada89", "L40S": "Ada89", "A100": "Ampere80", "H100": "Hopper90",
        "H200": "Hopper90"}  # fmt: skip
"""AWS's name of a GPU to the architecture that Kokkos is built for."""
LEAST_VCPUS = 4


def shipped() -> dict[str, Any]:
    """moto's copy of AWS's answer, by instance type."""
    found: dict[str, Any] = json.loads(
        gzip.decompress((files("moto.ec2") / "resources" / "instance_types.json.gz").read_bytes())
    )
    return found


def asked() -> dict[str, Any]:
    """AWS's answer."""
    import boto3

    pages = boto3.client("ec2", region_name="us-east-1").get_paginator("describe_instance_types").paginate()
    return {one["InstanceType"]: one for page in pages for one in page["InstanceTypes"]}


def row(known: Mapping[str, Any]) -> tuple[int, int, int, str, bool]:
    """vCPUs, MiB of memory, GPUs, their architecture, whether it has disks of its own."""
    gpus = known.get("GpuInfo", {}).get("Gpus", [])
    return (known["VCpuInfo"]["DefaultVCpus"], known["MemoryInfo"]["SizeInMiB"], sum(one["Count"] for one in gpus),
            GPUS[gpus[0]["Name"]] if gpus else "", bool(known.get("InstanceStorageInfo")))  # fmt: skip


def table(known: Mapping[str, Any], source: str) -> str:
    """The module's text."""
    wanted = {name: one for name, one in known.items() if name.split(".")[0] in FAMILIES and not one["BareMetal"]}
    rows = {name: made for name, one in wanted.items() if (made := row(one))[0] >= LEAST_VCPUS}
    order = sorted(rows, key=lambda name: (FAMILIES.index(name.split(".")[0]), rows[name]))
    lines = [
        f'"""EC2\'s instance types, by `python -m tools.machines --write` from {source}."""',
        "",
        "TABLE: dict[str, tuple[int, int, int, str, bool]] = {",
        *(f"    {json.dumps(name)}: {str(rows[name]).replace(chr(39), chr(34))}," for name in order),
        "}",
        '"""vCPUs, memory in MiB, GPUs, their architecture, whether it has disks of its own."""',
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="replace infra/machine_table.py")
    parser.add_argument("--aws", action="store_true", help="ask AWS, with your credentials")
    args = parser.parse_args()
    source = (
        "AWS's DescribeInstanceTypes" if args.aws else f"moto {version('moto')}'s copy of AWS's DescribeInstanceTypes"
    )
    text = table(asked() if args.aws else shipped(), source)
    if args.write:
        FILE.write_text(text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
