"""What a backend, a place where runs run, must offer, and the registry of all backends by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Literal, Protocol

from lammps_jobs.errors import UsageError
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord

AT_ONCE = 16
"""Requests to the store at one time when many runs are looked at."""


@dataclass(frozen=True)
class JobStatus:
    """Whether anything more will come of a run by itself, and if not yet, why."""

    phase: Literal["running", "pending", "gone"]
    """`running`: the newest attempt runs. `pending`: an attempt will start. `gone`: neither."""
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Price:
    """USD for an hour of one attempt: on demand, of the cheapest and of the dearest machine that it may get."""

    least: float
    most: float
    is_spot: bool = False
    spot: tuple[float, float] | None = None
    """The same on Spot; None where that is not known."""
    date: str = ""
    """Of the list of prices."""

    @property
    def bounds(self) -> tuple[float, float]:
        """What may be paid: on Spot whose price is not known anything up to the price on demand."""
        if self.is_spot:
            return self.spot or (0.0, self.most)
        return self.least, self.most

    @property
    def mean(self) -> float:
        """On demand."""
        return (self.least + self.most) / 2


class Backend(Protocol):
    """Starts attempts of runs and says what became of them. Everything else of a run is in its record.

    Methods are called from several threads. Errors are of `lammps_jobs.errors`: StoreError when the record cannot be
    read, an error of the backend's own (CloudError on AWS) when the place cannot be asked.
    """

    def is_elsewhere(self) -> bool:
        """Whether attempts run on other machines than the one from which they are submitted."""

    def start(self, record: RunRecord) -> None:
        """See to it that one more attempt starts, and return as soon as that is certain.

        Crashing in between and calling again must neither lose nor double the attempt. May take seconds. Raises
        CannotStart or another LammpsJobsError, with a remedy, when none can start.
        """

    def start_if_room(self, record: RunRecord, *, again: bool = False) -> bool:
        """Start an attempt, unless it would crowd those that run already: then False.

        Of several that ask for the same run's first attempt at the same time one starts it; it is True for all.
        """

    def start_after(self, record: RunRecord) -> None:
        """See to it that the run's first attempt starts when the runs that it follows (`Submission.after`) have
        finished, without the caller. Calling it again does no harm. Raises what `start` raises."""

    def look_after(self, record: RunRecord) -> None:
        """Start the first attempt of such a run where it is due and there is room, or call it off where one that it
        follows has failed: for whoever waits for it."""

    def in_background(self, sweep: str) -> None:
        """See to it that the runs of a sweep that wait for room are started when there is, without the caller."""

    def starts_together(self) -> bool:
        """Whether the runs of a sweep are started by `start_together`, thousands in a call, rather than one by one.

        Where they are not, the other methods with `together` in their names are never called.
        """

    def start_together(self, sweep: SweepRecord, runs: Sequence[str]) -> None:
        """See to it that one more attempt of each of these runs starts; those without a record get it as they begin.

        Crashing in between and calling again must neither lose nor double any. Raises what `start` raises.
        """

    def of_those_together(self, sweep: SweepRecord) -> Mapping[str, JobStatus]:
        """What is to come of the runs that were started together: of all, in a handful of calls. A run that runs may be
        `pending` here; it has a record by then, which says more."""

    def cancel_together(self, sweep: SweepRecord) -> None:
        """End what was started together, of all runs that still wait, in a handful of calls. Those that run have their
        grace time, as after `interrupt`."""

    def prefetch(self, records: Sequence[RunRecord]) -> AbstractContextManager[None]:
        """Within this context, `status` answers from data fetched in bulk for these runs, in few calls."""

    def status(self, record: RunRecord) -> JobStatus:
        """Whether the newest attempt runs, an attempt will start, or neither.

        Asked twice a second by `Run.wait`: at most one call to the place, and a constant number of reads of the
        record. `gone` only when it is certain that nothing more will be written; a run that never was started is
        `gone`, too, unless its first attempt is still to come.
        """

    def prices(self) -> Mapping[str, Price | None]:
        """Of each of its pools, what an hour costs; None where nothing is paid, or no price is known."""

    def tail(self, record: RunRecord, name: str, start: int = 0) -> bytes:
        """What the newest attempt has written to its file `name` from the byte `start` on; empty where it cannot be
        seen from here."""

    def shell(self, record: RunRecord) -> list[str]:
        """The command that opens a shell where the newest attempt runs.

        Raises WrongState when it does not run, UsageError where no shell is allowed.
        """

    def interrupt(self, record: RunRecord) -> None:
        """Ask the newest attempt to take a checkpoint and stop, or call off the one that waits; returns at once.

        The attempt gets SIGTERM and its grace time. Nothing happens when no attempt is left.
        """

    def kill(self, record: RunRecord) -> None:
        """Take the machine away from the newest attempt without notice: for rehearsals and tests.

        Raises WrongState where that cannot be done.
        """

    def salvage(self, record: RunRecord) -> None:
        """Record the outputs that a lost attempt left on its machine, where they can still be seen from here.

        Nothing happens when the newest attempt still runs, or nothing is left.
        """

    def settle(self, record: RunRecord, timeout_s: float) -> bool:
        """Wait until no process of the run's attempts is left, `timeout_s` at most, and remove what they left.

        Returns False when one is still there. An attempt outlives its last word in the record by some seconds.
        """


# -- the registry --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """What `connect` was given. A factory raises UsageError for what makes no sense for its backend."""

    place: str = ""
    """Which of the backend's places: the name of a stack, say."""
    store: str | None = None
    pool: str = ""
    region: str | None = None


@dataclass(frozen=True)
class Site:
    """A backend and the store where its runs are recorded, a folder or `s3://bucket/prefix` in `region`."""

    backend: Backend
    store: str
    region: str | None = None


Factory = Callable[[Address], Site]

BACKENDS = {
    "local": "lammps_jobs.backends.local:site",
    "aws_batch": "lammps_jobs.backends.aws_batch.backend:site",
}
"""Factories of this library's own backends, imported when they are asked for."""

GROUP = "lammps_jobs.backends"
"""Entry points by which other packages add backends: name = "module:factory"."""

STACKS = "aws_batch"
"""The backend whose places go by their plain names: `connect("prod")` is the stack of that name."""


def factory_of(name: str) -> tuple[Factory, str]:
    """The factory and the place that `name` means: `BACKEND`, `BACKEND:PLACE` or the name of a stack.

    Raises UsageError when there is no such backend.
    """
    known = {**{entry.name: entry.value for entry in entry_points(group=GROUP)}, **BACKENDS}
    kind, colon, place = name.partition(":")
    if not colon and kind not in known:
        kind, place = STACKS, name
    if kind not in known:
        raise UsageError(f"There is no backend named {kind!r}.", remedy=f"Backends: {', '.join(sorted(known))}")
    module, _, function = known[kind].partition(":")
    factory: Factory = getattr(import_module(module), function)
    return factory, place
