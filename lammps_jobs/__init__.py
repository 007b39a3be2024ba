"""Run an unmodified LAMMPS script on machines that may vanish, as if nothing had ever happened.

import lammps_jobs

cluster = lammps_jobs.connect()
run = cluster.submit("in.melt", variables={"T": 1.5}, name="melt-1.5")
run.wait()
print(run.thermo())
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lammps_jobs.cluster import Cluster, Run, RunState, connect
    from lammps_jobs.errors import LammpsJobsError
    from lammps_jobs.models import Checkpoints, Progress, Rehearsal, Resources, RunSpec

__version__ = "0.1.0"

_HOME = {
    "Cluster": "cluster",
    "Run": "cluster",
    "RunState": "cluster",
    "connect": "cluster",
    "LammpsJobsError": "errors",
    "Checkpoints": "models",
    "Progress": "models",
    "Rehearsal": "models",
    "Resources": "models",
    "RunSpec": "models",
}

__all__ = [
    "Checkpoints",
    "Cluster",
    "LammpsJobsError",
    "Progress",
    "Rehearsal",
    "Resources",
    "Run",
    "RunSpec",
    "RunState",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lammps_jobs.{_HOME[name]}"), name)
