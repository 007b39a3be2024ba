"""What runs and sweeps are submitted to follow: others that must have finished before they begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lammps_jobs.api.run import Run
from lammps_jobs.api.sweep import Sweep
from lammps_jobs.backends.after import SWEEP, in_words
from lammps_jobs.errors import NoSuchRun, UsageError, WrongState
from lammps_jobs.record.sweep_record import SweepRecord

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster

RUN = "run:"
After = str | Run | Sweep | Iterable[str | Run | Sweep]
"""Runs and sweeps, or one; names where they are text, `run:NAME` or `sweep:NAME` where both have it."""


def to_follow(cluster: Cluster, after: After, *, sweep: str = "") -> tuple[str, ...]:
    """The entries of `Submission.after`: names of runs, and of sweeps behind `sweep:`.

    Raises NoSuchRun, UsageError for a name that means two, or for what follows the `sweep` that is to follow it,
    WrongState where one has ended without finishing.
    """
    given = [after] if isinstance(after, str | Run | Sweep) else list(after)
    names = tuple(dict.fromkeys(_entry(cluster, one) for one in given))
    if sweep:
        _require_no_ring(cluster, f"{SWEEP}{sweep}", names)
    for name in names:
        said = _ended_badly(cluster, name)
        if said:
            again = f"retry {name.removeprefix(SWEEP)}" if name.startswith(SWEEP) else f"resume {name}"
            raise WrongState(f"{in_words(name)}, which is to finish before, has not: {said}".strip(),
                             remedy=f"First: lammps-jobs {again}")  # fmt: skip
    return names


def _entry(cluster: Cluster, one: str | Run | Sweep) -> str:
    if isinstance(one, Run):
        return one.name
    if isinstance(one, Sweep):
        return f"{SWEEP}{one.name}"
    if one.startswith(SWEEP):
        return f"{SWEEP}{cluster.find_sweep(one.removeprefix(SWEEP)).name}"
    if one.startswith(RUN):
        return cluster.run(one.removeprefix(RUN)).name
    try:
        sweep = f"{SWEEP}{cluster.find_sweep(one).name}"
    except NoSuchRun:
        return cluster.run(one).name
    try:
        cluster.run(one)
    except NoSuchRun:
        return sweep
    raise UsageError(f"{one} is a run and a sweep.", remedy=f"Write {RUN}{one} or {sweep}")


def _require_no_ring(cluster: Cluster, sweep: str, names: tuple[str, ...]) -> None:
    """Raises UsageError where one of the names follows the sweep, which has members already, or follows what does."""
    seen, rest = set[str](), [(name, name) for name in names]
    while rest:
        name, through = rest.pop()
        if name == sweep:
            words = "itself" if through == name else f"{in_words(through)}, which follows it"
            raise UsageError(f"{in_words(sweep)} cannot follow {words}.", remedy="Choose another --name for the sweep.")
        if name not in seen:
            seen.add(name)
            rest += [(before, through) for before in _before(cluster, name)]


def _before(cluster: Cluster, name: str) -> set[str]:
    """What a run or the members of a sweep follow."""
    if not name.startswith(SWEEP):
        return set(cluster.run(name).record.submission().after)
    record = SweepRecord(cluster._root, name.removeprefix(SWEEP))
    return {one for after in record.following().values() for one in after}


def _ended_badly(cluster: Cluster, name: str) -> str:
    """What became of a run or sweep that has ended without finishing, in words; empty of any other."""
    if not name.startswith(SWEEP):
        state = cluster.run(name).status
        return f"{state.state}. {state.reason}" if state.is_ended and state.state != "finished" else ""
    states = cluster.find_sweep(name.removeprefix(SWEEP)).statuses()
    bad = [state for state in states if state.is_ended and state.state != "finished"]
    counts = Counter(state.state for state in bad)
    words = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{words} of {len(states)} runs. {bad[0].name}: {bad[0].reason}" if bad else ""
