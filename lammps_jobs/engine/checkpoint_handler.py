"""When to take a checkpoint: requests come in, decisions go out.

This is the only place that decides; the arithmetic behind it is pure and lies in `cut_points`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lammps_jobs.engine.cut_points import (
    AT_OUTPUT_S,
    MOST_WITHOUT_OUTPUT_S,
    PIECE_S,
    SURE_RATE,
    Decision,
    Due,
    Piece,
    Request,
    at_boundary,
    length_after,
    next_piece,
    next_planned,
    piece_to_output,
    planned_after,
    planned_since,
)
from lammps_jobs.protocol.messages import Stop, TakeCheckpoint
from lammps_jobs.record.documents import CutPlan


class CheckpointHandler:
    """Rank 0's decisions. Safe to use from several threads; times are seconds of the monotonic `clock`."""

    def __init__(self, plan: CutPlan, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`plan`: the cuts of a rehearsal that lie ahead. `every_s`: the interval between two checkpoints."""
        self._plan, self._every_s, self._clock = plan, every_s, clock
        self._lock = threading.Lock()
        self._request: Request | None = None
        self._run: tuple[int, int, int] | None = None
        self._length, self._rate, self._before = 1, 0.0, 0
        self._begun: tuple[int, float] | None = None
        self._taken = 0
        self._last_checkpoint = clock()

    def take(self, order: TakeCheckpoint | Stop) -> None:
        """The supervisor asks. A checkpoint that is asked for again changes nothing, a stop counts always."""
        now = self._clock()
        with self._lock:
            if isinstance(order, Stop):
                self._request = Request("stop", now, now + order.within_s)
            elif self._request is None:
                self._request = Request("checkpoint", now, now + order.within_s)

    def begin_run(self, stage: int, first: int, last: int) -> None:
        """A run that may be cut begins; it is a stage from timestep `first` to `last`."""
        with self._lock:
            self._run, self._begun, self._before = (stage, first, last), None, first

    def end_run(self) -> None:
        with self._lock:
            self._run = None

    def next_piece(self, step: int, output: Due | None = None, atoms: int = 0) -> Piece:
        """The run of `atoms` atoms is at `step`, and LAMMPS at rest: what to do next. With `output`, pieces end where
        it is due."""
        with self._lock:
            assert self._run is not None
            stage, first, last = self._run
            now = self._clock()
            if self._begun:
                steps, began = self._begun
                self._length = length_after(steps, now - began, AT_OUTPUT_S if output else PIECE_S)
                self._rate = steps / max(now - began, 1e-9)
            if output:
                piece = self._piece_to_output(step, output, atoms)
            else:
                planned = next_planned(self._plan, stage, step, first=first, last=last, taken=self._taken)
                piece = next_piece(self._request, planned, step, last, self._length, self._rate, now)
            self._begun = (piece.steps, now) if piece.steps and piece.then == "go on" else None
            return piece

    def _piece_to_output(self, step: int, output: Due, atoms: int) -> Piece:
        assert self._run is not None
        stage, first, last = self._run
        due = planned_since(self._plan, stage, step, before=self._before, first=first, last=last, taken=self._taken)
        self._before = step
        most = max(1, int(MOST_WITHOUT_OUTPUT_S * (self._rate or SURE_RATE / max(1, atoms))))
        exactly, about = planned_after(self._plan, stage, step, first=first, last=last)
        length, most = min(self._length, about - step), min(most, exactly - step)
        return piece_to_output(self._request, due, step, first, last, length, most, output)

    def at_boundary(self, stage: int, step: int) -> Decision:
        """What to do before `stage` begins at `step`."""
        with self._lock:
            since_s = self._clock() - self._last_checkpoint
            return at_boundary(self._request, self._plan, stage, step, since_last_s=since_s, every_s=self._every_s)

    @property
    def is_cuttable(self) -> bool:
        """Whether a run goes on that may be cut."""
        return self._run is not None

    def taken(self) -> None:
        """A checkpoint was taken, which answers a request for one; a stop that came meanwhile is still to come."""
        with self._lock:
            self._last_checkpoint, self._taken = self._clock(), self._taken + 1
            if self._request and self._request.kind == "checkpoint":
                self._request = None
