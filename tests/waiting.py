"""Waiting in tests: as long as a run gets on, longer on a busy machine, and a failure says what was waited for.

No test gives up after a fixed wall time: $LAMMPS_JOBS_TEST_SLOWDOWN and the load of the machine stretch every limit.
"""

from __future__ import annotations

from collections.abc import Callable

from emulator.journeys import reaches
from emulator.patience import Patience, scaled, until
from lammps_jobs import Run, RunStatus

__all__ = ["Patience", "ended", "finish", "scaled", "until", "wait_for_checkpoint", "wait_for_progress", "wait_until"]


def ended(run: Run) -> RunStatus:
    """The state in which a run ends; each sign of progress renews the patience."""
    return run.wait(check=False, on_change=Patience(f"the end of {run.name}").see)


def finish(run: Run) -> Run:
    """Wait for the end, resuming as often as the run is interrupted."""
    while (state := ended(run)).state == "interrupted":
        run.resume()
    assert state.state == "finished", f"{state}\n{run.raw_log()[-3000:]}"
    return run


def wait_until(true: Callable[[], bool], run: Run, what: str) -> None:
    """Wait until something is `true` of a run that must not end before: `what`, in words."""
    reaches(run, true, what)


def wait_for_progress(run: Run, step: int = 1) -> None:
    wait_until(lambda: bool(run.progress and run.progress.step >= step), run, f"{run.name} to reach step {step}")


def wait_for_checkpoint(run: Run) -> None:
    wait_until(lambda: bool(run.record.checkpoint_seqs()), run, f"a checkpoint of {run.name}")
