"""Waiting on a machine of unknown speed: as long as something changes, and longer where others are at work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

STILL_S = 120.0
"""Seconds without any change, on an idle machine, after which nothing more is expected."""
LONGEST = 10
"""A wait never takes longer than this many times `STILL_S`, whatever changes meanwhile."""
SLOWDOWN = "LAMMPS_JOBS_TEST_SLOWDOWN"
PAUSE_S = 0.05


def slowdown() -> float:
    """How many times longer things may take here and now: by $LAMMPS_JOBS_TEST_SLOWDOWN, and by load per core."""
    chosen = float(os.environ.get(SLOWDOWN, "1"))
    return chosen * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def scaled(seconds: float) -> float:
    """A time limit for what takes `seconds` at most on an idle machine."""
    return seconds * slowdown()


class Patience:
    """A limit that every sign of progress renews: `see` is called with the present state, again and again.

    `what` is waited for, in words; it stands in the error. Raises AssertionError from `see`, when the state has been
    the same for `still_s` (times `slowdown()`), or after `LONGEST` times that.
    """

    def __init__(self, what: str, still_s: float = STILL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.still_s, self._clock = what, still_s, clock
        self._began = self._changed = clock()
        self._state: object = None

    def see(self, state: object) -> None:
        now = self._clock()
        if state != self._state:
            self._state, self._changed = state, now
        limit = self.still_s * slowdown()
        if now - self._changed > limit:
            raise AssertionError(self._text(f"nothing has changed for {now - self._changed:.0f} s"))
        if now - self._began > LONGEST * limit:
            raise AssertionError(self._text(f"it has not come in {now - self._began:.0f} s"))

    def _text(self, why: str) -> str:
        return f"Waited for {self.what}, but {why} (load {os.getloadavg()[0]:.1f}). State: {self._state}"


def until(true: Callable[[], bool], what: str, state: Callable[[], object] = lambda: "") -> None:
    """Wait until something is `true`: `what`, in words. Each change of `state` renews the patience.

    Half of the time at most is spent on looking, which may cost the server that is waited for dearly.
    """
    patience, began = Patience(what), time.monotonic()
    while not true():
        patience.see(state())
        time.sleep(max(PAUSE_S, time.monotonic() - began))
        began = time.monotonic()
