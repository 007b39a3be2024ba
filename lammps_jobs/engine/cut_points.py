"""When to take a checkpoint: pure functions of what is asked for and of what recurs in a run.

Best is a step at which LAMMPS rebuilds its neighbour lists, since a new process does so when it sets up: the
resumed run is then the run that was never cut. It is known only when it comes, so it is sought: stop, and go on
step by step. Next best is a step with thermo output at which no averaging window is open: nothing is lost there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from lammps_jobs.record.documents import CutPlan

FALLBACK_STRIDE = 100
SMALLEST_STRIDE = 10
LARGEST_STRIDE = 1000
CHECK_STRIDE = 20
SEARCHED = 20_000
MOST_SOUGHT = 100
"""How many single steps a rebuild is waited for at most: lists are rebuilt every 5 to 50 steps in most runs."""
FEW = 5
MARGIN_S = 0.05
"""Seconds ahead of the run's present step from which on a stop can be arranged."""
MEASURED_S = 1.0
"""Seconds that a request waits for a first measurement of the run's speed."""
LOOK_LONG, LOOK_SHORT, LONG_S = 0.25, 0.05, 30.0
"""Share of the time before a stop in which a good step is looked for: more when over 30 s are left (a Spot
notice), less when they are not (SIGTERM, `interrupt`)."""
PRICE, PRICE_OF_STOP = 20, 2
"""The steps within reach for each single step that is sought, which costs about as much; few when the run stops."""
BOUNDARY_SHARE = 0.1
"""Share of the checkpoint interval after which a boundary between two stages is worth a checkpoint."""
MOST_REHEARSED = 60
"""Cuts that a rehearsal takes at fractions of its stages, in one engine."""

Decision = Literal["go on", "checkpoint", "stop"]


@dataclass(frozen=True)
class Strides:
    """What recurs in a run: `thermo` in timesteps (0: none), windows as (ID, every, repeat, freq)."""

    thermo: int | None
    windows: tuple[tuple[str, int, int, int], ...] = ()

    @property
    def pause(self) -> int:
        """Stride of the steps at which a run can be stopped and go on: energy and virial are known there."""
        if not self.thermo:
            return FALLBACK_STRIDE
        if self.thermo <= LARGEST_STRIDE:
            return self.thermo * math.ceil(SMALLEST_STRIDE / self.thermo)
        common = math.gcd(self.thermo, FALLBACK_STRIDE)
        return common if common >= CHECK_STRIDE else FALLBACK_STRIDE

    @property
    def check(self) -> int:
        """Timesteps between two looks at whether to stop: a divisor of `pause`, so that a stop for good, which
        needs no energies, comes soon. It costs the evaluation of one short formula."""
        if self.is_tallied_for_us:
            return self.pause
        finest = max(step for step in range(1, CHECK_STRIDE + 1) if self.pause % step == 0)
        return finest if finest >= CHECK_STRIDE // 4 else self.pause

    @property
    def is_tallied_for_us(self) -> bool:
        """Whether energies have to be asked for at every look, because thermo output is too seldom to wait for."""
        return not self.thermo or self.pause % self.thermo != 0

    def open_at(self, step: int) -> tuple[str, ...]:
        """IDs of the averaging fixes that hold samples at `step` which a new process would not have."""
        return tuple(name for name, every, repeat, freq in self.windows if _is_open(step, every, repeat, freq))

    def has_thermo(self, step: int) -> bool:
        return bool(self.thermo) and step % (self.thermo or 1) == 0


def _is_open(step: int, every: int, repeat: int, freq: int) -> bool:
    into = step % freq
    return into != 0 and into >= freq - (repeat - 1) * every


@dataclass(frozen=True)
class Request:
    """What the supervisor asks for; times are those of a monotonic clock, in seconds."""

    kind: Literal["checkpoint", "stop"]
    asked_at: float
    deadline: float


@dataclass(frozen=True)
class RunView:
    """A run that may be cut: at timestep `step` of those up to `last`, at `rate` timesteps a second (0: not known)."""

    strides: Strides
    step: int
    last: int
    rate: float = 0.0
    may_seek: bool = False
    """Whether single steps change nothing, so that a rebuild may be sought."""


@dataclass(frozen=True)
class Armed:
    """Stop at timestep `step`, and go on from there for `seek` single steps at most, to the next rebuild."""

    step: int
    seek: int = 0
    by: Literal["checkpoint", "stop", "rehearsal"] = "checkpoint"


# -- inside a run --------------------------------------------------------------------------------------


def decide(request: Request | None, view: RunView, armed: Armed | None, now: float) -> Armed | None:
    """Where the run is to stop for `request`, given where it was `armed` to stop; None: nowhere yet.

    What a rehearsal armed stays. A stop is more urgent than the checkpoint that is on its way.
    """
    if request is None or (armed and not (armed.by == "checkpoint" and request.kind == "stop")):
        return armed
    left = max(0.0, request.deadline - now)
    if not view.rate and min(left, request.asked_at + MEASURED_S - now) > 0:
        return armed  # how far the run comes in that time is not known yet: any choice would be a bad one
    urgent = request.kind == "stop"
    share = 1.0 if not urgent else LOOK_LONG if left > LONG_S else LOOK_SHORT
    after, reach = view.step + int(view.rate * MARGIN_S), int(view.rate * left * share)
    seek = min(MOST_SOUGHT, reach // (PRICE_OF_STOP if urgent else PRICE)) if view.may_seek else 0
    chosen = sooner(armed, choose(view.strides, after, view.last, reach, seek=seek, urgent=urgent))
    return replace(chosen, by=request.kind) if chosen else None


def choose(strides: Strides, after: int, last: int, reach: int, *, seek: int = 0, urgent: bool = False) -> Armed | None:
    """Where to cut in (after, last), or None to let the run reach its end.

    `reach` is how many timesteps the time allows. `seek`: how many single steps it may go on from
    there. `urgent`: the run is to stop for good within `reach`, if need be where it could not go on by itself.
    """
    pause = strides.pause
    end = min(last, after + max(reach, pause if not urgent else strides.check) + 1)
    for step in _multiples(pause, after, end - FEW) if seek else ():
        room = min(seek, end - 1 - step)
        closed_room = next((more for more in range(room, 0, -1) if not strides.open_at(step + more)), 0)
        if closed_room and not strides.open_at(step + 1) and not strides.open_at(step + room // 2):
            return Armed(step, closed_room)  # where no list is rebuilt, the last step is the one cut at
    candidates = _multiples(pause, after, end)
    if not candidates:
        stride = strides.check if urgent else pause
        candidates = _multiples(stride, after, min(last, after + stride + 1))
    if not candidates:
        return None
    closed = [step for step in candidates if not strides.open_at(step)]
    quiet = [step for step in closed if strides.has_thermo(step)]
    if not closed and last <= after + reach:
        return None  # the end of the run closes the windows, and comes in time
    return Armed((quiet or closed or list(candidates))[0])


def sooner(armed: Armed | None, wanted: Armed | None) -> Armed | None:
    """What to stop at when a stop becomes more urgent. Never later than `armed`: LAMMPS may stop there any moment,
    and a stop that nobody remembers would pass for the end of the run."""
    if armed is None or wanted is None:
        return armed or wanted
    return wanted if wanted.step < armed.step else replace(armed, seek=min(armed.seek, wanted.seek))


def _multiples(stride: int, after: int, end: int) -> range:
    return range((after // stride + 1) * stride, end, stride)[:SEARCHED]


def on_return(
    armed: Armed | None, request: Request | None, plan: CutPlan, step: int, last: int
) -> tuple[Decision, int]:
    """What to do when LAMMPS comes back from a run at `step`, and how many single steps to seek a rebuild for."""
    if armed is None or not armed.step <= step < last:
        return "go on", 0
    stops = plan.then == "stop" if armed.by == "rehearsal" else False
    return "stop" if stops or (request and request.kind == "stop") else "checkpoint", armed.seek


# -- between two stages --------------------------------------------------------------------------------


def at_boundary(
    request: Request | None, plan: CutPlan, stage: int, step: int, *, since_last_s: float, every_s: float
) -> Decision:
    """What to do before `stage` begins at `step`, `since_last_s` seconds after the last checkpoint."""
    is_planned = (stage, step) in plan.cut_at or 1.0 in plan.at
    if (request and request.kind == "stop") or (is_planned and plan.then == "stop"):
        return "stop"
    is_due = request is not None or since_last_s > BOUNDARY_SHARE * every_s
    return "checkpoint" if is_due or is_planned else "go on"


# -- in a rehearsal ------------------------------------------------------------------------------------


def next_planned(plan: CutPlan, stage: int, view: RunView, *, first: int, taken: int) -> Armed | None:
    """The next cut that a rehearsal asks for inside a run from timestep `first`; `taken` cuts lie behind."""
    steps = sorted(step for planned, step in plan.cut_at if planned == stage and view.step < step < view.last)
    if steps and view.may_seek and steps[0] - 1 > view.step:
        return Armed(steps[0] - 1, seek=1, by="rehearsal")  # the last step alone, to see whether it rebuilds
    if steps:
        return Armed(steps[0], by="rehearsal")
    span = view.last - first
    for wish in (first + int(share * span) for share in plan.at if share < 1):
        if wish >= view.step and taken < MOST_REHEARSED:
            seek = MOST_SOUGHT if view.may_seek else 0
            near = choose(view.strides, wish, view.last, max(MOST_SOUGHT, int(0.3 * span)), seek=seek)
            return replace(near, by="rehearsal") if near else None
    return None
