"""A sweep: many runs of one script, submitted, waited for and evaluated together."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lammps_jobs.api.display import table
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.api.sweep_budget import share_anew
from lammps_jobs.api.together import cancel_together, on_record, start_again, statuses_together
from lammps_jobs.backends.base import AT_ONCE
from lammps_jobs.errors import Interrupted, LammpsJobsError, NoSuchRun, NotInstalled, WrongState
from lammps_jobs.formats.averages import mean_and_error
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import Member, SweepRecord

if TYPE_CHECKING:
    import pandas

    from lammps_jobs.api.cluster import Cluster

LOOK_S = 1.0
"""Pause between two looks at all members."""
AT_A_LOOK = 200
"""Members that are started at one look at most, so that the others are not forgotten meanwhile."""


class Sweep:
    """Many runs of one script. `Cluster.sweep` makes it, `Cluster.find_sweep` finds it again.

    On this machine members wait for free cores; whoever waits for the sweep starts them, and so does a process in the
    background, which ends with the last start. On a stack they are jobs of arrays, and get their records as they begin.
    """

    def __init__(self, cluster: Cluster, record: SweepRecord, members: list[Member]) -> None:
        self._cluster, self._record, self.name, self.members = cluster, record, record.name, members
        self._asked: set[str] = set()
        """Members that this process has asked to be started."""
        self._after = record.following()
        """What some members follow."""

    def __repr__(self) -> str:
        return f"Sweep({self.name!r}, {len(self.members)} runs)"

    def _repr_html_(self) -> str:
        return table(self.statuses(), f"{self.name}: {len(self)} runs")

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order of the members, but for those that were deleted or, on a stack, have not begun."""
        return [run for _, run in self._there()]

    def _there(self) -> Iterator[tuple[Member, Run]]:
        """The members that nobody has deleted."""
        known = on_record(self._record) if self._cluster._backend.starts_together() else None
        for member in self.members:
            record = RunRecord(self._record.root, member.run)
            if member.run in known if known is not None else record.is_submitted():
                yield member, Run(record, self._cluster._backend)

    def run(self, **variables: object) -> Run:
        """The run with these variables: `sweep.run(T=0.7, seed=1)`; some of them do where only one run has those.

        Raises NoSuchRun when none or several have them.
        """
        wanted = {name: str(value) for name, value in variables.items()}
        found = [m for m in self.members if all(m.variables.get(name) == value for name, value in wanted.items())]
        if len(found) != 1:
            words = ", ".join(f"{name}={value}" for name, value in wanted.items())
            raise NoSuchRun(f"{len(found) or 'No'} runs of the sweep {self.name!r} have {words}.",
                            remedy=f"Its variables: {', '.join(self.members[0].variables)}.")  # fmt: skip
        return self._cluster.run(found[0].run)

    def statuses(self) -> list[RunStatus]:
        """The states of all runs, in the order of the members, with few calls however many they are."""
        if not self._cluster._backend.starts_together():
            return self._cluster.statuses([member.run for member in self.members])
        return statuses_together(self._cluster, self._record)

    @property
    def _pause_s(self) -> float:
        """Between two looks: ten for ten thousand runs."""
        return max(LOOK_S, len(self.members) / 1000)

    # -- going on --------------------------------------------------------------------------------

    def advance(self) -> list[RunStatus]:
        """Start what waits and finds room; returns all states."""
        states = self.statuses()
        if self._cluster._backend.starts_together():
            return states
        waiting = [s.name for s in states if s.state == "waiting" and not s.attempt and s.name not in self._asked]
        self._follow([name for name in waiting if name in self._after])
        for name in [name for name in waiting if name not in self._after][:AT_A_LOOK]:
            if not self._cluster.start_if_room(name):
                break
            self._asked.add(name)
        return states

    def _follow(self, waiting: list[str]) -> None:
        """Start those of these members that follow others which have finished, or call them off with others that
        failed; the first that may not begin yet stands for all that follow the same."""
        records, still = [RunRecord(self._record.root, name) for name in waiting], set[tuple[str, ...]]()
        with self._cluster._backend.prefetch(records):
            for record in records:
                if self._after[record.name] in still:
                    continue
                self._cluster._backend.look_after(record)
                if record.newest() == (0, False):
                    still.add(self._after[record.name])
                else:
                    self._asked.add(record.name)

    def wait(self, on_change: Callable[[list[RunStatus]], None] | None = None, *, check: bool = True) -> Counter[str]:
        """Wait until no run goes on any more; returns how many are in which state.

        Raises Interrupted, naming some, when not all are finished, unless `check` is False.
        """
        while True:
            states = self.advance()
            if on_change:
                on_change(states)
            if all(state.is_ended for state in states):
                break
            time.sleep(self._pause_s)
        bad = [state for state in states if state.state != "finished"]
        if bad and check:
            words = "; ".join(f"{state.name} is {state.state} {state.reason}".strip() for state in bad[:3])
            raise Interrupted(f"{len(bad)} of {len(states)} runs did not finish: {words}",
                              remedy=f"What failed is submitted again by: lammps-jobs retry {self.name}")  # fmt: skip
        return Counter(state.state for state in states)

    def as_completed(self) -> Iterator[Run]:
        """The runs, each as soon as it has ended, in whatever state."""
        seen: set[str] = set()
        while True:
            states = self.advance()
            for state in states:
                if state.is_ended and state.name not in seen:
                    seen.add(state.name)
                    yield self._cluster.run(state.name)
            if all(state.name in seen for state in states):
                return
            time.sleep(self._pause_s)

    def retry(self, *, budget_s: float | None = None) -> list[Run]:
        """Resume the runs that failed, were interrupted, cancelled or lost their machine, each when there is room.

        Finished ones stay as they are. What is left of the sweep's budget is shared out anew among those that go on;
        `budget_s` is another one for all runs together, in seconds. Returns when all are started; on a stack when they
        are in its queue, and only those that have begun before. Raises BudgetSpent when nothing is left.
        """
        states = self.statuses()
        share_anew(self._record, states, budget_s)
        again = [state.name for state in states if state.is_ended and state.state != "finished"]
        if self._cluster._backend.starts_together():
            start_again(self._cluster, self._record, again)
            return [run for _, run in self._there() if run.name in set(again)]
        for name in again:
            while not self._cluster.start_if_room(name, again=True):
                time.sleep(LOOK_S)
        return [self._cluster.run(name) for name in again]

    def cancel(self, *, now: bool = False) -> None:
        """End all runs that have not finished."""
        if self._cluster._backend.starts_together():
            cancel_together(self._cluster, self._record, now=now)
            return
        for state in reversed(self.statuses()):  # those that wait first, or they would start meanwhile
            if state.state not in ("finished", "failed", "cancelled"):
                with contextlib.suppress(WrongState):  # it has finished meanwhile
                    self._cluster.run(state.name).cancel(now=now or not state.attempt)

    # -- results ---------------------------------------------------------------------------------

    def thermo(self) -> pandas.DataFrame:
        """The thermo tables of all runs below one another, tidy: a column for each variable of the sweep, then those of
        `Run.thermo`, then `run`, the run's name. Runs that have written none yet are left out. Raises NotInstalled."""
        library = _pandas()
        tables = []
        for member, rows in self._tables():
            for at, (name, value) in enumerate(member.variables.items()):
                rows.insert(at, _column(name, {*rows.columns, "run"}), _number(value))
            rows["run"] = member.run
            if len(rows):
                tables.append(rows)
        if not tables:
            return cast("pandas.DataFrame", library.DataFrame())
        return cast("pandas.DataFrame", library.concat(tables, ignore_index=True))

    def averages(self, *, skip: float = 0.5) -> pandas.DataFrame:
        """One row a run: its variables, and for each thermo column the mean over its last stage but the first `skip` of
        the rows, and beside it, as `NAME_error`, the standard error from block averages. In the script's units."""
        library = _pandas()
        states = {state.name: state.state for state in self.statuses()}
        rows = []
        for member, whole in self._tables():
            taken = {*whole.columns, "rows", "state", "run"}
            row: dict[str, object] = {_column(name, taken): _number(v) for name, v in member.variables.items()}
            last = whole[whole["Stage"] == whole["Stage"].max()] if len(whole) else whole
            last = last.iloc[int(skip * len(last)) :]
            for column in last.columns.drop(["Stage", "Step", "Time"], errors="ignore"):
                row[column], row[f"{column}_error"] = mean_and_error([float(value) for value in last[column]])
            rows.append({**row, "rows": len(last), "state": states.get(member.run, ""), "run": member.run})
        return cast("pandas.DataFrame", library.DataFrame(rows))

    def _tables(self) -> Iterator[tuple[Member, pandas.DataFrame]]:
        """Each member's thermo table, read several at a time."""
        there = list(self._there())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tables = pool.map(lambda pair: pair[1].thermo(), there)
            yield from zip((member for member, _ in there), tables, strict=True)

    def download(self, path: str | Path | None = None, *, overwrite: bool = False) -> list[Path]:
        """Write the outputs of all runs below the folder `path` (the sweep's name by default), a folder a run."""
        folder = Path(path if path is not None else self.name)
        return [file for run in self.runs for file in run.download(folder / run.name, overwrite=overwrite)]


def _column(name: str, taken: set[str]) -> str:
    """The table's column for a variable; as LAMMPS writes its value in a thermo table where it has such a column."""
    return f"v_{name}" if name in taken else name


def _number(value: str) -> str | float:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise NotInstalled(
            f"The table needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
        ) from None
    return pandas


def drive(cluster: Cluster, name: str) -> None:
    """Start the sweep's runs as room comes free, until none waits any more. Two that do so do no harm."""
    sweep = cluster.find_sweep(name)
    while any(state.state == "waiting" and not state.attempt for state in sweep.statuses()):
        try:
            sweep.advance()
        except LammpsJobsError:  # a store that is away comes back, or the sweep is waited for by hand
            time.sleep(10 * LOOK_S)
        time.sleep(LOOK_S)
