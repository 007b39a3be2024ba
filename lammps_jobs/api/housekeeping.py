"""Keeping a store in order: what runs take, and what of them may go. Nothing that runs is touched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from lammps_jobs.api.cluster import Cluster
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.errors import UsageError, WrongState
from lammps_jobs.record import upkeep
from lammps_jobs.record.documents import now
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.upkeep import Checked, Usage

SETTLE_S = 30.0


def delete(cluster: Cluster, name: str) -> int:
    """Remove a run with all that is stored of it; returns the bytes that were freed.

    Removes the rest of a run whose removal was interrupted, too. Raises WrongState while it runs, NoSuchRun.
    """
    run = Run(cluster._record_of(name), cluster._backend)
    if run.record.is_submitted():
        require_still(run, "deleted")
    return upkeep.remove(run.record)


def require_still(run: Run, what: str) -> None:
    """Raises WrongState when the run runs, or a process of it is left."""
    state = run.status
    if not state.is_ended or not run.settle(SETTLE_S):
        raise WrongState(
            f"{run.name} is {state.state}; it cannot be {what}.", remedy=f"First: lammps-jobs cancel {run.name}"
        )


def prunable(cluster: Cluster, older_than: timedelta, states: Iterable[str]) -> list[RunStatus]:
    """The runs that ended in one of `states` longer than `older_than` ago. Raises UsageError for a negative time."""
    if older_than < timedelta(0):
        raise UsageError("The age must not be negative.")
    wanted, latest = set(states), now() - older_than
    return [
        one for one in cluster.statuses()
        if one.is_ended and one.state in wanted and one.changed is not None and one.changed < latest
    ]  # fmt: skip


def usage(cluster: Cluster, names: Iterable[str] = ()) -> list[Usage]:
    """What runs take, all by default, by name. Costs a call for a thousand objects."""
    chosen = set(names)
    for name in chosen:
        cluster.run(name)
    return [upkeep.usage(run.record) for run in cluster.runs() if not chosen or run.name in chosen]


def verify(run: Run) -> Checked:
    """Read everything of a run that its newest checkpoint, its result and its specification name."""
    return upkeep.check(run.record)


def collect(run: Run) -> int:
    """Remove objects that nothing names, left by uploads that crashed; returns the bytes. Raises WrongState."""
    require_still(run, "tidied")
    return upkeep.collect(run.record)


def transfer(run: Run, to: str, *, region: str | None = None) -> RunRecord:
    """Copy a run that has stopped to another store, a folder or `s3://bucket/prefix`; every object is checked.

    Raises WrongState while it runs, NameTaken when the other store has a run of that name, Damaged, StoreError.
    """
    require_still(run, "copied")
    return upkeep.copy(run.record, RunRecord(open_root(to, region), run.name))
