"""Rank 0's second thread: watches a run go by, and arranges the cut that the supervisor asks for."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from lammps_jobs.engine.cut_points import HUNTED, Choice, Strides, choose, sooner
from lammps_jobs.engine.log_stitcher import Stitcher
from lammps_jobs.engine.output_tracker import Outputs
from lammps_jobs.protocol.channel import Link, Message
from lammps_jobs.record.documents import FINAL_STATE, FULL_LOG

NEVER = 1e300
TICK_S = 0.05
SAY_S = 0.5
MARGIN_S = 0.05
MEASURED_S = 1.0
"""Seconds that a cut waits for a first measurement of the run's speed."""
LOOK_LONG, LOOK_SHORT, LONG_S = 0.25, 0.05, 30.0
"""Share of the time before a stop in which a good step is looked for: more when over 30 s are left (a Spot
notice), less when they are not (SIGTERM, `interrupt`)."""
PRICE, PRICE_OF_STOP = 20, 2
"""The steps within reach for each single step of a hunt, which costs about as much again; little when the run stops."""


class Watch:
    def __init__(self, lmp: Any, job: dict[str, Any], folder: Path) -> None:
        self.lmp, self.job = lmp, job
        full = Path(job["full_log"])
        self.log = Stitcher(
            Path(job["raw_log"]), full, folder, job["log"], lmp.flush_buffers, dropping=bool(job["resume"])
        )
        before = job["resume"]["outputs"] if job["resume"] else ()
        self.outputs = Outputs(folder, job["inputs"], {FULL_LOG: full, FINAL_STATE: Path(job["final_state"])}, before)
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
        connection.connect(job["socket"])
        self.link = Link(connection, self._on_message, self._on_close)

    # -- the supervisor --------------------------------------------------------------------------

    def start(self, version: int, ranks: int) -> None:
        self.link.send(event="started", lammps_version=version, ranks=ranks, pid=os.getpid())
        threading.Thread(target=self._look, daemon=True, name="watch").start()

    def _on_message(self, message: Message) -> None:
        with self._lock:
            if message["ask"] in ("checkpoint", "stop"):
                self._asked_at = time.monotonic()
            match message["ask"]:
                case "checkpoint" if not self._wanted:
                    self._wanted = "checkpoint"
                    self._grace_until = time.monotonic() + message["within_s"]
                case "stop":
                    self._wanted = "stop"
                    self._grace_until = time.monotonic() + message["within_s"]
                    self._hurried = self._choice is not None and not self._planned
                case "uploaded":
                    self._uploaded = message["cut"]
                case "fetched":
                    self._fetched.add(message["name"])
            self._lock.notify_all()

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
        self._say("running")

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
            rehearsed = self._planned and self.job["after_cut"] == "stop"
            return "stop" if rehearsed or self._wanted == "stop" else "checkpoint", choice.hunt

    def decide_at_boundary(self, stage: int, step: int) -> str:
        """What to do before `stage` begins at `step`."""
        with self._lock:
            planned = [stage, step] in self.job["cut_at"] or 1.0 in self.job["at"]
            if self._wanted == "stop" or (planned and self.job["after_cut"] == "stop"):
                return "stop"
            since = time.monotonic() - self._last_checkpoint
            due = self._wanted == "checkpoint" or since > 0.1 * self.job["every_s"]
            return "checkpoint" if due or planned else "go on"

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
            if self._active and moment - said_at >= SAY_S:
                said_at = moment
                self.log.pump()
                self._say("running")

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

    def _say(self, phase: str) -> None:
        self.link.send(
            event="progress", step=self._step.value, target=self._target, stage=self._stage,
            steps_per_s=round(self._rate, 3), phase=phase, timestep=self._timestep, units=self._units,
        )  # fmt: skip

    # -- cuts and resumes ------------------------------------------------------------------------

    def cut(
        self, folder: Path, state: dict[str, Any], *, stage: int, boundary: bool, stop: bool, restart_s: float,
        started: float, grade: str, reasons: list[str], affected: list[str], as_if: str, rewritten: frozenset[str],
    ) -> None:  # fmt: skip
        self._sent += 1
        changes = self.outputs.changes(folder, rewritten)
        self.link.send(
            event="cut", cut=self._sent, folder=str(folder), state=state, boundary=boundary, stop=stop,
            outputs=changes, step=state["step"], stage=stage, restart_s=restart_s,
            cut_s=time.monotonic() - started, grade=grade, reasons=reasons, affected=affected, as_if=as_if,
        )  # fmt: skip
        with self._lock:
            self._last_checkpoint = time.monotonic()
            self._choice, self._planned, self._hurried = None, False, False
            if not stop:
                self._wanted = ""

    def wait_uploaded(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._uploaded >= self._sent)

    def fetch(self, name: str) -> None:
        """Have the supervisor bring a recorded output, unless it lies here already."""
        if (self.outputs.folder / name).exists():
            return
        self.link.send(event="fetch", name=name)
        with self._lock:
            self._lock.wait_for(lambda: name in self._fetched)
        self.outputs.know(name)

    def restored_styles(self, since: int) -> list[str]:
        """Kinds of force field (pair, bond, ...) that read_restart said it restored."""
        lines = self.log.said(r"restoring \S+ style", since)
        return [line.split("restoring ")[1].split()[0] for line in lines]

    def resumed(self, step: int, stage: int) -> None:
        self.link.send(event="resumed", step=step, stage=stage)

    def stage(self, number: int, text: str, refused: list[str]) -> None:
        """In a rehearsal: a stage begins, and why it cannot be cut if so."""
        if self.job["at"]:
            self.link.send(event="stage", stage=number, text=text, step=self._step.value, refused=refused)

    def say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.link.send(event="warning", text=text)

    def failed(self, where: tuple[str, int, str], fault: dict[str, Any]) -> None:
        self.log.drop(False)
        self.link.send(event="failed", file=where[0], line=where[1], command=where[2], **fault)

    def finish(self, step: int, rewritten: frozenset[str]) -> None:
        self.log.pump()
        folder = Path(self.job["scratch"]) / "end"
        folder.mkdir()
        self.link.send(event="finished", step=step, outputs=self.outputs.changes(folder, rewritten))
