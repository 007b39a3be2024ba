"""Rank 0's second thread: watches a run go by, and arranges the cut that the supervisor asks for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, assert_never

from lammps_jobs.engine.cut_points import HUNTED, Choice, Strides, choose, sooner
from lammps_jobs.engine.log_stitcher import Stitcher
from lammps_jobs.engine.output_tracker import Outputs
from lammps_jobs.protocol.channel import Channel
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.protocol.messages import (
    ORDER,
    Cut,
    EngineJob,
    Failed,
    Fetch,
    Fetched,
    Finished,
    Moved,
    Order,
    Resumed,
    StageBegan,
    Started,
    Stop,
    TakeCheckpoint,
    Uploaded,
    Warned,
)
from lammps_jobs.record.documents import FINAL_STATE, FULL_LOG, Fidelity, ScriptLine

NEVER = 1e300
TICK_S = 0.05
SAY_S = 0.5
ALIVE_S = 5.0
"""Seconds between two signs of life while no run goes on."""
MARGIN_S = 0.05
MEASURED_S = 1.0
"""Seconds that a cut waits for a first measurement of the run's speed."""
LOOK_LONG, LOOK_SHORT, LONG_S = 0.25, 0.05, 30.0
"""Share of the time before a stop in which a good step is looked for: more when over 30 s are left (a Spot
notice), less when they are not (SIGTERM, `interrupt`)."""
PRICE, PRICE_OF_STOP = 20, 2
"""The steps within reach for each single step of a hunt, which costs about as much again; little when the run stops."""


class Watch:
    """Connects to the supervisor at once; `open` makes it useful as soon as LAMMPS is there."""

    lmp: Any
    log: Stitcher
    outputs: Outputs

    def __init__(self, job: EngineJob) -> None:
        self.job = job
        self._lock = threading.Condition()
        self._wanted = ""
        self._asked_at = self._grace_until = 0.0
        self._choice: Choice | None = None
        self._hurried = False
        self._hunting = False
        self._running: Strides | None = None
        self._active = False
        self._step = ctypes.c_longlong(0)
        self._target = self._stage = 0
        self._rate = 0.0
        self._timestep, self._units = 0.0, ""
        self._last_checkpoint = time.monotonic()
        self._uploaded = self._sent = 0
        self._fetched: set[str] = set()
        self._said: set[str] = set()
        self._planned = False
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(job.socket))
        self.channel: Channel[Order] = Channel(connection, ORDER, self._on_order, self._on_malformed, self._on_close)

    # -- the supervisor --------------------------------------------------------------------------

    def open(self, lmp: Any, folder: Path) -> None:
        """LAMMPS is there: follow its log and its outputs, and say so."""
        job, self.lmp = self.job, lmp
        self.log = Stitcher(job.raw_log, job.full_log, folder, job.log, lmp.flush_buffers, dropping=bool(job.restore))
        before = job.restore.outputs if job.restore else ()
        self.outputs = Outputs(folder, job.inputs, {FULL_LOG: job.full_log, FINAL_STATE: job.final_state}, before)
        self.channel.send(Started(lammps_version=lmp.version(), ranks=job.ranks))
        threading.Thread(target=self._guarded_look, daemon=True, name="watch").start()

    def _on_order(self, order: Order) -> None:
        now = time.monotonic()
        with self._lock:
            match order:
                case TakeCheckpoint():
                    if not self._wanted:
                        self._wanted, self._asked_at, self._grace_until = "checkpoint", now, now + order.within_s
                case Stop():
                    self._wanted, self._asked_at, self._grace_until = "stop", now, now + order.within_s
                    self._hurried = self._choice is not None and not self._planned
                case Uploaded():
                    self._uploaded = order.number
                case Fetched():
                    self._fetched.add(order.name)
                case _:
                    assert_never(order)
            self._lock.notify_all()

    def _on_malformed(self, text: str) -> None:
        self._give_up(f"The supervisor's order was not understood: {text}")

    def _give_up(self, text: str, trace: str = "") -> None:
        """End at once, from whatever thread: our own program failed."""
        self.failed(Failed(cause="internal", where=ScriptLine(), text=text, stage=self._stage, step=self._step.value,
                           traceback=trace))  # fmt: skip
        print(text, trace, sep="\n", file=sys.stderr, flush=True)
        os._exit(3)

    def _on_close(self) -> None:
        os._exit(99)  # nobody records this attempt any more

    # -- a run -----------------------------------------------------------------------------------

    def begin(
        self, step: int, target: int, stage: int, *, cuttable: Strides | None, style: str,
        skip_first_row: bool = False, planned: Choice | None = None, hold: bool = False, hunting: bool = False,
    ) -> None:  # fmt: skip
        """A run starts. `cuttable` says at which strides it may be stopped, `hunting` that it bears single steps."""
        self.log.begin_run(skip_first_row=skip_first_row, style=style, hold=hold)
        with self._lock:
            self._step, self._hunting = self._counter(b"ntimestep"), hunting
            self._timestep, self._units = self.lmp.extract_global("dt"), self.lmp.extract_global("units")
            self._target, self._stage = target, stage
            self._planned, self._choice, self._hurried = planned is not None, planned, False
            self._running, self._active = cuttable, True
        self._say()

    def _counter(self, name: bytes) -> Any:
        """A number inside LAMMPS that this thread may look at while LAMMPS runs."""
        pointer = self.lmp.lib.lammps_extract_global
        pointer.restype = ctypes.c_void_p
        return self.lmp.c_bigint.from_address(pointer(self.lmp.lmp, name))

    def end(self, *, cut: bool, drop_last_row: bool = False) -> None:
        with self._lock:
            self._active, self._running = False, None
            self._step = ctypes.c_longlong(self._step.value)
        self.log.end_run(cut=cut, drop_last_row=drop_last_row)

    def decide(self, step: int) -> tuple[str, int]:
        """What to do now that the run command came back at `step`: go on, checkpoint or stop; how long to hunt."""
        with self._lock:
            choice = self._choice
            if choice is None or not choice.step <= step < self._target:
                return "go on", 0
            rehearsed = self._planned and self.job.cut_plan.then == "stop"
            return "stop" if rehearsed or self._wanted == "stop" else "checkpoint", choice.hunt

    def decide_at_boundary(self, stage: int, step: int) -> str:
        """What to do before `stage` begins at `step`."""
        with self._lock:
            plan = self.job.cut_plan
            planned = (stage, step) in plan.cut_at or 1.0 in plan.at
            if self._wanted == "stop" or (planned and plan.then == "stop"):
                return "stop"
            since = time.monotonic() - self._last_checkpoint
            due = self._wanted == "checkpoint" or since > 0.1 * self.job.every_s
            return "checkpoint" if due or planned else "go on"

    def _guarded_look(self) -> None:
        try:
            self._look()
        except Exception as error:
            self._give_up(f"{type(error).__name__}: {error}", traceback.format_exc())

    def _look(self) -> None:
        """The thread: progress, the live log, and the choice of the step to cut at."""
        seen, seen_at, said_at = self._step.value, time.monotonic(), 0.0
        while True:
            time.sleep(TICK_S)
            with self._lock:
                step, moment = self._step.value, time.monotonic()
                if moment - seen_at >= 5 * TICK_S:
                    rate = max(0, step - seen) / (moment - seen_at)
                    self._rate = rate if not self._rate else 0.5 * (self._rate + rate)
                    seen, seen_at = step, moment
                self._arrange(step, moment)
            if moment - said_at >= (SAY_S if self._active else ALIVE_S):
                said_at = moment
                self.log.pump()
                self._say()

    def _arrange(self, step: int, moment: float) -> None:
        if not (self._active and self._running and self._wanted) or (self._choice and not self._hurried):
            return
        left = max(0.0, self._grace_until - moment)
        if not self._rate and min(left, self._asked_at + MEASURED_S - moment) > 0:
            return  # how far the run comes in that time is not known yet: any choice would be a bad one
        share = 1.0 if self._wanted != "stop" else LOOK_LONG if left > LONG_S else LOOK_SHORT
        after = step + int(self._rate * MARGIN_S)
        reach, urgent = int(self._rate * left * share), self._wanted == "stop"
        hunt = min(HUNTED, reach // (PRICE_OF_STOP if urgent else PRICE)) if self._hunting else 0
        chosen = choose(self._running, after, self._target, reach, hunt=hunt, urgent=urgent)
        if self._hurried:  # a stop is more urgent than the checkpoint that is on its way
            self._hurried = False
            chosen = sooner(self._choice, chosen)
        if chosen is not None:
            self._choice = chosen
            self.lmp.set_internal_variable("ljx_at", float(chosen.step))

    def _say(self) -> None:
        self.channel.send(
            Moved(
                step=self._step.value, target=self._target, stage=self._stage, steps_per_s=round(self._rate, 3),
                phase="running" if self._stage else "starting", timestep=self._timestep, units=self._units,
                is_cuttable=self._active and self._running is not None,
            )
        )  # fmt: skip

    # -- cuts and resumes ------------------------------------------------------------------------

    def cut(
        self, folder: Path, state: EngineState, *, boundary: bool, stop: bool, restart_s: float, started: float,
        fidelity: Fidelity, affected: tuple[str, ...], rewritten: frozenset[str],
    ) -> None:  # fmt: skip
        self._sent += 1
        outputs = tuple(self.outputs.changes(folder, rewritten))
        self.channel.send(
            Cut(
                number=self._sent, folder=folder, state=state, stage=state.stage + boundary, boundary=boundary,
                stop=stop, outputs=outputs, fidelity=fidelity, affected=affected, restart_s=restart_s,
                cut_s=time.monotonic() - started,
            )
        )  # fmt: skip
        with self._lock:
            self._last_checkpoint = time.monotonic()
            self._choice, self._planned, self._hurried = None, False, False
            if self._wanted == "checkpoint":  # a stop that was asked for meanwhile is still to come
                self._wanted = ""

    def wait_uploaded(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._uploaded >= self._sent)

    def fetch(self, name: str) -> None:
        """Have the supervisor bring a recorded output, unless it lies here already."""
        if (self.outputs.folder / name).exists():
            return
        self.channel.send(Fetch(name=name))
        with self._lock:
            self._lock.wait_for(lambda: name in self._fetched)
        self.outputs.know(name)

    def restored_styles(self, since: int) -> list[str]:
        """Kinds of force field (pair, bond, ...) that read_restart said it restored."""
        lines = self.log.said(r"restoring \S+ style", since)
        return [line.split("restoring ")[1].split()[0] for line in lines]

    def resumed(self, step: int, stage: int) -> None:
        self.channel.send(Resumed(step=step, stage=stage))

    def stage(self, number: int, text: str, refused: list[str]) -> None:
        """In a rehearsal: a stage begins, and why it cannot be cut if so."""
        if self.job.cut_plan.at:
            self.channel.send(StageBegan(stage=number, text=text, step=self._step.value, refused=tuple(refused)))

    def say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.channel.send(Warned(text=text))

    def failed(self, failure: Failed) -> None:
        with contextlib.suppress(OSError):  # nobody is there to hear it
            self.channel.send(failure)

    def finish(self, step: int, rewritten: frozenset[str]) -> None:
        self.log.pump()
        folder = self.job.scratch / "end"
        folder.mkdir()
        self.channel.send(Finished(step=step, outputs=tuple(self.outputs.changes(folder, rewritten))))
