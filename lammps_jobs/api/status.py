"""The status of a run: derived, without asking again, from what was read of its record and what its backend said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lammps_jobs.backends.base import JobStatus
from lammps_jobs.errors import Interrupted, LammpsJobsError, error_of
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Checkpoint,
    Fidelity,
    Lineage,
    Progress,
    Result,
    weakest,
)

State = Literal[
    "waiting", "starting", "running", "interrupted", "lost", "failed", "cancelled", "finished", "unreadable"
]  # fmt: skip
"""`waiting`: an attempt will start. `lost`: the newest attempt stopped without a final status. `unreadable`: the record
is damaged, or of another version."""

ENDED: frozenset[State] = frozenset({"interrupted", "lost", "failed", "cancelled", "finished", "unreadable"})
"""States that nothing leaves by itself."""

LOST = "The attempt stopped without a final status: its machine was reclaimed or it was killed."


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
    fidelity: Fidelity = field(default_factory=Fidelity)
    """The weakest grade of all resumes so far: how true the run is to one that was never interrupted."""

    @property
    def is_ended(self) -> bool:
        """True when nothing more happens by itself: only an interrupted, lost or failed run can be resumed."""
        return self.state in ENDED

    def check(self) -> None:
        """Raise the error that ended the run: ScriptError and the like of a failure, Interrupted when it was
        interrupted, cancelled or lost its machine. Nothing of a run that is finished or still goes on."""
        if self.state == "failed":
            what = f"{self.name} failed at step {self.step}: {self.reason}"
            raise error_of(self.error, what, where=self.where, remedy=self.remedy)
        if self.is_ended and self.state != "finished":
            what = f"{self.name} is {self.state}, at step {self.step}. {self.reason}".strip()
            raise Interrupted(what, where=self.where, remedy=self.remedy or f"lammps-jobs resume {self.name}")


@dataclass(frozen=True)
class Reading:
    """What was read of a run's record for its status: of the newest attempt and the newest checkpoint only."""

    name: str
    attempt: Attempt | None = None
    end: AttemptEnd | None = None
    """How `attempt` ended."""
    progress: Progress | None = None
    checkpoint: Checkpoint | None = None
    result: Result | None = None
    cancelled: bool = False
    """Whether the user has ended the run since `attempt` began."""

    @property
    def is_conclusive(self) -> bool:
        """True when the state follows from the record alone, so that the backend need not be asked."""
        has_failed = self.end is not None and self.end.outcome == "failed"
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
        error=last_words.error if last_words else "",
        changed=_changed(seen),
        exit_code=last_words.exit_code if last_words and not seen.result else 0,
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
    if seen.cancelled or has_failed:
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
        return "cancelled by the user", ""
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
