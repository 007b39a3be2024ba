"""When to take a checkpoint: pure functions of what is asked for and of how far a run is.

Inside a run LAMMPS comes back between any two steps (`memory.inner_loop`). Best is a step at which it has just rebuilt
its neighbour lists, since a new process does so when it sets up: the resumed run is then the run that was never cut.
It is known only when it comes, so it is sought, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lammps_jobs.record.documents import CutPlan

PIECE_S = 0.05
"""Seconds that LAMMPS runs between two looks at what is asked for."""
LONGEST = 1 << 20
"""Timesteps of a piece at most."""
MOST_SOUGHT = 200
"""How many single steps a rebuild is waited for at most: lists are rebuilt every 5 to 50 steps in most runs."""
SHARE_SOUGHT = 0.25
"""Share of the time before a stop in which a rebuild is sought; the rest is for the checkpoint and its upload."""
BOUNDARY_SHARE = 0.1
"""Share of the checkpoint interval after which a boundary between two stages is worth a checkpoint."""
MOST_REHEARSED = 60
"""Cuts that a rehearsal takes at fractions of its stages, in one engine."""

Decision = Literal["go on", "checkpoint", "stop"]


@dataclass(frozen=True)
class Request:
    """What the supervisor asks for; times are those of a monotonic clock, in seconds."""

    kind: Literal["checkpoint", "stop"]
    asked_at: float
    deadline: float


@dataclass(frozen=True)
class Piece:
    """What to do next in a run: go on for `steps` timesteps, then `then`.

    A cut is taken at the first of the next `seek` single steps at which lists are rebuilt; at the last of them if none
    is. With `exactly`, it is the last one in any case.
    """

    steps: int
    then: Decision = "go on"
    seek: int = 0
    exactly: bool = False


def length_after(steps: int, seconds: float) -> int:
    """How many timesteps the next piece is to have, when one of `steps` took `seconds`."""
    if seconds <= 0.0:
        return min(LONGEST, 2 * steps)
    return max(1, min(LONGEST, 2 * steps, int(steps * PIECE_S / seconds)))


def next_piece(
    request: Request | None, planned: Piece | None, step: int, last: int, length: int, rate: float, now: float
) -> Piece:
    """What to do at timestep `step` of a run up to `last`. `planned`: the next cut of a rehearsal, counted from here.

    `length`: timesteps of a piece; `rate`: timesteps a second, 0 while it is not known.
    """
    left = last - step
    if request:
        urgent = request.kind == "stop"
        affordable = int(rate * SHARE_SOUGHT * max(0.0, request.deadline - now)) if urgent else MOST_SOUGHT
        return Piece(0, request.kind, seek=max(1, min(MOST_SOUGHT, affordable, left - 1)))
    if planned and planned.steps <= min(length, left):
        return planned
    return Piece(min(length, left))


def next_planned(plan: CutPlan, stage: int, step: int, *, first: int, last: int, taken: int) -> Piece | None:
    """The next cut that a rehearsal asks for inside a run from timestep `first` to `last`, seen from `step`; `taken`
    cuts lie behind."""
    then: Decision = "stop" if plan.then == "stop" else "checkpoint"
    steps = sorted(at for planned, at in plan.cut_at if planned == stage and step < at < last)
    if steps:
        return Piece(steps[0] - 1 - step, then, seek=1, exactly=True)
    for wish in (first + int(share * (last - first)) for share in plan.at if share < 1):
        if step <= wish < last - 1 and taken < MOST_REHEARSED:
            return Piece(wish - step, then, seek=min(MOST_SOUGHT, last - 1 - wish))
    return None


def at_boundary(
    request: Request | None, plan: CutPlan, stage: int, step: int, *, since_last_s: float, every_s: float
) -> Decision:
    """What to do before `stage` begins at `step`, `since_last_s` seconds after the last checkpoint."""
    is_planned = (stage, step) in plan.cut_at or 1.0 in plan.at
    if (request and request.kind == "stop") or (is_planned and plan.then == "stop"):
        return "stop"
    is_due = request is not None or since_last_s > BOUNDARY_SHARE * every_s
    return "checkpoint" if is_due or is_planned else "go on"
