"""Waiting for several runs, of one cluster or of many, as `concurrent.futures` waits for futures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.base import AT_ONCE, Backend

LOOK_S, GROWTH = (0.1, 2.0), 1.2
"""Pause between two looks at all runs: the first, the longest, and by what it grows from one to the next."""
When = Literal["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: the runs that have ended, in whatever state, and the others."""

    done: set[Run]
    not_done: set[Run]


def as_completed(runs: Iterable[Run], timeout_s: float | None = None) -> Iterator[Run]:
    """The runs, each once and as soon as it has ended, in whatever state; those that have ended already come first.

    Raises TimeoutError when not all have after `timeout_s` from the first look on.
    """
    left, end = list(dict.fromkeys(runs)), _end_of(timeout_s)
    pause, longest = LOOK_S
    while left:
        ended = [run for run, state in _statuses(left) if state.is_ended]
        for run in ended:
            left.remove(run)
            yield run
        if not left:
            return
        if end is not None and time.monotonic() > end:
            raise TimeoutError(f"{len(left)} runs have not ended after {timeout_s:g} s: {_named(left)}")
        time.sleep(pause)
        pause = LOOK_S[0] if ended else min(longest, pause * GROWTH)


def wait(runs: Iterable[Run], timeout_s: float | None = None, return_when: When = "ALL_COMPLETED") -> DoneAndNotDone:
    """Wait until all runs have ended, or the first one has, or one has without finishing.

    Returns after `timeout_s` at the latest, with what has ended. `Run.wait` waits for one, and raises what ended it.
    """
    left, done, end = list(dict.fromkeys(runs)), set[Run](), _end_of(timeout_s)
    pause, longest = LOOK_S
    while True:
        ended = {run: state for run, state in _statuses(left) if state.is_ended}
        done |= ended.keys()
        left = [run for run in left if run not in ended]
        went_wrong = any(state.state != "finished" for state in ended.values())
        enough = (return_when == "FIRST_COMPLETED" and done) or (return_when == "FIRST_EXCEPTION" and went_wrong)
        if not left or enough or (end is not None and time.monotonic() > end):
            return DoneAndNotDone(done, set(left))
        time.sleep(pause)
        pause = min(longest, pause * GROWTH)


def _end_of(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else time.monotonic() + timeout_s


def _statuses(runs: list[Run]) -> list[tuple[Run, RunStatus]]:
    """With one question in bulk to each place where they run. Runs that follow others are started where it is time."""
    found: list[tuple[Run, RunStatus]] = []
    places: dict[int, list[Run]] = {}
    for run in runs:
        places.setdefault(id(run._backend), []).append(run)
    for there in places.values():
        backend: Backend = there[0]._backend
        with backend.prefetch([run.record for run in there]), ThreadPoolExecutor(AT_ONCE) as pool:
            found += zip(there, pool.map(_looked_after, there), strict=True)
    return found


def _looked_after(run: Run) -> RunStatus:
    state = run.status
    run.look_after(state)
    return state


def _named(runs: list[Run]) -> str:
    most = 3
    return ", ".join(run.name for run in runs[:most]) + (" ..." if len(runs) > most else "")
