"""The record of a sweep: its members with their variables, and the array jobs that were asked for them.

Each member is a run with a record of its own. Of members that run as an array that record is made as each begins
(`submission_of`): until then all that is known of them is here, so that ten thousand cost a handful of objects.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import NotFoundError
from pydantic import Field

from lammps_jobs.errors import NoSuchRun
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Document, Frozen, JobAnswer, JobRequest, RunSpec, Submission, now
from lammps_jobs.record.names import Words
from lammps_jobs.record.object_store import explaining
from lammps_jobs.record.run_objects import RunObjects
from lammps_jobs.record.run_record import RunRecord

if TYPE_CHECKING:
    from obstore.store import ObjectStore

IN_A_PART = 10_000
"""Members that one object holds at most: each job of an array reads one."""


class Member(Frozen):
    """One run of a sweep."""

    run: str
    variables: dict[str, str]
    spec: RunSpec | None = None
    """What is asked for, where it is more than the part's with the member's variables: files of its own."""


class SweepPart(Document):
    """Members that were submitted together; further ones come in further parts."""

    members: tuple[Member, ...]
    submitted: datetime = Field(default_factory=now)
    spec: RunSpec | None = None
    """What all are asked for, but for names and variables; None where each had a record of its own at once."""
    origin: Words = ""
    after: tuple[str, ...] = ()
    """What all follow, as in `Submission.after`."""
    share_s: float | None = None
    """Machine time that each may use of a budget for all, in seconds, until it is shared out again."""


class SweepArray(Document):
    """An array job that was asked for, before it is submitted: its job number i is the run `runs[i]`."""

    number: int
    request: JobRequest
    runs: tuple[str, ...]

    def job_of(self, job_id: str, index: int) -> str:
        """ID of the job of run `index`, where that of the whole is `job_id`. A single run is no array."""
        return f"{job_id}:{index}" if job_id and len(self.runs) > 1 else job_id


class SweepBudget(Document):
    """Machine time that all runs of a sweep may use together (`budgets/<n>.json`); the newest one holds."""

    number: int
    budget_s: float
    given: datetime = Field(default_factory=now)


class ArrayCancelled(Document):
    """The user ended all that an array still had to begin."""

    number: int
    at: datetime = Field(default_factory=now)


class SweepRecord(RunObjects):
    """The record of the sweep `name` under `root`."""

    def _key(self, tail: str) -> str:
        return f"{layout.SWEEPS}/{self.name}/{tail}"

    # -- members -----------------------------------------------------------------------------------

    def add(
        self, members: Sequence[Member], *, spec: RunSpec | None = None, origin: str = "", after: tuple[str, ...] = (),
        share_s: float | None = None,
    ) -> None:  # fmt: skip
        """Add members to the sweep, which is made when it is new."""
        submitted = now()
        number = max(self._numbers(""), default=0)
        for start in range(0, len(members), IN_A_PART):
            some = tuple(members[start : start + IN_A_PART])
            part = SweepPart(members=some, spec=spec, origin=origin, submitted=submitted, after=after,
                             share_s=share_s)  # fmt: skip
            number += 1
            while not self._create(f"{number:04d}.json", part.model_dump_json().encode()):
                number += 1

    def parts(self) -> Iterator[SweepPart]:
        """All parts, in the order in which they came. Raises Damaged, StoreError."""
        for number in self._numbers(""):
            part = self._load(f"{number:04d}.json", SweepPart)
            if part:
                yield part

    def members(self) -> list[Member]:
        """All members, in the order in which they came. Raises NoSuchRun, Damaged, StoreError."""
        found = {member.run: member for part in self.parts() for member in part.members}
        if not found:
            raise NoSuchRun(f"No sweep named {self.name!r}.", remedy="`lammps-jobs sweeps` shows the sweeps there are.")
        return list(found.values())

    def part_of(self) -> dict[str, SweepPart]:
        """Of each member the part in which it came first: on this machine later ones may name it again."""
        return {member.run: part for part in reversed(list(self.parts())) for member in part.members}

    def following(self) -> dict[str, tuple[str, ...]]:
        """What those members follow that were submitted to begin later."""
        return {run: part.after for run, part in self.part_of().items() if part.after}

    # -- the budget of all together ----------------------------------------------------------------

    def give(self, budget_s: float) -> None:
        """Let all runs together use so much machine time, whatever was given before."""
        number = max(self._numbers(layout.BUDGETS), default=0) + 1
        while not self._commit(layout.budget(number), SweepBudget(number=number, budget_s=budget_s)):
            number += 1

    def budget_s(self) -> float | None:
        """What all runs together may use, in seconds; None where nobody has said so."""
        number = max(self._numbers(layout.BUDGETS), default=0)
        found = self._load(layout.budget(number), SweepBudget) if number else None
        return found.budget_s if found else None

    def submission_of(self, run: str) -> Submission | None:
        """What the member `run` is asked for; None where it is no member, or had a record of its own at once."""
        for part in self.parts():
            for member in part.members:
                if member.run == run and part.spec:
                    return submission_of(part, member)
        return None

    # -- array jobs --------------------------------------------------------------------------------

    def arrays(self) -> list[SweepArray]:
        """All array jobs that were asked for, oldest first."""
        found = (self._load(layout.job(number), SweepArray) for number in self._numbers(layout.JOBS))
        return [array for array in found if array]

    def array(self, number: int) -> SweepArray | None:
        return self._load(layout.job(number), SweepArray)

    def ask(self, array: SweepArray) -> bool:
        """False when an array with that number exists."""
        return self._create(layout.job(array.number), array.model_dump_json().encode())

    def answer(self, number: int, job_id: str) -> None:
        self._commit(layout.job_id(number), JobAnswer(job_id=job_id))

    def job_id(self, number: int) -> str:
        """ID of the array job; empty while there is none."""
        answer = self._load(layout.job_id(number), JobAnswer)
        return answer.job_id if answer else ""

    def cancel(self, number: int) -> None:
        self._commit(f"{layout.JOBS}/{number:04d}.cancelled.json", ArrayCancelled(number=number))

    def is_cancelled(self, number: int) -> bool:
        return f"{number:04d}.cancelled.json" in self._names(layout.JOBS)

    def newest_of(self) -> dict[str, tuple[SweepArray, int]]:
        """Of each run that an array was asked for, the newest one and the run's place in it."""
        return {run: (array, at) for array in self.arrays() for at, run in enumerate(array.runs)}


def submission_of(part: SweepPart, member: Member) -> Submission:
    spec = member.spec or part.spec
    assert spec
    variables = spec.variables | {name: (value,) for name, value in member.variables.items()}
    spec = spec.model_copy(update={"name": member.run, "variables": variables})
    return Submission(spec=spec, submitted=part.submitted, origin=part.origin, after=part.after)


def begun(sweep: SweepRecord, array: SweepArray, index: int, job_id: str = "") -> RunRecord:
    """The record of the array's run `index`, made where it is not there yet, with its job on record.

    The job itself does so as it begins, and whoever wants to look at the run before. `job_id` is that of the whole
    array, where it is not on record yet. Raises NoSuchRun.
    """
    record = RunRecord(sweep.root, array.runs[index])
    if not record.is_submitted():
        submission = sweep.submission_of(record.name)
        if submission is None:
            raise NoSuchRun(f"{record.name!r} is no run of the sweep {sweep.name!r}.")
        record.submit(submission)
    note_job(record, array, array.job_of(job_id or sweep.job_id(array.number), index))
    return record


def note_job(record: RunRecord, array: SweepArray, job: str) -> None:
    """Put the job `job` of an array on the record of its run; nothing happens where it is there."""
    requests = record.job_requests()
    if not job or any(record.job_id(one.number) == job for one in requests):
        return
    number = len(requests) + 1
    while not record.ask_job(array.request.model_copy(update={"number": number})):
        number += 1
    record.answer_job(number, job)
    record.tell_of(lambda seen: seen.model_copy(update={"job": job}))


def sweep_names(root: ObjectStore) -> list[str]:
    """Names of all sweeps in the store, sorted."""
    with explaining("the store's list of sweeps"):
        try:
            prefixes = obstore.list_with_delimiter(root, prefix=layout.SWEEPS)["common_prefixes"]
        except NotFoundError:
            return []
    return sorted(prefix.rstrip("/").rsplit("/", 1)[1] for prefix in prefixes)


def member_of_some(root: ObjectStore, run: str, names: Iterable[str] | None = None) -> RunRecord | None:
    """The record of a run that some sweep's array has yet to begin, made now; None where no sweep has such a run."""
    for name in sweep_names(root) if names is None else names:
        if not run.startswith(f"{name}-"):
            continue
        sweep = SweepRecord(root, name)
        if found := sweep.newest_of().get(run):
            with contextlib.suppress(NoSuchRun):
                return begun(sweep, *found)
    return None
