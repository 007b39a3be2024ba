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
AT_OUTPUT_S = 0.5
"""The same for a run whose pieces end at steps with output."""
MOST_WITHOUT_OUTPUT_S = 10.0
"""Seconds after which such a piece ends although no output is due: else nobody could stop the run."""
SURE_RATE = 1e6
"""Timesteps times atoms a second of which a run that has just begun is thought capable."""
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


@dataclass(frozen=True)
class Due:
    """The steps at which output is due in a run, as far as they are known at one."""

    next: int
    """The next of them."""
    thermo_every: int
    """All multiples of this are such steps; 0 when thermo output comes at the ends only, or as a variable says."""


def length_after(steps: int, seconds: float, wanted_s: float = PIECE_S) -> int:
    """How many timesteps the next piece is to have, when one of `steps` took `seconds`: `wanted_s` of time."""
    if seconds <= 0.0:
        return min(LONGEST, 2 * steps)
    return max(1, min(LONGEST, 2 * steps, int(steps * wanted_s / seconds)))


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


def piece_to_output(
    request: Request | None, due: Piece | None, step: int, first: int, last: int, length: int, most: int, output: Due
) -> Piece:
    """What to do at timestep `step`, where a piece is to end at steps with output only, about `length` steps from here.

    `due`: the cut of a rehearsal that is due here (`planned_since`). After `most` steps the piece ends in any case.
    Nothing is cut at the run's `first` timestep, whose output belongs to the set-up.
    """
    if request and step > first:
        return Piece(0, request.kind)
    if due:
        return due
    here = step + length
    end = here - here % output.thermo_every if output.thermo_every else 0
    end = end if end > step else output.next
    return Piece(max(1, min(end - step if end > step else most, last - step, most)))


def planned_since(
    plan: CutPlan, stage: int, step: int, *, before: int, first: int, last: int, taken: int
) -> Piece | None:
    """The cut at `step` that a rehearsal asks for after `before` and up to `step`, in a run from `first` to `last`."""
    then: Decision = "stop" if plan.then == "stop" else "checkpoint"
    asked = any(planned == stage and before < at <= step for planned, at in plan.cut_at)
    wishes = (first + int(share * (last - first)) for share in plan.at if share < 1)
    wished = taken < MOST_REHEARSED and any(before < wish <= step for wish in wishes)
    return Piece(0, then, exactly=asked) if first < step < last and (asked or wished) else None


def planned_after(plan: CutPlan, stage: int, step: int, *, first: int, last: int) -> tuple[int, int]:
    """The next timesteps after `step` where a rehearsal asks for a cut: exactly there, and about there; else `last`."""
    exactly = [at for planned, at in plan.cut_at if planned == stage and step < at < last]
    wishes = [wish for share in plan.at if step < (wish := first + int(share * (last - first))) < last]
    return min(exactly, default=last), min(wishes, default=last)


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
