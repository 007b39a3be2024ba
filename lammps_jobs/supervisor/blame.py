"""What is believed of a failure of LAMMPS soon after a cut: pure rules on places and decisions.

A crash is tried again once from the newest checkpoint, then once without its memory. Only the third failure at about
the same place is the cut's fault: the stage is then run without checkpoints, or the checkpoint at a boundary is not
resumed from. A later attempt does not inherit that: it tries once more, and forgives when it gets past the place. What
two attempts decided stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lammps_jobs.record.documents import Checkpoint, Decision

DOUBTFUL_STEPS = 1000
"""Timesteps after a cut within which a failure of LAMMPS may be the cut's fault."""

ATTEMPTS_TO_CONVICT = 2
"""Attempts that must blame the same stage or checkpoint until no later one tries it again."""


@dataclass(frozen=True)
class Place:
    """Where LAMMPS failed."""

    stage: int
    step: int

    def is_near(self, other: Place) -> bool:
        return self.stage == other.stage and abs(self.step - other.step) <= DOUBTFUL_STEPS


@dataclass(frozen=True)
class Barred:
    """Stages in which no checkpoint is taken or resumed from, and boundary checkpoints that are not resumed from."""

    stages: frozenset[int] = frozenset()
    checkpoints: frozenset[int] = frozenset()


def barred(decisions: Iterable[Decision]) -> Barred:
    """What a new attempt must not try again."""
    blamed = standing(decisions)
    stages = {d.stage for d in blamed if d.kind == "no checkpoints" and _is_convicted(d, blamed)}
    checkpoints = {
        d.checkpoint for d in blamed
        if d.kind == "do not resume" and d.checkpoint is not None and _is_convicted(d, blamed)
    }  # fmt: skip
    return Barred(frozenset(stages), frozenset(checkpoints))


def standing(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """The decisions against a stage or a checkpoint that nobody has forgiven since."""
    found: list[Decision] = []
    for decision in decisions:
        if decision.kind == "forgiven":
            found = [d for d in found if not _is_about(d, decision)]
        else:
            found.append(decision)
    return tuple(found)


def _is_about(blame: Decision, forgiven: Decision) -> bool:
    return (blame.stage, blame.checkpoint) == (forgiven.stage, forgiven.checkpoint)


def _is_convicted(decision: Decision, blamed: Iterable[Decision]) -> bool:
    attempts = {
        d.attempt for d in blamed
        if (d.kind, d.stage, d.checkpoint) == (decision.kind, decision.stage, decision.checkpoint)
    }  # fmt: skip
    return len(attempts) >= ATTEMPTS_TO_CONVICT


def may_be_the_cuts_fault(cut: Checkpoint | None, failed: Place, *, has_resumed: bool, is_origin: bool) -> bool:
    """Whether a failure at `failed` may be the fault of the newest `cut` in the run's past.

    `has_resumed`: whether LAMMPS had gone on from its checkpoint; `is_origin`: whether the cut is that checkpoint.
    A cut at a boundary leaves no trace in the process that took it, so only a resume from there can fail for it.
    """
    if cut is None:
        return False
    if is_origin and not has_resumed:
        return True
    soon = cut.stage == failed.stage and failed.step - cut.step <= DOUBTFUL_STEPS
    return soon and (is_origin or not cut.stage_boundary)


def is_past(decision: Decision, stage: int, step: int) -> bool:
    """Whether a run at `step` of `stage` has left the place of a decision behind."""
    return stage > decision.stage or (stage == decision.stage and step > decision.step + DOUBTFUL_STEPS)


def io_error(text: str) -> bool:
    """Whether an error is the machine's: a disk, a quota or a file system failed, and no cut is to blame."""
    words = ("No space left", "Input/output error", "Stale file handle", "quota exceeded", "Read-only file system",
             "Transport endpoint", "Device or resource busy")  # fmt: skip
    return any(word.lower() in text.lower() for word in words)
