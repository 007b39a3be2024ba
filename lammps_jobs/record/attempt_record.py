"""What is recorded of a run's attempts: claims, ends, jobs, decisions; and what they tell, which is advice."""

from __future__ import annotations

import obstore
from obstore.exceptions import BaseError

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.record import layout
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Cancelled,
    Decision,
    Event,
    JobAnswer,
    JobRequest,
    Progress,
)
from lammps_jobs.record.object_store import explained, explaining
from lammps_jobs.record.run_objects import RunObjects


class AttemptRecord(RunObjects):
    """The attempts of a run, and the jobs that were asked for them."""

    def claim(self, attempt: Attempt) -> bool:
        return self._commit(layout.claim(attempt.number), attempt)

    def attempts(self) -> list[Attempt]:
        """All claims, oldest first."""
        found = (self._load_readable(layout.claim(number), Attempt) for number in self._numbers(layout.ATTEMPTS))
        return [attempt for attempt in found if attempt]

    def attempt(self, number: int) -> Attempt | None:
        """The claim of attempt `number`; None when nobody has claimed it."""
        return self._load_readable(layout.claim(number), Attempt)

    def newest_attempt(self) -> int:
        """The number of the newest claim; 0 when there is none."""
        return max(self._numbers(layout.ATTEMPTS), default=0)

    def newest(self) -> tuple[int, bool]:
        """The number of the newest claim (0: none), and whether the user has ended the run since, and not resumed it;
        in one request where it was not ended."""
        number, _, is_cancelled = self.newest_of_all()
        return number, is_cancelled

    def newest_of_all(self) -> tuple[int, bool, bool]:
        """`newest`, and between both, whether the newest attempt has said how it ended; for the same requests."""
        names = self._names(layout.ATTEMPTS)
        number = max(layout.numbers(names), default=0)
        has_ended = layout.end(number).rsplit("/", 1)[1] in names
        is_cancelled = layout.cancelled(number).rsplit("/", 1)[1] in names
        return number, has_ended, is_cancelled and not self._is_asked_for_anew(number)

    def _is_asked_for_anew(self, number: int) -> bool:
        """Whether the user has asked for a job since the run was ended, of which no attempt has begun yet."""
        asked = [request.asked for request in self.job_requests() if request.by == "user"]
        cancelled = self._load_readable(layout.cancelled(number), Cancelled) if asked else None
        return bool(cancelled and max(asked) > cancelled.at)

    def end(self, end: AttemptEnd) -> bool:
        return self._commit(layout.end(end.number), end)

    def ended(self, number: int) -> AttemptEnd | None:
        return self._load_readable(layout.end(number), AttemptEnd)

    def cancel(self, cancelled: Cancelled) -> bool:
        """False when somebody else has cancelled that attempt."""
        return self._commit(layout.cancelled(cancelled.attempt), cancelled)

    def cancelled(self, attempt: int) -> Cancelled | None:
        return self._load(layout.cancelled(attempt), Cancelled)

    def ask_job(self, request: JobRequest) -> bool:
        """False when a request with that number exists."""
        return self._commit(layout.job(request.number), request)

    def job_requests(self) -> list[JobRequest]:
        """All requests for AWS Batch jobs, oldest first."""
        found = (self._load(layout.job(number), JobRequest) for number in self._numbers(layout.JOBS))
        return [request for request in found if request]

    def answer_job(self, number: int, job_id: str) -> None:
        self._commit(layout.job_id(number), JobAnswer(job_id=job_id))

    def job_id(self, number: int) -> str:
        """ID of the job that request `number` led to; empty while there is none."""
        answer = self._load(layout.job_id(number), JobAnswer)
        return answer.job_id if answer else ""

    def newest_job(self) -> tuple[JobRequest | None, str]:
        """The newest request for a job while nothing answers it, and the ID of its job once that does."""
        names = self._names(layout.JOBS)
        number = max(layout.numbers(names), default=0)
        if number and layout.job_id(number).rpartition("/")[2] in names and (found := self.job_id(number)):
            return None, found
        return (self._load(layout.job(number), JobRequest) if number else None), ""

    def decide(self, decision: Decision) -> bool:
        """Write down a decision; False when another one has its number."""
        return self._commit(layout.decision(decision.number), decision)

    def decisions(self) -> list[Decision]:
        """All decisions, in the order in which they were made."""
        found = (self._load_readable(layout.decision(number), Decision) for number in self._numbers(layout.DECISIONS))
        return [decision for decision in found if decision]

    # -- advice ----------------------------------------------------------------------------------

    def publish_progress(self, progress: Progress) -> None:
        key = self._key(layout.progress(progress.attempt))
        try:
            obstore.put(self.root, key, progress.model_dump_json().encode())
        except (BaseError, OSError) as error:
            raise explained(error, key) from error

    def progress(self, attempt: int) -> Progress | None:
        try:
            return self._load(layout.progress(attempt), Progress)
        except (Damaged, OtherFormat):  # being overwritten just now
            return None

    def append_event(self, event: Event, number: int) -> None:
        key = self._key(layout.event(event.attempt, number))
        with explaining(key):
            obstore.put(self.root, key, event.model_dump_json(indent=1).encode())

    def events(self) -> list[Event]:
        """All events, in order of attempts and time."""
        events: list[Event] = []
        for attempt in range(1, self.newest_attempt() + 1):
            folder = layout.events(attempt)
            found = (self._load_readable(f"{folder}/{name}", Event) for name in self._names(folder))
            events += [event for event in found if event]
        return events

    def put_log(self, attempt: int, name: str, content: bytes) -> None:
        self._create(layout.log(attempt, name), content)

    def log(self, attempt: int, name: str) -> str:
        content = self._read(layout.log(attempt, name))
        return "" if content is None else content.decode(errors="replace")
