"""Keeping a store in order: what runs take, and what of them may go. Nothing that runs is touched."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterable
from datetime import timedelta
from pathlib import Path

from lammps_jobs.api.cluster import Cluster, connect
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.errors import Damaged, NoSuchRun, OtherFormat, UsageError, WrongState
from lammps_jobs.record import shared_inputs, upkeep
from lammps_jobs.record.documents import now
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord, sweep_names
from lammps_jobs.record.upkeep import Checked, Usage

SETTLE_S = 30.0
UNSETTLED = ("waiting", "starting", "running", "lost")
"""States in a list that say least about what is on record."""


def delete(cluster: Cluster, name: str, *, collecting: bool = True) -> int:
    """Remove a run with all that is stored of it; returns the bytes that were freed.

    Removes the rest of a run whose removal was interrupted, too, and unless `collecting` is False inputs that it shared
    with runs of its sweep, where it was the last. Raises WrongState while it runs, NoSuchRun.
    """
    run = Run(cluster._record_of(name), cluster._backend)
    shared = set[str]()
    if run.record.is_submitted():
        require_still(run, "deleted")
        shared = shared_inputs.named_by(run.record) if collecting else shared
    freed = upkeep.remove(run.record)
    return freed + (collect_shared(cluster, shared) if shared else 0)


def is_sweep_alone(cluster: Cluster, name: str) -> bool:
    """Whether the name is that of a sweep, and of no run."""
    return name in sweep_names(cluster._root) and not cluster._record_of(name).sizes()


def delete_sweep(cluster: Cluster, name: str) -> int:
    """Remove a sweep with all its runs and the inputs that they shared; returns the bytes that were freed.

    Raises WrongState, before anything is removed, while a run of it runs or waits; NoSuchRun.
    """
    sweep = cluster.find_sweep(name)
    going = [state for state in sweep.statuses() if not state.is_ended]
    if going:
        raise WrongState(f"{going[0].name} is {going[0].state}; the sweep {name} cannot be deleted.",
                         remedy=f"First: lammps-jobs cancel-sweep {name}")  # fmt: skip
    freed = 0
    for run in sweep.runs:
        with contextlib.suppress(NoSuchRun):  # somebody was faster
            freed += delete(cluster, run.name, collecting=False)
    return freed + upkeep.remove_sweep(sweep._record) + collect_shared(cluster)


def collect_shared(cluster: Cluster, among: Collection[str] | None = None) -> int:
    """Remove inputs, all or some, that runs of sweeps shared and that nothing names any more; returns the bytes.

    Those of the last day stay: somebody may be about to submit a sweep with them. Nothing is removed where a
    specification in the store cannot be read, which might name them.
    """
    try:
        return shared_inputs.collect(cluster._root, among)
    except (Damaged, OtherFormat) as error:
        warnings.warn(f"Inputs of deleted runs stay: {error.where or error.what} cannot be read, and may name them.",
                      stacklevel=2)  # fmt: skip
        return 0


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


def shared_usage(cluster: Cluster) -> tuple[int, int]:
    """Bytes of the inputs that the runs of sweeps share, and of those among them that nothing names any more."""
    sizes = {name: size for name, (size, _) in shared_inputs.stored(cluster._root).items()}
    try:
        unnamed = shared_inputs.unnamed(cluster._root, older_than=timedelta(0))
    except (Damaged, OtherFormat):
        unnamed = {}
    return sum(sizes.values()), sum(unnamed.values())


def prune(cluster: Cluster, names: Iterable[str]) -> int:
    """Remove these runs, then sweeps of which nothing is left, then inputs that nothing names any more; returns the
    bytes that were freed. A run that somebody resumed meanwhile stays."""
    freed = 0
    for name in names:
        with contextlib.suppress(WrongState, NoSuchRun):  # somebody resumed it, or was faster
            freed += delete(cluster, name, collecting=False)
    for sweep in sweep_names(cluster._root):
        record = SweepRecord(cluster._root, sweep)
        parts = list(record.parts())
        if parts and not any(part.spec for part in parts):  # the others' runs need not have records
            runs = (RunRecord(cluster._root, member.run) for part in parts for member in part.members)
            freed += 0 if any(run.is_submitted() for run in runs) else upkeep.remove_sweep(record)
    return freed + collect_shared(cluster)


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
