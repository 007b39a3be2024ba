"""Metrics in CloudWatch's embedded metric format: one JSON line on stdout is one set of data points.

Source of the format: AWS, "Embedded metric format specification" (the key `_aws` with CloudWatchMetrics).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from lammps_jobs.backends.aws_batch.contract import NAMESPACE
from lammps_jobs.formats.units import per_day
from lammps_jobs.record.documents import Event, Progress

EVERY_S = 60.0
UNITS = {
    "Step": "None", "StepsPerSecond": "Count/Second", "NsPerDay": "None", "CheckpointAge": "Seconds",
    "CheckpointSeconds": "Seconds", "CheckpointBytes": "Bytes", "Interruptions": "Count", "ResumeSeconds": "Seconds",
    "GpuUse": "Percent",
}  # fmt: skip


def line(values: dict[str, float], stack: str, at_ms: int, **context: Any) -> str:
    """One line: `values` by metric name with the dimension Stack; `context` is searchable, but no metric."""
    metrics = [{"Name": name, "Unit": UNITS[name]} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": metrics}
    return json.dumps(
        {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}, "Stack": stack, **context, **values}
    )


class Metrics:
    """Turns progress and events of an attempt into lines: progress once a minute, events as they come."""

    def __init__(self, stack: str, run: str, pool: str, every_s: float = EVERY_S) -> None:
        self._context = {"Run": run, "Pool": pool}
        self._stack, self._every_s = stack, every_s
        self._said = 0.0
        self._last_checkpoint = time.time()

    def progress(self, now: Progress, gpu_use: Callable[[], float | None] = lambda: None) -> str | None:
        """A line when one is due; only then the GPUs are asked how busy they are."""
        if now.phase != "running" or time.monotonic() - self._said < self._every_s:
            return None
        self._said = time.monotonic()
        values: dict[str, float] = {
            "Step": now.step,
            "StepsPerSecond": now.steps_per_s,
            "CheckpointAge": round(time.time() - self._last_checkpoint, 1),
        }
        if now.timestep and now.units:
            value, unit = per_day(now.steps_per_s, now.timestep, now.units)
            if unit == "ns/day":
                values["NsPerDay"] = value
        busy = gpu_use()
        if busy is not None:
            values["GpuUse"] = busy
        return self._line(values, Attempt=now.attempt)

    def event(self, event: Event) -> str | None:
        """A line for an event that is counted or timed."""
        match event.kind:
            case "checkpoint":
                self._last_checkpoint = time.time()
                values = {"CheckpointSeconds": event.seconds or 0.0, "CheckpointAge": 0.0}
                if event.size is not None:
                    values["CheckpointBytes"] = event.size
                return self._line(values, Attempt=event.attempt)
            case "notice":
                return self._line({"Interruptions": 1}, Attempt=event.attempt)
            case "resumed":
                return self._line({"ResumeSeconds": event.seconds or 0.0}, Attempt=event.attempt)
        return None

    def _line(self, values: dict[str, float], **context: Any) -> str:
        return line(values, self._stack, int(time.time() * 1000), **self._context, **context)
