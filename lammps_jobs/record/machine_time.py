"""How long attempts held their machines, from what is on record of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lammps_jobs.record.attempt_record import AttemptRecord
from lammps_jobs.record.documents import Attempt, AttemptEnd


@dataclass(frozen=True)
class Held:
    """One attempt on its machine."""

    attempt: Attempt
    end: AttemptEnd | None
    until: datetime
    """When it ended; of one that ended without a word, or still runs, when it was last heard of."""

    @property
    def seconds(self) -> float:
        return max(0.0, (self.until - self.attempt.claimed).total_seconds())


@dataclass(frozen=True)
class Used:
    """What all attempts together have used."""

    seconds: float = 0.0
    interruptions: int = 0


def held(record: AttemptRecord) -> list[Held]:
    """All attempts, oldest first; two requests each. Raises StoreError."""
    found = []
    for attempt in record.attempts():
        end = record.ended(attempt.number)
        progress = None if end else record.progress(attempt.number)
        until = end.ended if end else progress.updated if progress else attempt.claimed
        found.append(Held(attempt, end, until))
    return found


def used_before(record: AttemptRecord, number: int) -> Used:
    """What the attempts before attempt `number` have used. One that ended for an error lost no machine.

    Raises StoreError.
    """
    before = [one for one in held(record) if one.attempt.number < number]
    lost = [one for one in before if one.end is None or (one.end.outcome == "interrupted" and not one.end.error)]
    return Used(sum(one.seconds for one in before), len(lost))
