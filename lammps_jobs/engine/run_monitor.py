"""Rank 0's second thread: how far and how fast a run is."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.protocol.messages import Moved

TICK_S = 0.05
PUBLISH_S = 0.5
ALIVE_S = 5.0
"""Seconds between two signs of life while no run goes on."""
RATE_S = 0.25
"""Seconds over which one measurement of the speed is taken."""


class RunMonitor:
    """Publishes progress, keeps the log up to date, and says whether it can be cut."""

    def __init__(
        self, lmp: Any, handler: CheckpointHandler, publish: Callable[[Moved], object], pump: Callable[[], object],
        on_failure: Callable[[Exception], object],
    ) -> None:  # fmt: skip
        """`pump` copies the log, `on_failure` gets what the thread, which ends of it, raised."""
        self._lmp, self._handler = lmp, handler
        self._publish, self._pump, self._on_failure = publish, pump, on_failure
        self._step: Any = ctypes.c_longlong(0)
        self._target = self._stage = 0
        self._rate, self._timestep, self._units = 0.0, 0.0, ""
        self._seen, self._seen_at = 0, time.monotonic()
        self._is_running = False
        self._lock = threading.Lock()

    @property
    def step(self) -> int:
        """The timestep that the present run has reached, or the one before it ended at."""
        return int(self._step.value)

    def start(self) -> None:
        threading.Thread(target=self._guarded, daemon=True, name="monitor").start()

    def begin_run(self, target: int, stage: int) -> None:
        """A run, or another command that is a stage, begins; it ends at timestep `target` if all goes well."""
        with self._lock:
            before, self._step = self._step.value, self._counter(b"ntimestep")
            if self._step.value != before:  # a restart file or reset_timestep was between them, no run
                self._seen, self._seen_at = self._step.value, time.monotonic()
            self._timestep, self._units = self._lmp.extract_global("dt"), self._lmp.extract_global("units")
            self._target, self._stage, self._is_running = target, stage, True
        self._report()

    def end_run(self) -> None:
        with self._lock:
            self._is_running = False
            self._step = ctypes.c_longlong(self._step.value)

    def _counter(self, name: bytes) -> Any:
        """A number inside LAMMPS that this thread may look at while LAMMPS runs."""
        pointer = self._lmp.lib.lammps_extract_global
        pointer.restype = ctypes.c_void_p
        return self._lmp.c_bigint.from_address(pointer(self._lmp.lmp, name))

    def _guarded(self) -> None:
        try:
            self._watch()
        except Exception as error:
            self._on_failure(error)

    def _watch(self) -> None:
        reported_at = 0.0
        while True:
            time.sleep(TICK_S)
            now = time.monotonic()
            self._measure(now)
            if now - reported_at >= (PUBLISH_S if self._is_running else ALIVE_S):
                reported_at = now
                self._pump()
                self._report()

    def _measure(self, now: float) -> None:
        """Timesteps a second, as a mean in which the last measurement counts half."""
        with self._lock:
            step = self._step.value
            if now - self._seen_at >= RATE_S:
                rate = max(0, step - self._seen) / (now - self._seen_at)
                self._rate = rate if not self._rate else 0.5 * (self._rate + rate)
                self._seen, self._seen_at = step, now

    def _report(self) -> None:
        self._publish(
            Moved(
                step=self._step.value, target=self._target, stage=self._stage, steps_per_s=round(self._rate, 3),
                phase="running" if self._stage else "starting", timestep=self._timestep, units=self._units,
                is_cuttable=self._handler.is_cuttable,
            )
        )  # fmt: skip
