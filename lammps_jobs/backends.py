"""What a place where runs run must offer; `local` and `batch` do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from lammps_jobs.store import RunStore

AT_ONCE = 16
"""Requests to the store at one time when many runs are looked at."""


@dataclass(frozen=True)
class Outlook:
    """Whether anything more will come of a run by itself, and why not yet if so."""

    is_going: Literal["alive", "waiting", "gone"]
    """`alive`: the newest attempt runs. `waiting`: an attempt will start. `gone`: neither."""
    reason: str = ""
    then: str = ""


class Backend(Protocol):
    def start(self, record: RunStore) -> None:
        """See to it that an attempt starts; raises LammpsJobsError when none can."""

    def looking(self, records: Sequence[RunStore]) -> AbstractContextManager[None]:
        """While several runs are looked at: what is asked about all of them at once, in few calls, is believed."""

    def outlook(self, record: RunStore) -> Outlook: ...

    def live(self, record: RunStore, name: str) -> bytes:
        """What the newest attempt wrote to its file `name` so far, as far as it can be seen from here."""

    def shell(self, record: RunStore) -> list[str]:
        """The command that opens a shell where the newest attempt runs."""

    def interrupt(self, record: RunStore) -> None:
        """Ask the newest attempt to take a checkpoint and stop, or call off the one that waits."""

    def kill(self, record: RunStore) -> None:
        """Take the machine away from the newest attempt, as a reclaimed Spot machine would go."""
