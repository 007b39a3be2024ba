"""Means with their statistical errors, from correlated values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

BLOCKS = 10
FEWEST = 2 * BLOCKS
"""Values without which nothing can be said of the error."""


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error from the means of BLOCKS equal blocks, which are long against the correlation
    time in most runs (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)).

    The error is NaN for fewer than FEWEST values; both are NaN for none, or where a value is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        return math.nan, math.nan
    if len(values) < FEWEST:
        return fmean(values), math.nan
    length = len(values) // BLOCKS
    used = values[len(values) - BLOCKS * length :]
    blocks = [fmean(used[at : at + length]) for at in range(0, len(used), length)]
    return fmean(values), stdev(blocks) / math.sqrt(BLOCKS)
