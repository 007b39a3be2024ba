"""What a place where runs run must offer; `local` and `batch` do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from lammps_jobs.record.run_record import RunRecord

AT_ONCE = 16
"""Requests to the store at one time when many runs are looked at."""


@dataclass(frozen=True)
class JobStatus:
    """Whether anything more will come of a run by itself, and why not yet if so."""

    phase: Literal["running", "pending", "gone"]
    """`running`: the newest attempt runs. `pending`: an attempt will start. `gone`: neither."""
    reason: str = ""
    remedy: str = ""


class Backend(Protocol):
    def start(self, record: RunRecord) -> None:
        """See to it that an attempt starts; raises LammpsJobsError when none can."""

    def prefetch(self, records: Sequence[RunRecord]) -> AbstractContextManager[None]:
        """While several runs are looked at: what is asked about all of them at once, in few calls, is believed."""

    def status(self, record: RunRecord) -> JobStatus: ...

    def tail(self, record: RunRecord, name: str) -> bytes:
        """What the newest attempt wrote to its file `name` so far, as far as it can be seen from here."""

    def shell(self, record: RunRecord) -> list[str]:
        """The command that opens a shell where the newest attempt runs."""

    def interrupt(self, record: RunRecord) -> None:
        """Ask the newest attempt to take a checkpoint and stop, or call off the one that waits."""

    def kill(self, record: RunRecord) -> None:
        """Take the machine away from the newest attempt, as a reclaimed Spot machine would go."""
