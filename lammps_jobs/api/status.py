"""The status of a run: derived, without asking again, from what was read of its record and what its backend said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lammps_jobs.backends.base import JobStatus
from lammps_jobs.errors import BudgetSpent, Interrupted, LammpsJobsError, WrongState, error_of
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    CheckpointFacts,
    Fidelity,
    Lineage,
    Progress,
    ResultFacts,
    weakest,
)
from lammps_jobs.record.index import cursor_of
from lammps_jobs.record.summary import Summary

State = Literal[
    "waiting", "starting", "running", "interrupted", "lost", "failed", "cancelled", "finished", "unreadable"
]  # fmt: skip
"""`waiting`: an attempt will start. `lost`: the newest attempt stopped without a final status. `unreadable`: the record
is damaged, or of another version."""

ENDED: frozenset[State] = frozenset({"interrupted", "lost", "failed", "cancelled", "finished", "unreadable"})
"""States that nothing leaves by itself."""

LOST = "The attempt stopped without a final status: its machine was reclaimed or it was killed."
CANCELLED = {True: "cancelled by the user", False: "cancelled before it began"}


TORN = "The claim of attempt {} cannot be read: a power cut or a disk damaged it. Checkpoints are as good as before."


def unknown_attempt(number: int) -> Attempt:
    """Stands for a claim that cannot be read: it was made, and nobody knows by whom."""
    return Attempt(number=number, host="", supervisor_pid=0, supervisor_started=0, scratch="")


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run at one moment."""

    name: str
    state: State
    attempt: int
    """Number of the newest attempt; 0 before the first."""
    step: int
    """The timestep that was reached, as it was last published."""
    target: int
    """The last timestep of the stage."""
    stage: int
    """Which of the script's `run` and `minimize` commands, from 1."""
    reason: str = ""
    """Why the run waits or ended."""
    where: str = ""
    """File, line and command of the script, for a failure of LAMMPS."""
    remedy: str = ""
    error: str = ""
    """Name of the error of this library that a failure is, `ScriptError` for one of LAMMPS's."""
    exit_code: int = 0
    """What the newest attempt exited with (docs/exit-codes.md)."""
    checkpoint: int | None = None
    """Sequence number of the newest readable checkpoint."""
    checkpoint_step: int | None = None
    changed: datetime | None = None
    """When the run was last heard of, or ended."""
    submitted: datetime | None = None
    """When it was submitted; None where nobody has told."""
    began: datetime | None = None
    """When its first attempt began; None before that, or where nobody has told."""
    fidelity: Fidelity = field(default_factory=Fidelity)
    """The weakest grade of all resumes so far: how true the run is to one that was never interrupted."""

    @property
    def is_ended(self) -> bool:
        """True when nothing more happens by itself: only an interrupted, lost or failed run can be resumed."""
        return self.state in ENDED

    @property
    def cursor(self) -> str:
        """What a listing takes to go on behind this run; empty where nobody told when it was submitted."""
        return cursor_of(self.submitted, self.name) if self.submitted else ""

    def _repr_html_(self) -> str:
        from lammps_jobs.api.display import table  # which knows this class

        return table([self])

    def check(self) -> None:
        """Raise the error that ended the run: ScriptError and the like of a failure, Interrupted when it was
        interrupted, cancelled or lost its machine. Nothing of a run that is finished or still goes on."""
        if self.state == "failed":
            what = f"{self.name} failed at step {self.step}: {self.reason}"
            raise error_of(self.error, what, where=self.where, remedy=self.remedy)
        if self.state == "cancelled" and self.error == WrongState.__name__:  # it never began
            raise WrongState(f"{self.name}: {self.reason}", remedy=self.remedy)
        if self.is_ended and self.state != "finished":
            what = f"{self.name} is {self.state}, at step {self.step}. {self.reason}".strip()
            if self.error == BudgetSpent.__name__:
                raise BudgetSpent(what, where=self.where, remedy=self.remedy)
            raise Interrupted(what, where=self.where, remedy=self.remedy or f"lammps-jobs resume {self.name}")


@dataclass(frozen=True)
class Reading:
    """What was read of a run's record for its status: of the newest attempt and the newest checkpoint only."""

    name: str
    attempt: Attempt | None = None
    end: AttemptEnd | None = None
    """How `attempt` ended."""
    progress: Progress | None = None
    checkpoint: CheckpointFacts | None = None
    result: ResultFacts | None = None
    cancelled: bool = False
    """Whether the user has ended the run since `attempt` began."""
    called_off: str = ""
    """Why it was not started: a run that it was to follow has failed."""
    submitted: datetime | None = None
    began: datetime | None = None
    """When its first attempt was claimed; None also where it was not looked up."""
    is_asked_for_anew: bool = False
    """Whether a job was asked for since that of `attempt`."""

    @classmethod
    def of(cls, name: str, seen: Summary) -> Reading:
        before = seen.attempt.job if seen.attempt else ""
        return cls(name, seen.attempt, seen.end, seen.progress, seen.checkpoint, seen.result, seen.cancelled,
                   submitted=seen.submitted, began=seen.began,
                   is_asked_for_anew=bool(before) and seen.job not in ("", before))  # fmt: skip

    @property
    def is_conclusive(self) -> bool:
        """True when the state follows from the record alone, so that the backend need not be asked."""
        has_failed = self.end is not None and self.end.outcome == "failed" and not self.is_asked_for_anew
        return self.result is not None or self.cancelled or has_failed


def unreadable(name: str, error: LammpsJobsError) -> RunStatus:
    """The row of a run whose record cannot be read: it must not keep the others from being shown."""
    return RunStatus(name, "unreadable", attempt=0, step=0, target=0, stage=0, reason=error.what, where=error.where,
                     remedy=error.remedy, error=type(error).__name__, exit_code=error.exit_code)  # fmt: skip


def derive(seen: Reading, job: JobStatus) -> RunStatus:
    """The status that follows from what was read of the record and from what the backend says of the job."""
    state = _state_of(seen, job)
    last_words = seen.end if state in ENDED else None
    reason, remedy = _explanation(seen, job, state, last_words)
    return RunStatus(
        name=seen.name,
        state=state,
        attempt=seen.attempt.number if seen.attempt else 0,
        step=step_of(seen),
        target=seen.progress.target if seen.progress else 0,
        stage=seen.progress.stage if seen.progress else 0,
        reason=reason,
        where=last_words.where if last_words else "",
        remedy=remedy,
        error=last_words.error if last_words else WrongState.__name__ if seen.called_off else "",
        changed=_changed(seen),
        submitted=seen.submitted,
        began=seen.began,
        exit_code=WrongState.exit_code
        if seen.called_off
        else last_words.exit_code
        if last_words and not seen.result
        else 0,
        checkpoint=seen.checkpoint.seq if seen.checkpoint else None,
        checkpoint_step=seen.checkpoint.step if seen.checkpoint else None,
        fidelity=lineage_of(seen).fidelity_so_far,
    )


def lineage_of(seen: Reading) -> Lineage:
    """What lies behind the run as it is now.

    Of an attempt that has ended it is on record; of one that runs or was lost it is what its newest checkpoint says,
    and no better than what the attempt last published.
    """
    if seen.result or seen.end:
        return seen.result or seen.end or Lineage()
    known = [found.fidelity_so_far for found in (seen.checkpoint, seen.progress) if found]
    return Lineage(
        parent=seen.checkpoint.seq if seen.checkpoint else None,
        resumed_at=seen.checkpoint.resumed_at if seen.checkpoint else (),
        fidelity_so_far=weakest(known),
    )


def _state_of(seen: Reading, job: JobStatus) -> State:
    if seen.result:
        return "finished"
    has_failed = seen.end is not None and seen.end.outcome == "failed"
    if seen.cancelled or (has_failed and not (seen.is_asked_for_anew and job.phase != "gone")):
        return "cancelled" if seen.cancelled else "failed"
    if job.phase == "pending":
        return "waiting"
    if job.phase == "running":
        return "running" if seen.progress else "starting"
    if seen.end:
        return "interrupted"
    return "lost" if seen.attempt else "failed"


def _explanation(seen: Reading, job: JobStatus, state: State, last_words: AttemptEnd | None) -> tuple[str, str]:
    """Why the run is in this state, and what to do about it."""
    if state == "cancelled":
        remedy = f"lammps-jobs resume {seen.name} starts it nevertheless." if seen.called_off else ""
        return seen.called_off or CANCELLED[seen.attempt is not None], remedy
    if state == "lost" and seen.attempt and not seen.attempt.host:
        return TORN.format(seen.attempt.number), f"lammps-jobs resume {seen.name}"
    if state == "lost":
        return f"{LOST} {job.reason}".strip(), job.remedy
    if last_words:
        return last_words.reason, last_words.remedy
    if state == "failed":
        return job.reason or "No attempt ever started.", f"lammps-jobs resume {seen.name}"
    return job.reason, job.remedy


def _changed(seen: Reading) -> datetime | None:
    if seen.result:
        return seen.result.finished
    if seen.end:
        return seen.end.ended
    return seen.progress.updated if seen.progress else seen.attempt.claimed if seen.attempt else None


def step_of(seen: Reading) -> int:
    """The timestep that was reached, as far as it is known."""
    if seen.result:
        return seen.result.step
    if seen.end and seen.end.last_step is not None:
        return seen.end.last_step
    if seen.progress:
        return seen.progress.step
    return seen.checkpoint.step if seen.checkpoint else 0
