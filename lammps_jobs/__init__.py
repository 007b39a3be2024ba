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
    from lammps_jobs.api.cluster import Cluster, Run, RunStatus, connect
    from lammps_jobs.errors import LammpsJobsError
    from lammps_jobs.record.documents import Checkpoints, CutPlan, Progress, Resources, RunSpec

__version__ = "0.1.0"

_HOME = {
    "Cluster": "api.cluster",
    "Run": "api.cluster",
    "RunStatus": "api.cluster",
    "connect": "api.cluster",
    "LammpsJobsError": "errors",
    "Checkpoints": "record.documents",
    "Progress": "record.documents",
    "CutPlan": "record.documents",
    "Resources": "record.documents",
    "RunSpec": "record.documents",
}

__all__ = [
    "Checkpoints",
    "Cluster",
    "CutPlan",
    "LammpsJobsError",
    "Progress",
    "Resources",
    "Run",
    "RunSpec",
    "RunStatus",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lammps_jobs.{_HOME[name]}"), name)
