"""Run an unmodified LAMMPS script on machines that may vanish, as if nothing had ever happened.

import lammps_jobs

cluster = lammps_jobs.connect()
run = cluster.submit("in.melt", variables={"T": 1.5}, name="melt-1.5")
run.wait()
print(run.thermo())

The names below are the public interface (docs/api.md). Each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster, connect
    from lammps_jobs.api.costs import AttemptCost, Cost
    from lammps_jobs.api.display import Plot
    from lammps_jobs.api.following import After
    from lammps_jobs.api.naming import Values
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus, State
    from lammps_jobs.api.sweep import Sweep
    from lammps_jobs.api.waiting import DoneAndNotDone, as_completed, wait
    from lammps_jobs.backends.base import Price
    from lammps_jobs.errors import (
        BudgetSpent,
        CannotResume,
        CannotStart,
        CloudError,
        Damaged,
        EngineDied,
        Fenced,
        GpuFailed,
        InputMissing,
        InternalError,
        Interrupted,
        LammpsJobsError,
        NameTaken,
        NoSuchRun,
        NotInstalled,
        OtherFormat,
        ScriptError,
        StackError,
        StoreAway,
        StoreError,
        UsageError,
        WouldOverwrite,
        WrongState,
    )
    from lammps_jobs.record.documents import (
        Blob,
        Checkpoint,
        Checkpoints,
        CutPlan,
        Equipment,
        Event,
        Fidelity,
        Grade,
        OutputFile,
        Progress,
        Resources,
        RunSpec,
    )
    from lammps_jobs.rehearsal.compare import Difference
    from lammps_jobs.rehearsal.rehearse import rehearse
    from lammps_jobs.rehearsal.verdict import RehearsalReport, StageVerdict, Verdict

__version__ = "0.1.0"

__all__ = [
    "After",
    "AttemptCost",
    "Blob",
    "BudgetSpent",
    "CannotResume",
    "CannotStart",
    "Checkpoint",
    "Checkpoints",
    "CloudError",
    "Cluster",
    "Cost",
    "CutPlan",
    "Damaged",
    "Difference",
    "DoneAndNotDone",
    "EngineDied",
    "Equipment",
    "Event",
    "Fenced",
    "Fidelity",
    "GpuFailed",
    "Grade",
    "InputMissing",
    "InternalError",
    "Interrupted",
    "LammpsJobsError",
    "NameTaken",
    "NoSuchRun",
    "NotInstalled",
    "OtherFormat",
    "OutputFile",
    "Plot",
    "Price",
    "Progress",
    "RehearsalReport",
    "Resources",
    "Run",
    "RunSpec",
    "RunStatus",
    "ScriptError",
    "StackError",
    "StageVerdict",
    "State",
    "StoreAway",
    "StoreError",
    "Sweep",
    "UsageError",
    "Values",
    "Verdict",
    "WouldOverwrite",
    "WrongState",
    "as_completed",
    "connect",
    "rehearse",
    "wait",
]

_HOMES = {
    "api.cluster": "Cluster connect",
    "api.costs": "AttemptCost Cost",
    "api.display": "Plot",
    "api.following": "After",
    "api.naming": "Values",
    "api.run": "Run",
    "api.status": "RunStatus State",
    "api.sweep": "Sweep",
    "api.waiting": "DoneAndNotDone as_completed wait",
    "backends.base": "Price",
    "errors": (
        "BudgetSpent CannotResume CannotStart CloudError Damaged EngineDied Fenced GpuFailed InputMissing "
        "InternalError Interrupted LammpsJobsError NameTaken NoSuchRun NotInstalled OtherFormat ScriptError StackError "
        "StoreAway StoreError UsageError WouldOverwrite WrongState"
    ),
    "record.documents": (
        "Blob Checkpoint Checkpoints CutPlan Equipment Event Fidelity Grade OutputFile Progress Resources RunSpec"
    ),
    "rehearsal.compare": "Difference",
    "rehearsal.rehearse": "rehearse",
    "rehearsal.verdict": "RehearsalReport StageVerdict Verdict",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lammps_jobs.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
