"""What a run looks like at a glance: one object a run, overwritten. It is advice; the truth is what it was made of."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    CheckpointFacts,
    Document,
    Fidelity,
    Progress,
    ResultFacts,
    weakest,
)

Kind = Literal["waiting", "starting", "running", "interrupted", "failed", "cancelled", "finished"]


class Summary(Document):
    """`head.json`: what was last told of the run. Whoever tells more writes over it only what he has read."""

    submitted: datetime
    began: datetime | None = None
    """When its first attempt was claimed."""
    attempt: Attempt | None = None
    """The newest."""
    end: AttemptEnd | None = None
    progress: Progress | None = None
    checkpoint: CheckpointFacts | None = None
    """The newest, without its restart files."""
    result: ResultFacts | None = None
    cancelled: bool = False
    job: str = ""
    """ID of the newest AWS Batch job that was asked for."""
    row: str = ""
    """The key of the run's row in the index."""
    old_rows: tuple[str, ...] = ()
    """Rows that it replaced, and that whoever wrote it may not remove."""

    @property
    def number(self) -> int:
        return self.attempt.number if self.attempt else 0

    @property
    def kind(self) -> Kind:
        """The state, as far as it follows from the record."""
        if self.result:
            return "finished"
        if self.cancelled:
            return "cancelled"
        if self.end:
            return "failed" if self.end.outcome == "failed" else "interrupted"
        return "running" if self.progress else "starting" if self.attempt else "waiting"

    @property
    def step(self) -> int:
        """The timestep that was reached, as far as it is known."""
        if self.result:
            return self.result.step
        if self.end and self.end.last_step is not None:
            return self.end.last_step
        if self.progress:
            return self.progress.step
        return self.checkpoint.step if self.checkpoint else 0

    @property
    def changed(self) -> datetime | None:
        """When the run was last heard of, or ended; None before its first attempt."""
        if self.result:
            return self.result.finished
        if self.end:
            return self.end.ended
        return self.progress.updated if self.progress else self.attempt.claimed if self.attempt else None

    @property
    def fidelity(self) -> Fidelity:
        ended = self.result or self.end
        if ended:
            return ended.fidelity_so_far
        return weakest([found.fidelity_so_far for found in (self.checkpoint, self.progress) if found])


def claimed(seen: Summary, attempt: Attempt) -> Summary | None:
    """After a claim; None where a newer one has been told of."""
    if attempt.number <= seen.number:
        return None
    began = seen.began or attempt.claimed
    fresh = {"end": None, "progress": None, "cancelled": False, "attempt": attempt, "began": began,
             "job": attempt.job or seen.job}  # fmt: skip
    return seen.model_copy(update=fresh)


def cancelled(seen: Summary, number: int) -> Summary | None:
    """After its user has ended the run when `number` was its newest attempt."""
    return seen.model_copy(update={"cancelled": True}) if seen.number <= number else None


def told(
    seen: Summary, attempt: Attempt, *, progress: Progress | None = None, checkpoint: CheckpointFacts | None = None,
    end: AttemptEnd | None = None, result: ResultFacts | None = None,
) -> Summary | None:  # fmt: skip
    """After an attempt has told of itself; None where it was overtaken, for it must not put back what was. The result,
    of which there is one, counts whoever was fastest."""
    if attempt.number < seen.number:
        return seen.model_copy(update={"result": result}) if result else None
    seen = claimed(seen, attempt) or seen
    bare = checkpoint.model_copy(update={"restart": {}}) if checkpoint else None
    news = {"progress": progress, "checkpoint": bare, "end": end, "result": result}
    return seen.model_copy(update={name: value for name, value in news.items() if value is not None})
