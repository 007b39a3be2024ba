"""Runs that begin when others have finished: what one still waits for, and the process that starts it on this machine.

`python -m lammps_jobs.backends.after STORE` starts the runs of a store on this machine as those before them finish. One
such process works at a time; it ends when no run waits any more.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lammps_jobs.errors import Damaged, LammpsJobsError, NoSuchRun, OtherFormat, WrongState
from lammps_jobs.record import index
from lammps_jobs.record.documents import AttemptEnd, Cancelled
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import cancelled
from lammps_jobs.record.sweep_record import SweepRecord
from lammps_jobs.supervisor import own
from lammps_jobs.supervisor.notify import Publisher, tell

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LOOK_S, GROWTH = (0.5, 5.0), 1.2
"""Pause between two looks at all that waits: the first, the longest, and by what it grows from one to the next."""


SWEEP = "sweep:"
"""In `Submission.after`: what comes behind it names a sweep, all of whose runs must have finished."""
AT_ONCE = 16


@dataclass(frozen=True)
class Standing:
    """What became of the runs and sweeps that one was submitted to follow."""

    waits_for: tuple[str, ...] = ()
    """Those that have not finished, and may still, in words."""
    never: str = ""
    """Why it will never start, in words: one of them failed, was ended by its user, or is gone."""
    unfinished: tuple[str, ...] = ()
    """The runs that have begun and not finished: those that it follows, and those of sweeps that it follows."""
    jobs: tuple[str, ...] = ()
    """IDs of array jobs that hold runs which have not begun."""

    @property
    def is_due(self) -> bool:
        """Whether all of them have finished."""
        return not self.waits_for and not self.never

    def __str__(self) -> str:
        return self.never or f"It starts when {and_so(self.waits_for)} finished."


def in_words(name: str) -> str:
    """An entry of `Submission.after`, as people say it."""
    return f"the sweep {name.removeprefix(SWEEP)}" if name.startswith(SWEEP) else name


def and_so(names: Sequence[str]) -> str:
    """`a has`, `a and b have`, `a, b and 5 more have`."""
    most = 2
    if len(names) <= most:
        return " and ".join(names) + (" has" if len(names) == 1 else " have")
    return f"{', '.join(names[:most])} and {len(names) - most} more have"


class Looks:
    """What was found at one look at many runs that follow the same others: each of those is looked at once."""

    def __init__(self) -> None:
        self._found: dict[str, Standing] = {}
        self._lock = threading.Lock()

    def of(self, root: ObjectStore, name: str) -> Standing:
        with self._lock:
            if name not in self._found:
                self._found[name] = _of_sweep(root, name) if name.startswith(SWEEP) else _of_run(root, name)
            return self._found[name]


def standing(record: RunRecord, looks: Looks | None = None) -> Standing:
    """What the record says of the runs before this one. Raises StoreError."""
    return standing_of(record.root, record.submission().after, looks)


def standing_of(root: ObjectStore, after: Iterable[str], looks: Looks | None = None) -> Standing:
    """What became of these runs and sweeps, named as in `Submission.after`; costs some requests for each run, for a
    sweep one for a thousand runs that the store's index calls finished. Raises StoreError."""
    looks = looks or Looks()
    found = [looks.of(root, name) for name in after]
    never = "; ".join(one.never for one in found if one.never)
    return Standing(
        waits_for=tuple(words for one in found for words in one.waits_for),
        never=f"It did not start: {never}." if never else "",
        unfinished=tuple(name for one in found for name in one.unfinished),
        jobs=tuple(dict.fromkeys(job for one in found for job in one.jobs)),
    )


def _of_run(root: ObjectStore, name: str) -> Standing:
    record = RunRecord(root, name)
    words = _ended_badly(record)
    if words:
        return Standing(never=f"{name} {words}")
    return Standing() if record.finished() else Standing(waits_for=(name,), unfinished=(name,))


def _of_sweep(root: ObjectStore, name: str) -> Standing:
    """A row of the index says `finished` only when the result is on record: such runs are believed to have finished; of
    all others the records tell."""
    sweep = SweepRecord(root, name.removeprefix(SWEEP))
    parts = list(sweep.parts())
    if not parts:
        return Standing(never=f"there is no sweep {sweep.name} any more")
    done, begins_later = set[str](), set[str]()
    for part in parts:
        if part.spec:
            done |= {row.name for row in index.rows_submitted(root, part.submitted) if row.kind == "finished"}
            begins_later |= {member.run for member in part.members}
    rest = [member.run for part in parts for member in part.members if member.run not in done]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda run: _of_member(RunRecord(root, run), begins_later), rest)
        return _of_members(sweep, dict(zip(rest, found, strict=True)))


def _of_members(sweep: SweepRecord, found: dict[str, str]) -> Standing:
    """By what became of those members that are not known to have finished."""
    words = in_words(f"{SWEEP}{sweep.name}")
    unfinished = tuple(run for run, what in found.items() if what == GOES_ON)
    not_begun = [run for run, what in found.items() if what == NOT_BEGUN]
    newest = sweep.newest_of() if not_begun else {}
    arrays = sorted({newest[run][0].number for run in not_begun if run in newest})
    bad = [f"{run} {what}" for run, what in found.items() if what not in ("", GOES_ON, NOT_BEGUN)]
    if any(sweep.is_cancelled(number) for number in arrays):
        bad.append("it was cancelled")
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return Standing(never=f"{words} did not finish: {bad[0]}{more}")
    jobs = tuple(job for number in arrays if (job := sweep.job_id(number)))
    return Standing((words,) if unfinished or not_begun else (), "", unfinished, jobs)


GOES_ON, NOT_BEGUN = "goes on", "has not begun"


def _of_member(record: RunRecord, begins_later: set[str]) -> str:
    """What became of a sweep's run, in words; empty where it has finished."""
    if record.name in begins_later and not record.is_submitted():
        return NOT_BEGUN
    return _ended_badly(record) or ("" if record.finished() else GOES_ON)


def _ended_badly(record: RunRecord) -> str:
    """Why the run will not finish by itself or by a plain resume; empty where it may."""
    if record.finished():
        return ""
    try:
        record.submission()
    except NoSuchRun:
        return "was removed or renamed"
    except (Damaged, OtherFormat) as error:
        return f"cannot be read ({error.what})"
    number, is_cancelled = record.newest()
    if is_cancelled:
        return "was cancelled"
    end = record.ended(number) if number else None
    return f"failed at step {end.last_step or 0} ({end.reason})" if end and end.outcome == "failed" else ""


def call_off(record: RunRecord, why: str, publish: Publisher | None = None) -> None:
    """Put on record that the run does not start, and tell whom it is to tell; only `resume` starts it then."""
    if record.cancel(Cancelled(attempt=0, why=why)):
        record.tell_of(lambda seen: cancelled(seen, 0))
        never = AttemptEnd(number=0, outcome="failed", reason=why, exit_code=WrongState.exit_code)
        for _ in tell(record, never, publish):
            pass


def drive(url: str) -> None:
    """Start what is due of the store's runs that follow others, until none waits."""
    from lammps_jobs.backends.local import LocalBackend

    root, backend = open_root(url), LocalBackend(url)
    pause, longest = LOOK_S
    while waiting := waiting_for_others(root):
        with backend.prefetch(waiting):
            for record in waiting:
                with contextlib.suppress(LammpsJobsError):  # somebody was faster, or the store is away for a while
                    backend.look_after(record)
        time.sleep(pause)
        pause = min(longest, pause * GROWTH)


def waiting_for_others(root: ObjectStore) -> list[RunRecord]:
    """This user's runs of which no attempt has begun, and that follow others. Costs a call for a thousand runs and some
    for each that waits."""
    found = []
    for row in index.rows(root):
        if row.kind == "waiting" and not row.attempt:
            record = RunRecord(root, row.name)
            with contextlib.suppress(Damaged, OtherFormat, NoSuchRun):
                number, is_cancelled = record.newest()
                if record.submission().after and not number and not is_cancelled and own.is_own(record):
                    found.append(record)
    return found


def main() -> int:
    from lammps_jobs.backends.local import alone

    url = sys.argv[1]
    while True:
        with alone(f"after {url}") as is_alone:
            if not is_alone:
                return 0  # another process is at it
            drive(url)
        if not waiting_for_others(open_root(url)):  # none came between its last look and now
            return 0


if __name__ == "__main__":
    sys.exit(main())
