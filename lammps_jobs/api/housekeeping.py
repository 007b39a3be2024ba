"""Keeping a store in order: what runs take, and what of them may go. Nothing that runs is touched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from lammps_jobs.api.cluster import Cluster, connect
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.errors import UsageError, WrongState
from lammps_jobs.record import upkeep
from lammps_jobs.record.documents import now
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.upkeep import Checked, Usage

SETTLE_S = 30.0
UNSETTLED = ("waiting", "starting", "running", "lost")
"""States in a list that say least about what is on record."""


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


def prunable(
    cluster: Cluster, older_than: timedelta, states: Iterable[str], *, keep: int = 0, most_bytes: int | None = None
) -> list[RunStatus]:  # fmt: skip
    """The runs that ended in one of `states` longer than `older_than` ago, those that changed last first, without the
    newest `keep` of them; and of these, with `most_bytes`, only as many of the oldest as it takes until the whole store
    is no larger. Raises UsageError for a negative time or number.
    """
    if older_than < timedelta(0) or keep < 0 or (most_bytes or 0) < 0:
        raise UsageError("Ages, numbers and sizes must not be negative.")
    wanted, latest = set(states), now() - older_than

    def is_meant(one: RunStatus) -> bool:
        return one.is_ended and one.state in wanted and one.changed is not None and one.changed < latest

    chosen = [one.name for one in cluster.listing() if is_meant(one) or one.state in UNSETTLED]
    found = [one for one in cluster.statuses(chosen) if is_meant(one)]  # by their records: the index is advice
    found = sorted(found, key=lambda one: (one.changed or now(), one.name), reverse=True)[keep:]
    return found if most_bytes is None else _oldest_until(cluster, found, most_bytes)


def _oldest_until(cluster: Cluster, found: list[RunStatus], most_bytes: int) -> list[RunStatus]:
    sizes = {one.name: one.total for one in usage(cluster)}
    left, chosen = sum(sizes.values()), list[RunStatus]()
    for one in reversed(found):
        if left <= most_bytes:
            break
        chosen.insert(0, one)
        left -= sizes.get(one.name, 0)
    return chosen


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


def place(address: str, region: str | None = None) -> Cluster:
    """Another store to copy from or to: `stack:NAME`, a folder, or `s3://bucket/prefix`, with a `region` by the
    credentials of boto3's configuration (profiles, SSO). Raises what `connect` raises."""
    kind, _, name = address.partition(":")
    if kind == "stack":
        return connect(name, region=region)
    is_bucket = "://" in address
    url = address if is_bucket else str(Path(address).expanduser().resolve())
    return Cluster(url, LocalBackend(url), open_root(address, region if is_bucket else None))


def transfer(run: Run, to: str | Cluster, *, region: str | None = None) -> RunRecord:
    """Copy a run that has stopped to another store, as `place` takes it; every object is checked.

    Raises WrongState while it runs, NameTaken when the other store has a run of that name, Damaged, StoreError.
    """
    require_still(run, "copied")
    there = to if isinstance(to, Cluster) else place(to, region)
    return upkeep.copy(run.record, there._record_of(run.name))
