"""One attempt: claim it, restore, start the engine, record what it cuts, say how it ended.

No MPI and no LAMMPS in this process, so that nothing that happens to them can take the record along.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any, NoReturn

from lammps_jobs.errors import (
    INTERRUPTED,
    Damaged,
    Fenced,
    LammpsJobsError,
    ScriptError,
)
from lammps_jobs.protocol.channel import Message
from lammps_jobs.record.documents import (
    FINAL_STATE,
    FULL_LOG,
    Attempt,
    AttemptEnd,
    Checkpoint,
    CutPlan,
    Event,
    Fidelity,
    Outcome,
    Progress,
    now,
    weakest,
)
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.script.accelerators import atoms_of, switches
from lammps_jobs.script.inputs import depth_of
from lammps_jobs.supervisor import workdir
from lammps_jobs.supervisor.engine_process import Engine
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.failures import death_of, fault_of
from lammps_jobs.supervisor.interruption import SPOT_GRACE_S, SpotNotice, Word
from lammps_jobs.supervisor.recorder import Recorder

CONNECT_S = 60.0
CHECKPOINT_WITHIN = 0.5
"""Share of the checkpoint interval within which a good step to cut at is waited for."""
RESERVED = 0.4
"""Share of the grace time kept for writing and uploading."""

REBALANCE_S = 20.0
"""Seconds in which a good step is looked for when EC2 recommends to leave a machine."""

DOUBTFUL_STEPS = 1000
"""A failure of LAMMPS within so many timesteps of a cut is not believed: the stage is tried again uncut."""


class _Unusable(Exception):
    """Going on from a checkpoint failed, or a cut broke the run: go back, and leave that place alone."""

    def __init__(self, text: str, stage: int | None, seq: int | None) -> None:
        self.text, self.stage, self.seq = text, stage, seq


class Supervisor:
    def __init__(self, store: RunRecord, scratch: Path, environment: JobEnvironment = JobEnvironment()) -> None:
        self.store, self.environment = store, environment
        self.spec = store.submission().spec
        asked = self.spec.resources
        self.resources = asked.model_copy(update={"ranks": asked.ranks or max(1, environment.gpus)})
        self.number = self._claim(scratch)
        self.scratch = scratch / f"attempt-{self.number}"
        self.folder = self.scratch / "work" / "/".join("d" * depth_of(self.spec.inputs))
        self.inbox: queue.Queue[Message] = queue.Queue()
        self._in_time = True
        self.progress = Progress(attempt=self.number, step=0, target=0, stage=0)
        self._told = 0
        self._stopping = ""
        self._tries = 0
        self._cut_asked = False
        self._cut_at: Checkpoint | None = None
        self._resumed = False
        self.uncut: list[int] = []
        self._started = time.monotonic()

    def _claim(self, scratch: Path) -> int:
        import psutil

        number = self.store.newest_attempt()
        while True:
            number += 1
            attempt = Attempt(
                number=number,
                host=socket.gethostname(),
                supervisor_pid=os.getpid(),
                supervisor_started=psutil.Process().create_time(),
                scratch=str(scratch),
                job=self.environment.job,
                job_attempt=self.environment.job_attempt,
            )
            if self.store.claim(attempt):
                return number

    # -- the attempt -----------------------------------------------------------------------------

    def run(self) -> int:
        """Work the attempt through; returns the process's exit code."""
        self._listen_to_signals()
        try:
            if self.store.result():
                return 0
            while True:
                try:
                    return self._try(self._newest_good())
                except _Unusable as found:
                    self._tell("unusable", found.text, stage=found.stage, from_checkpoint=found.seq)
        except LammpsJobsError as error:
            return self._end_with(error)
        except BaseException as error:
            self._end_with(LammpsJobsError(f"The supervisor failed: {error!r}"))
            raise
        finally:
            self._save_logs()

    def _try(self, checkpoint: Checkpoint | None) -> int:
        """Go on from `checkpoint`, or from the start. Raises _Unusable when going on from it does not work."""
        self.recorder = Recorder(self.store, self.number, checkpoint, self.spec.checkpoints.keep)
        self._cut_asked, self._cut_at, self._resumed = False, checkpoint, False
        self._tries += 1
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.folder.mkdir(parents=True)
        workdir.inputs(self.store, self.spec, self.folder)
        number = self._tries

        def hear(message: Message) -> None:  # what an engine that was given up still says is passed over
            self.inbox.put({**message, "try": number})

        engine = Engine(self._job(checkpoint), self.scratch, self.folder, self.resources, hear)
        self._in_time = True
        notice = self._watch_notices()
        try:
            return self._follow(engine, checkpoint)
        finally:
            if notice:
                notice.close()
            engine.stop(gently=self._in_time)

    def _newest_good(self) -> Checkpoint | None:
        """The newest checkpoint that is intact and usable. A damaged one is reported and passed over."""
        unusable = [event for event in self.store.events() if event.kind == "unusable"]
        self.uncut = sorted({event.stage for event in unusable if event.stage is not None})
        for seq in reversed(self.store.checkpoint_seqs()):
            try:
                checkpoint = self.store.checkpoint(seq)
                if checkpoint and (checkpoint.stage_boundary or checkpoint.stage not in self.uncut) and not any(
                    event.from_checkpoint == seq for event in unusable
                ):  # fmt: skip
                    self.store.verify(checkpoint)
                    return checkpoint
            except Damaged as error:
                self._tell("damaged", f"Checkpoint {seq} is damaged and was passed over. {error.what} {error.where}")
        return None

    def _job(self, checkpoint: Checkpoint | None) -> dict[str, Any]:
        spec = self.spec
        return {
            "script": spec.script,
            "variables": {name: list(values) for name, values in spec.variables.items()},
            "inputs": list(spec.inputs),
            "ranks": self.resources.ranks,
            "raw_log": str(self.scratch / "lammps.raw.log"),
            "full_log": str(self.scratch / FULL_LOG),
            "final_state": str(self.scratch / FINAL_STATE),
            "log": "log.lammps",
            "lammps_args": self._switches(),
            "scratch": str(self.scratch),
            "where": str(self.scratch / "where"),
            "socket": os.path.relpath(self.scratch / "engine.sock", self.folder),  # socket paths must be short
            "every_s": spec.checkpoints.every_s,
            "cut_at": self._cuts_to_come(checkpoint),
            "uncut": self.uncut,
            "rehearsed": spec.cut_plan != CutPlan(),
            "at": list(spec.cut_plan.at),
            "after_cut": spec.cut_plan.then,
            "resume": workdir.checkpoint(self.store, checkpoint, self.scratch / "resume") if checkpoint else None,
        }

    def _switches(self) -> list[str]:
        script = (self.folder / self.spec.script).read_text(errors="replace")
        return switches(
            self.environment.gpu, self.environment.gpus, self.resources.ranks or 1, script,
            atoms=atoms_of(script, self.folder), chosen=self.resources.accelerator,
        )  # fmt: skip

    def _cuts_to_come(self, checkpoint: Checkpoint | None) -> list[tuple[int, int]]:
        """The rehearsal's cuts that lie ahead and were not taken before (a run that fell back passes them again)."""
        past = (checkpoint.stage, checkpoint.step) if checkpoint else (0, 0)
        taken = {(e.stage, e.step) for e in self.store.events() if e.kind == "checkpoint"}
        return [cut for cut in self.spec.cut_plan.cut_at if cut > past and cut not in taken]

    # -- following -------------------------------------------------------------------------------

    def _follow(self, engine: Engine, checkpoint: Checkpoint | None) -> int:
        """Handle what the engine says until it is done."""
        self._say(engine_pid=engine.pid, phase="starting")
        due = time.monotonic() + self.spec.checkpoints.every_s
        while True:
            try:
                message = self.inbox.get(timeout=0.2)
            except queue.Empty:
                message = {"event": "tick"}
            if message["event"] == "tick" and engine.died_unheard:
                message = {"event": "gone"}
            if message.get("try", self._tries) != self._tries:
                continue
            code = self._handle(message, engine, checkpoint)
            if code is not None:
                return code
            self._mind_the_time()
            if self._stopping and time.monotonic() > self._deadline:
                self._in_time = False
                return self._end_interrupted("the time allowed ran out before a new checkpoint could be cut")
            if message["event"] == "cut":
                due = time.monotonic() + self.spec.checkpoints.every_s
                self._cut_asked = False
            elif time.monotonic() > due and not self._stopping:
                self._ask_for_cut(engine, CHECKPOINT_WITHIN * self.spec.checkpoints.every_s)

    def _handle(self, message: Message, engine: Engine, checkpoint: Checkpoint | None) -> int | None:
        match message["event"]:
            case "started":
                self.recorder.lammps_version, self.recorder.ranks = message["lammps_version"], message["ranks"]
                self._say(lammps_version=message["lammps_version"])
                if self._stopping:  # asked for before the engine could hear it
                    engine.ask(ask="stop", within_s=max(0.0, self._deadline - time.monotonic()))
                self._tell("started", f"Attempt {self.number} on {socket.gethostname()}, {message['ranks']} rank(s)")
            case "progress":
                self._say(**{key: value for key, value in message.items() if key != "event"})
            case "resumed" if checkpoint:
                self._resumed = True
                self._tell_resumed(checkpoint)
            case "cut":
                return self._record(message, engine)
            case "stage":
                grade = Fidelity(grade="refused" if message["refused"] else "exact", reasons=message["refused"])
                self._tell("stage", message["text"], stage=message["stage"], step=message["step"], fidelity=grade)
            case "fetch":
                self.store.write_file(self.recorder.outputs[message["name"]].segments, self.folder / message["name"])
                engine.ask(ask="fetched", name=message["name"])
            case "warning":
                self._tell("warning", message["text"])
            case "failed":
                self._doubt(message["stage"], message["step"], message["message"], resuming=message["kind"] == "resume")
                return self._end_with(fault_of(message))
            case "finished":
                self.recorder.finish(message)
                self._say(step=message["step"])
                return self._end("finished", 0)
            case "stop":
                self._begin_stop(message, engine)
            case "rebalance" if not self._stopping:
                self._tell("warning", "EC2 expects to take this machine soon: a checkpoint is taken now.")
                self._ask_for_cut(engine, REBALANCE_S)
            case "gone":
                self._mourn(engine)
        return None

    def _ask_for_cut(self, engine: Engine, within_s: float) -> None:
        if engine.is_listening and not self._cut_asked:
            self._cut_asked = True
            engine.ask(ask="checkpoint", within_s=within_s)

    def _mourn(self, engine: Engine) -> NoReturn:
        error = death_of(engine, self.spec.name)
        if isinstance(error, ScriptError) or engine.has_crashed:
            self._doubt(self.progress.stage, self.progress.step, error.what)
        raise error

    def _doubt(self, stage: int, step: int, text: str, *, resuming: bool = False) -> None:
        """LAMMPS failed. Raises _Unusable when a cut may be to blame: in resuming, or soon after a cut."""
        last, self._cut_at = self._cut_at, None
        if last is None or self._stopping:
            return
        resuming = resuming or not self._resumed
        if last.stage_boundary and resuming:
            raise _Unusable(f"Going on from checkpoint {last.seq} failed: {text}", None, last.seq)
        soon = last.stage == stage and step - last.step <= DOUBTFUL_STEPS
        if not last.stage_boundary and (resuming or soon):
            raise _Unusable(f"Stage {last.stage} is run again from its beginning without cuts; after a cut: {text}",
                            last.stage, None)  # fmt: skip

    def _record(self, message: Message, engine: Engine) -> int | None:
        started = time.monotonic()
        try:
            checkpoint = self.recorder.commit(message)
        except Damaged as error:
            self._tell("warning", f"A checkpoint was skipped: {error.what}")
            engine.ask(ask="uploaded", cut=message["cut"])
            return self._end_interrupted(error.what) if message["stop"] else None
        engine.ask(ask="uploaded", cut=message["cut"])
        self._cut_at, self._resumed = checkpoint, True
        self._tell(
            "checkpoint",
            f"Checkpoint {checkpoint.seq} at step {checkpoint.step}",
            step=checkpoint.step,
            stage=checkpoint.stage,
            seconds=checkpoint.cut_s + time.monotonic() - started,
            size=sum(blob.size for blob in checkpoint.to_load),
        )
        self._say(
            step=checkpoint.step,
            last_checkpoint_step=checkpoint.step,
            last_checkpoint_at=checkpoint.committed,
        )
        if message["stop"]:
            return self._end_interrupted(f"checkpoint {checkpoint.seq} at step {checkpoint.step} is committed")
        return None

    def _tell_resumed(self, checkpoint: Checkpoint) -> None:
        fidelity = checkpoint.fidelity
        notes = list(fidelity.reasons)
        same = (checkpoint.lammps_version, checkpoint.ranks) == (self.recorder.lammps_version, self.recorder.ranks)
        elsewhere = Fidelity(as_if="never cut") if same else Fidelity(grade="faithful")
        if checkpoint.lammps_version != self.recorder.lammps_version:
            notes.append(
                f"LAMMPS {checkpoint.lammps_version} wrote the checkpoint, {self.recorder.lammps_version} goes on"
            )
        if checkpoint.ranks != self.recorder.ranks:
            notes.append(f"{checkpoint.ranks} rank(s) wrote the checkpoint, {self.recorder.ranks} go on")
        self._tell(
            "resumed",
            f"From checkpoint {checkpoint.seq} at step {checkpoint.step}",
            step=checkpoint.step,
            stage=checkpoint.stage,
            from_checkpoint=checkpoint.seq,
            fidelity=weakest([fidelity, elsewhere]).model_copy(update={"reasons": tuple(notes)}),
            seconds=time.monotonic() - self._started,
        )

    # -- interruption ----------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        name = signal.Signals(number).name
        self.inbox.put({"event": "stop", "why": name, "grace_s": self._grace_s})

    @property
    def _grace_s(self) -> float:
        return self.environment.grace_s or self.spec.checkpoints.grace_s

    def _watch_notices(self) -> SpotNotice | None:
        if not self.environment.metadata:
            return None
        messages: dict[Word, Message] = {
            "gone soon": {"event": "stop", "why": "Spot notice", "grace_s": SPOT_GRACE_S},
            "at risk": {"event": "rebalance"},
        }
        return SpotNotice(
            self.environment.metadata, lambda word: self.inbox.put(messages[word]), self.environment.notice_every_s
        )

    def _mind_the_time(self) -> None:
        """Stop in time before the attempt is ended from outside."""
        limit = self.environment.time_limit_s
        if limit and not self._stopping and time.monotonic() - self._started > limit - self._grace_s:
            self.environment = dataclasses.replace(self.environment, time_limit_s=None)
            self.inbox.put({"event": "stop", "why": "time limit", "grace_s": self._grace_s})

    def _begin_stop(self, message: Message, engine: Engine) -> None:
        if self._stopping:
            return
        self._stopping = message["why"]
        self._deadline = time.monotonic() + message["grace_s"] * (1 - RESERVED / 2)
        self._tell("notice", f"{message['why']}: {message['grace_s']:g} s until the machine is gone")
        engine.ask(ask="stop", within_s=message["grace_s"] * (1 - RESERVED))

    # -- ends ------------------------------------------------------------------------------------

    def _end_interrupted(self, how: str) -> int:
        return self._end("interrupted", INTERRUPTED, reason=f"{self._stopping or 'interrupted'}: {how}")

    def _end_with(self, error: LammpsJobsError) -> int:
        outcome: Outcome = "fenced" if isinstance(error, Fenced) else "failed"
        return self._end(
            outcome,
            error.exit_code,
            reason=error.what,
            where=error.where,
            remedy=error.remedy,
            error=type(error).__name__,
        )

    def _end(self, outcome: Outcome, code: int, **words: Any) -> int:
        end = AttemptEnd(
            number=self.number,
            outcome=outcome,
            exit_code=code,
            last_step=self.progress.step,
            steps_per_s=self.progress.steps_per_s or None,
            **words,
        )
        print(end.model_dump_json(indent=1), flush=True)
        with contextlib.suppress(LammpsJobsError):  # the store itself may be what failed
            self.store.end(end)
            self._tell("ended", words.get("reason", outcome))
        return code

    def _save_logs(self) -> None:
        for name in ("lammps.raw.log", "engine.out", FULL_LOG):
            with contextlib.suppress(OSError, LammpsJobsError):
                self.store.put_log(self.number, name, (self.scratch / name).read_bytes())
        shutil.rmtree(self.scratch, ignore_errors=True)

    # -- telling ---------------------------------------------------------------------------------

    def _say(self, **fields: Any) -> None:
        self.progress = self.progress.model_copy(update={**fields, "updated": now()})
        self.environment.observe(self.progress)
        with contextlib.suppress(LammpsJobsError):  # advice only
            self.store.say(self.progress)

    def _tell(self, kind: Any, text: str, **fields: Any) -> None:
        self._told += 1
        event = Event(attempt=self.number, kind=kind, text=text, **fields)
        self.environment.observe(event)
        with contextlib.suppress(LammpsJobsError):
            self.store.tell(event, self._told)
