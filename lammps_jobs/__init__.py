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
    from lammps_jobs.api.cluster import Cluster, Values, connect
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus, State
    from lammps_jobs.api.sweep import Sweep
    from lammps_jobs.errors import (
        CannotResume,
        CannotStart,
        CloudError,
        Damaged,
        EngineDied,
        Fenced,
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
    "Blob",
    "CannotResume",
    "CannotStart",
    "Checkpoint",
    "Checkpoints",
    "CloudError",
    "Cluster",
    "CutPlan",
    "Damaged",
    "Difference",
    "EngineDied",
    "Event",
    "Fenced",
    "Fidelity",
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
    "connect",
    "rehearse",
]

_HOMES = {
    "api.cluster": "Cluster Values connect",
    "api.run": "Run",
    "api.status": "RunStatus State",
    "api.sweep": "Sweep",
    "errors": (
        "CannotResume CannotStart CloudError Damaged EngineDied Fenced InputMissing InternalError "
        "Interrupted LammpsJobsError NameTaken NoSuchRun NotInstalled OtherFormat ScriptError StackError "
        "StoreAway StoreError UsageError WouldOverwrite WrongState"
    ),
    "record.documents": (
        "Blob Checkpoint Checkpoints CutPlan Event Fidelity Grade OutputFile Progress Resources RunSpec"
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
