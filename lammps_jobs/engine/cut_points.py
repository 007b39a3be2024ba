"""Choosing the timestep at which to cut: pure arithmetic on strides.

Best is a step at which LAMMPS rebuilds its neighbour lists, since a new process does so when it sets up: the
resumed run is then the run that was never cut. It is known only when it comes, so it is hunted for: stop,
and go on step by step. Next best is a step with thermo output at which no averaging window is open:
nothing is lost there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FALLBACK_STRIDE = 100
SMALLEST_STRIDE = 10
LARGEST_STRIDE = 1000
CHECK_STRIDE = 20
SEARCHED = 20_000
HUNTED = 100
"""How many single steps a rebuild is waited for at most: lists are rebuilt every 5 to 50 steps in most runs."""
FEW = 5


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
class Choice:
    """Stop at timestep `step`, and go on from there for `hunt` single steps at most, to the next rebuild."""

    step: int
    hunt: int = 0


def choose(
    strides: Strides, after: int, last: int, reach: int, *, hunt: int = 0, urgent: bool = False
) -> Choice | None:
    """Where to cut in (after, last), or None to let the run reach its end.

    `reach` is how many timesteps the time allows. `hunt`: how many single steps it may go on from
    there. `urgent`: the run is to stop for good within `reach`, if need be where it could not go on by itself.
    """
    pause = strides.pause
    end = min(last, after + max(reach, pause if not urgent else strides.check) + 1)
    for step in _multiples(pause, after, end - FEW) if hunt else ():
        room = min(hunt, end - 1 - step)
        if not strides.open_at(step + 1) and not strides.open_at(step + room // 2):
            return Choice(step, room)
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
    return Choice((quiet or closed or list(candidates))[0])


def sooner(armed: Choice | None, wanted: Choice | None) -> Choice | None:
    """What to stop at when a stop becomes more urgent. Never later than `armed`: LAMMPS may stop there any moment,
    and a stop that nobody remembers would pass for the end of the run."""
    if armed is None or wanted is None:
        return armed or wanted
    return wanted if wanted.step < armed.step else Choice(armed.step, hunt=min(armed.hunt, wanted.hunt))


def _multiples(stride: int, after: int, end: int) -> range:
    return range((after // stride + 1) * stride, end, stride)[:SEARCHED]
