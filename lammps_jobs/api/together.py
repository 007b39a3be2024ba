"""The runs of a sweep that were started together: thousands, looked at, started again and ended in few calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from lammps_jobs.api.listing import statuses_of
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus, State
from lammps_jobs.backends.base import AT_ONCE, JobStatus
from lammps_jobs.errors import WrongState
from lammps_jobs.record.index import Row, rows_submitted
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import SweepArray, SweepRecord, note_job

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster

T = TypeVar("T")
NOT_STARTED = JobStatus("gone", "Nothing has started it: whoever submitted the sweep was interrupted.")


def statuses_together(cluster: Cluster, sweep: SweepRecord) -> list[RunStatus]:
    """The states of all members, in their order: a call for a thousand rows of the store's index, one for a hundred
    jobs that run, and a look at the record of a run only where these leave a doubt."""
    backend = cluster._backend
    jobs, newest = backend.of_those_together(sweep), sweep.newest_of()
    found: dict[str, RunStatus] = {}
    alone: list[str] = []
    asked: list[Row] = []
    known: set[str] | None = None
    for rows, submitted, names in _by_second(sweep, alone):
        for name in names:
            row, job = rows.get(name), jobs.get(name, NOT_STARTED)
            if row is None and job.phase == "gone":  # rows are advice: a record without one says more
                known = set(run_names(sweep.root)) if known is None else known
                if name in known:
                    alone.append(name)
                    continue
            if row is None or _has_not_begun(row, sweep, newest.get(name)):
                is_cancelled = row is not None and row.kind == "cancelled"
                found[name] = _of_none(name, submitted, job, is_cancelled=is_cancelled)
            else:
                asked.append(row)
    seen = statuses_of(sweep.root, backend, asked)
    doubtful = [row.name for row, state in zip(asked, seen, strict=True) if _is_doubtful(row, state)]
    found |= {state.name: state for state in seen}
    found |= {state.name: state for state in cluster.statuses([*alone, *doubtful])}
    return [found[member.run] for member in sweep.members() if member.run in found]


def _by_second(
    sweep: SweepRecord, alone: list[str]
) -> Iterable[tuple[dict[str, Row], datetime, list[str]]]:  # fmt: skip
    """The rows of the members that were submitted in the same second, and all their names; adds to `alone` the names of
    those that had a record of their own at once."""
    names: dict[datetime, list[str]] = {}
    for part in sweep.parts():
        if part.spec is None:
            alone += [member.run for member in part.members]
        else:
            names.setdefault(part.submitted.replace(microsecond=0), []).extend(member.run for member in part.members)
    for submitted, runs in names.items():
        mine = set(runs)
        rows = {row.name: row for row in rows_submitted(sweep.root, submitted) if row.name in mine}
        yield rows, submitted, runs


def _has_not_begun(row: Row, sweep: SweepRecord, newest: tuple[SweepArray, int] | None) -> bool:
    """Whether the run has no attempt, and no other job than its array's."""
    if row.attempt or row.kind not in ("waiting", "cancelled"):
        return False
    array, at = newest or (None, 0)
    return array is not None and row.job in ("", array.job_of(sweep.job_id(array.number), at))


def _of_none(name: str, submitted: datetime, job: JobStatus, *, is_cancelled: bool) -> RunStatus:
    """The status of a run before its first attempt."""
    by_user = is_cancelled or job.reason == CANCELLED
    state: State = "cancelled" if by_user else "waiting" if job.phase == "pending" else "failed"
    remedy = job.remedy or ("`lammps-jobs retry` of its sweep starts it again." if state == "failed" else "")
    reason = CANCELLED if by_user else job.reason or "No attempt ever started."
    return RunStatus(name, state, attempt=0, step=0, target=0, stage=0, reason=reason, remedy=remedy,
                     submitted=submitted)  # fmt: skip


CANCELLED = "cancelled by the user"


def _is_doubtful(row: Row, state: RunStatus) -> bool:
    """Whether the row may be behind: an attempt that its place says is over, or a job behind the one that ended."""
    ended_unsaid = state.is_ended and row.kind in ("waiting", "starting", "running")
    has_newer_job = row.kind in ("failed", "cancelled", "interrupted") and bool(row.job) and not row.job_attempt
    return ended_unsaid or has_newer_job


def on_record(sweep: SweepRecord) -> set[str]:
    """The members that have records of their own: those that have begun, and those that somebody has looked at."""
    alone: list[str] = []
    return {name for rows, _, _ in _by_second(sweep, alone) for name in rows} | set(alone)


def start_again(cluster: Cluster, sweep: SweepRecord, runs: Sequence[str]) -> None:
    """Start these runs of the sweep again, together."""
    if not runs:
        return
    cluster._backend.start_together(sweep, runs)
    newest = SweepRecord(sweep.root, sweep.name).newest_of()

    def note(run: str) -> None:
        array, at = newest[run]
        note_job(RunRecord(sweep.root, run), array, array.job_of(sweep.job_id(array.number), at))

    known = on_record(sweep)
    _each(note, [run for run in runs if run in known])  # the others are noted as they begin


def cancel_together(cluster: Cluster, sweep: SweepRecord, *, now: bool) -> None:
    """End all runs of the sweep: those that wait in a few calls, those that run each with its last checkpoint."""

    def going() -> set[str]:
        """Those with an attempt that may still go on, or have been started again."""
        seen = statuses_together(cluster, sweep)
        return {one.name for one in seen if one.attempt and one.state not in ("finished", "failed", "cancelled")}

    def cancel(name: str) -> None:
        with contextlib.suppress(WrongState):  # it has finished meanwhile
            Run(RunRecord(sweep.root, name), cluster._backend).cancel(now=now)

    before = going()
    cluster._backend.cancel_together(sweep)
    _each(cancel, sorted(before | going()))  # some may have begun meanwhile


def _each(do: Callable[[T], None], of: Sequence[T]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(do, of))
