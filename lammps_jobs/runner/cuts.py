"""Choosing the timestep at which to cut: pure arithmetic on strides.

Best is a step with thermo output at which no averaging window is open: nothing is affected there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FALLBACK_STRIDE = 100
SMALLEST_STRIDE = 10
LARGEST_STRIDE = 1000
SEARCHED = 20_000


@dataclass(frozen=True)
class Strides:
    """What recurs in a run: `thermo` in timesteps (0: none), windows as (ID, every, repeat, freq)."""

    thermo: int | None
    windows: tuple[tuple[str, int, int, int], ...] = ()

    @property
    def check(self) -> int:
        """Timesteps between two looks at whether to stop."""
        if not self.thermo:
            return FALLBACK_STRIDE
        if self.thermo <= LARGEST_STRIDE:
            return self.thermo * math.ceil(SMALLEST_STRIDE / self.thermo)
        return math.gcd(self.thermo, LARGEST_STRIDE) or FALLBACK_STRIDE

    def open_at(self, step: int) -> tuple[str, ...]:
        """IDs of the averaging fixes that hold samples at `step` which a new process would not have."""
        return tuple(name for name, every, repeat, freq in self.windows if _is_open(step, every, repeat, freq))

    def has_thermo(self, step: int) -> bool:
        return bool(self.thermo) and step % (self.thermo or 1) == 0


def _is_open(step: int, every: int, repeat: int, freq: int) -> bool:
    into = step % freq
    return into != 0 and into >= freq - (repeat - 1) * every


def choose(strides: Strides, after: int, last: int, reach: int) -> int | None:
    """The timestep of the next cut in (after, last), or None to let the run reach its end.

    `reach` is how many timesteps the time allows. Within it the first step without any effect is
    taken, else the first with all windows closed, else the first that is looked at.
    """
    stride = strides.check
    first = (after // stride + 1) * stride
    if first >= last:
        return None
    end = min(last, after + max(reach, stride) + 1)
    candidates = range(first, end, stride)[:SEARCHED] or range(first, first + 1)
    closed = [step for step in candidates if not strides.open_at(step)]
    quiet = [step for step in closed if strides.has_thermo(step)]
    if not closed and last <= after + reach:
        return None  # the end of the run closes the windows, and comes in time
    return (quiet or closed or list(candidates))[0]
