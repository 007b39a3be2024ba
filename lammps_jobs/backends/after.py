"""Runs that begin when others have finished: what one still waits for, and the process that starts it on this machine.

`python -m lammps_jobs.backends.after STORE` starts the runs of a store on this machine as those before them finish. One
such process works at a time; it ends when no run waits any more.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lammps_jobs.errors import Damaged, LammpsJobsError, NoSuchRun, OtherFormat, WrongState
from lammps_jobs.record import index
from lammps_jobs.record.documents import AttemptEnd, Cancelled
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import cancelled
from lammps_jobs.supervisor import own
from lammps_jobs.supervisor.notify import Publisher, tell

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LOOK_S, GROWTH = (0.5, 5.0), 1.2
"""Pause between two looks at all that waits: the first, the longest, and by what it grows from one to the next."""


@dataclass(frozen=True)
class Standing:
    """What became of the runs that one was submitted to follow."""

    unfinished: tuple[str, ...] = ()
    """Those that have not finished, and may still."""
    never: str = ""
    """Why it will never start, in words: one of them failed, was ended by its user, or is gone."""

    @property
    def is_due(self) -> bool:
        """Whether all of them have finished."""
        return not self.unfinished and not self.never

    def __str__(self) -> str:
        return self.never or f"It starts when {and_so(self.unfinished)} finished."


def and_so(names: Sequence[str]) -> str:
    """`a has`, `a and b have`, `a, b and 5 more have`."""
    most = 2
    if len(names) <= most:
        return " and ".join(names) + (" has" if len(names) == 1 else " have")
    return f"{', '.join(names[:most])} and {len(names) - most} more have"


def standing(record: RunRecord) -> Standing:
    """What the record says of the runs before this one; costs some requests for each. Raises StoreError."""
    unfinished, never = list[str](), list[str]()
    for name in record.submission().after:
        other = RunRecord(record.root, name)
        words = _ended_badly(other)
        if words:
            never.append(f"{name} {words}")
        elif not other.finished():
            unfinished.append(name)
    return Standing(tuple(unfinished), f"It did not start: {'; '.join(never)}." if never else "")


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
