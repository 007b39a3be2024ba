"""Whether LAMMPS works on this machine, found out by loading it."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.errors import MACHINE_UNUSABLE


def check() -> int:
    """Print what the image holds; 0 when LAMMPS can be loaded and computes."""
    from importlib.metadata import version

    said: dict[str, Any] = {"lammps-jobs": version("lammps-jobs"), "image": os.environ.get("LAMMPS_JOBS_IMAGE", "")}
    started = time.monotonic()
    try:
        Communicator(1)
        import lammps

        lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        said |= {"LAMMPS": lmp.version(), "packages": len(lmp.installed_packages)}
        lmp.command("region all block 0 1 0 1 0 1")
        lmp.close()
    except Exception as error:
        print(f"LAMMPS does not work in this image: {error}", file=sys.stderr)
        return MACHINE_UNUSABLE
    said["seconds"] = round(time.monotonic() - started, 2)
    print("  ".join(f"{key} {value}" for key, value in said.items() if value != ""))
    return 0
