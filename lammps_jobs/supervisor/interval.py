"""How often to take a checkpoint, where a user leaves that open: Young's formula, within the user's bounds. Pure.

sqrt(2 x stall x time between interruptions) is where checkpoints and repeated work cost the same (J. W. Young, Comm.
ACM 17, 530 (1974); J. T. Daly, Future Gener. Comput. Syst. 22, 303 (2006), of which this is the first order).
"""

from __future__ import annotations

import math

DAY_S = 86400.0
EXPECTED_PER_DAY = 1.0
"""Interruptions that are expected before any was seen. Counts as a day of machine time that was looked at."""


def rate_per_day(interruptions: int, seconds: float) -> float:
    """Interruptions in a day of machine time, from those that were seen in so much of it, and the expected one."""
    return (EXPECTED_PER_DAY + interruptions) / (1.0 + max(0.0, seconds) / DAY_S)


def chosen(stall_s: float, interruptions: int, seconds: float, least_s: float, most_s: float) -> tuple[float, str]:
    """Seconds between two checkpoints that stall the run for `stall_s` each, and why, in words."""
    rate = rate_per_day(interruptions, seconds)
    best = math.sqrt(2 * max(stall_s, 1e-3) * DAY_S / rate)
    every_s = min(most_s, max(least_s, best))
    bound = "" if every_s == best else f"; {best:.0f} s would be best, and {every_s:.0f} s is your bound"
    why = (
        f"a checkpoint stalls the run for {stall_s:.2g} s, and about {rate:.2g} of them a day is expected to be needed"
    )
    return every_s, f"Checkpoints every {every_s:.0f} s: {why} ({interruptions} interruptions seen{bound})"
