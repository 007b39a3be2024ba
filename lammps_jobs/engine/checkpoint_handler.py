"""When to take a checkpoint: requests come in, armed halts and decisions go out.

This is the only place that decides; the arithmetic behind it is pure and lies in `cut_points`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from lammps_jobs.engine.cut_points import Armed, Decision, Request, RunView, at_boundary, decide, on_return
from lammps_jobs.protocol.messages import Stop, TakeCheckpoint
from lammps_jobs.record.documents import CutPlan


class CheckpointHandler:
    """Rank 0's decisions. Safe to use from several threads; times are seconds of the monotonic `clock`."""

    def __init__(self, plan: CutPlan, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`plan`: the cuts of a rehearsal that lie ahead. `every_s`: the interval between two checkpoints."""
        self._plan, self._every_s, self._clock = plan, every_s, clock
        self._lock = threading.Lock()
        self._request: Request | None = None
        self._armed: Armed | None = None
        self._view: RunView | None = None
        self._last = 0
        self._halt_at: Callable[[int], None] | None = None
        self._last_checkpoint = clock()

    def take(self, order: TakeCheckpoint | Stop) -> None:
        """The supervisor asks. A checkpoint that is asked for again changes nothing, a stop counts always."""
        now = self._clock()
        with self._lock:
            if isinstance(order, Stop):
                self._request = Request("stop", now, now + order.within_s)
            elif self._request is None:
                self._request = Request("checkpoint", now, now + order.within_s)

    def begin_run(
        self, last: int, view: RunView | None, halt_at: Callable[[int], None], planned: Armed | None = None
    ) -> None:
        """A run begins that ends at timestep `last`. Without a `view` it is not cut. `halt_at` has LAMMPS stop."""
        with self._lock:
            self._last, self._view, self._halt_at, self._armed = last, view, halt_at, planned

    def look(self, step: int, rate: float) -> None:
        """The run is at `step`, at `rate` timesteps a second: arm a halt if it is time to."""
        with self._lock:
            if self._view is None or self._halt_at is None:
                return
            armed = decide(self._request, replace(self._view, step=step, rate=rate), self._armed, self._clock())
            if armed is not None and armed != self._armed:
                self._armed = armed
                self._halt_at(armed.step)

    def on_return(self, step: int) -> tuple[Decision, int]:
        """The run came back at `step`, and nothing is armed for it any more: what to do now, and how many single
        steps to seek a rebuild for."""
        with self._lock:
            self._view = None
            return on_return(self._armed, self._request, self._plan, step, self._last)

    def at_boundary(self, stage: int, step: int) -> Decision:
        """What to do before `stage` begins at `step`."""
        with self._lock:
            since_s = self._clock() - self._last_checkpoint
            return at_boundary(self._request, self._plan, stage, step, since_last_s=since_s, every_s=self._every_s)

    @property
    def is_cuttable(self) -> bool:
        """Whether a run goes on that may be cut."""
        return self._view is not None

    def taken(self) -> None:
        """A checkpoint was taken, which answers a request for one; a stop that came meanwhile is still to come."""
        with self._lock:
            self._last_checkpoint, self._armed = self._clock(), None
            if self._request and self._request.kind == "checkpoint":
                self._request = None
