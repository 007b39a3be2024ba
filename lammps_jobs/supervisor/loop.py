"""The supervisor: the thin loop around an attempt's state machine. Threads, clock, processes and the record are here.

No MPI and no LAMMPS in this process, so that nothing that happens to them can take the record along.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import shutil
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

from lammps_jobs.errors import INTERRUPTED, BudgetSpent, Damaged, InternalError, LammpsJobsError, StoreAway, StoreError
from lammps_jobs.protocol.messages import PRINTED, RAW_LOG, EngineJob, Report
from lammps_jobs.record.documents import (
    FULL_LOG,
    GIVEN,
    Attempt,
    AttemptEnd,
    Blob,
    Checkpoint,
    CutPlan,
    Decision,
    Event,
    Lineage,
    Outcome,
    Progress,
    ResultFacts,
    now,
)
from lammps_jobs.record.machine_time import Used, used_before
from lammps_jobs.record.object_store import is_folder
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import claimed, told
from lammps_jobs.script.accelerators import Switches, for_threads, survey, switches
from lammps_jobs.script.inputs import run_folder
from lammps_jobs.supervisor import actions, notify, process, remains, stimuli, transitions, tries, workdir
from lammps_jobs.supervisor.attempt_state import AttemptState, Rules
from lammps_jobs.supervisor.blame import Barred, barred, standing
from lammps_jobs.supervisor.engine_process import EngineProcess, socket_in
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.failures import death_of
from lammps_jobs.supervisor.interruption import SPOT_GRACE_S, SpotNotice, Word, announcements
from lammps_jobs.supervisor.recorder import Recorder
from lammps_jobs.supervisor.recovery import Found, newest_usable
from lammps_jobs.supervisor.stimuli import Stimulus

TICK_S, LONGEST_WITHOUT_TICK_S = 0.2, 0.5
RESULT_PATIENCE_S, RESULT_PAUSE_S = 900.0, 1.0
"""Seconds for which the result is committed again and again to a store that fails, and the pause between two tries."""
LAY_OUTS = 3
"""How often a checkpoint is chosen and laid out before what is missing of it counts as damage."""
TELL_S = 30.0
"""Seconds between two changes of the run's head in a bucket, where nothing but its progress changes."""
LOOK_S = 3.0
"""Seconds between two looks for a newer attempt, which ends this one."""
DIES_WITHIN_S = 20.0
"""Seconds that an engine whose connection is gone may take to end."""


class Supervisor:
    """One claimed attempt: `run` works it through."""

    def __init__(self, record: RunRecord, attempt: Attempt, scratch: Path, environment: JobEnvironment) -> None:
        number = attempt.number
        self.record, self.number, self.environment, self._attempt = record, number, environment, attempt
        self.spec = record.wanted()
        self.scratch = scratch.absolute() / f"attempt-{number}"
        self._ranks = self.spec.resources.ranks or max(1, environment.gpus)
        self._folder = run_folder(self.scratch / "work", self.spec.inputs)
        self._inbox: queue.SimpleQueue[Stimulus] = queue.SimpleQueue()  # its put may interrupt its get (signals)
        self._engine: EngineProcess | None = None
        self._try = 0
        self._recorder = Recorder(record, number, None, self.spec.checkpoints.keep)
        self._events = 0
        self._ticked_at = 0.0
        self._looked_at = time.monotonic()
        self._told_at = -math.inf
        self._result: ResultFacts | None = None
        self._before = Used()
        self._last_word: AttemptEnd | None = None
        self.unheard: AttemptEnd | None = None
        """How the attempt ended, where the store did not take that."""

    @classmethod
    def claim(cls, record: RunRecord, scratch: Path, environment: JobEnvironment = JobEnvironment()) -> Supervisor:
        """Claim the run's next attempt, which works below `scratch`. Raises StoreError, NoSuchRun."""
        number = record.newest_attempt()
        while True:
            number += 1
            attempt = Attempt(
                number=number,
                host=socket.gethostname(),
                supervisor_pid=os.getpid(),
                supervisor_started=process.began(os.getpid()) or 0.0,
                boot=process.boot_id(),
                scratch=str(scratch),
                job=environment.job,
                job_attempt=environment.job_attempt,
            )
            if record.claim(attempt):
                break
        record.tell_of(lambda seen: claimed(seen, attempt), may_remove=True)
        return cls(record, attempt, scratch, environment)

    def run(self) -> int:
        """Work the attempt through; returns the process's exit code."""
        self._listen_to_signals()
        try:
            if self._is_finished():
                return 0
            self._look_at_the_past()
            with self._watching_notices():
                return self._follow()
        except LammpsJobsError as error:  # before there was an attempt to end
            self._stop_engine(gently=False)
            return self._end(_end_of(error))
        except BaseException as error:
            self._stop_engine(gently=False)
            self._end(_end_of(InternalError(f"The supervisor failed: {error!r}", remedy=_REPORT)))
            raise
        finally:
            self._stop_engine(gently=False)
            self._save_logs()
            self._notify()
            self._stop_listening()

    def _is_finished(self) -> bool:
        """A result that nobody can read is made anew."""
        try:
            return self.record.finished() is not None
        except Damaged:
            return False

    def _look_at_the_past(self) -> None:
        """Raises BudgetSpent when the attempts before have left nothing."""
        budget_s = self.spec.resources.budget_s
        if budget_s or self.spec.checkpoints.least_s:
            self._before = used_before(self.record, self.number)
        if budget_s and self._before.seconds >= budget_s:
            raise tries.budget_spent(self.spec.name, budget_s)

    # -- the loop --------------------------------------------------------------------------------

    def _follow(self) -> int:
        decisions = self.record.decisions()
        state, todo = transitions.begin(
            self._rules(), time.monotonic(), barred=barred(decisions), on_probation=standing(decisions)
        )
        happened: deque[Stimulus] = deque()
        while True:
            began = time.monotonic()
            for action in todo:
                if isinstance(action, actions.End):
                    self._stop_engine(gently=action.gently)
                    return self._end(action, state)
                try:
                    happened.extend(self._do(action, state))
                except LammpsJobsError as error:  # what was to follow relied on it
                    happened.appendleft(stimuli.ActionFailed(time.monotonic(), error))
                    break
            if time.monotonic() - began > LONGEST_WITHOUT_TICK_S:  # first what was said during a long upload
                self._ticked_at = time.monotonic()
            stimulus = happened.popleft() if happened else self._next()
            state, todo = transitions.step(state, stimulus)

    def _rules(self) -> Rules:
        return Rules(
            run=self.spec.name, attempt=self.number, host=socket.gethostname(),
            every_s=self.spec.checkpoints.every_s, time_limit_s=self.environment.time_limit_s, grace_s=self._grace_s,
            least_s=self.spec.checkpoints.least_s, interruptions=self._before.interruptions,
            used_s=self._before.seconds, budget_s=self.spec.resources.budget_s,
        )  # fmt: skip

    def _next(self) -> Stimulus:
        """What happened next; a tick at least every half second, however much the engine has to say."""
        now = time.monotonic()
        if now - self._ticked_at < LONGEST_WITHOUT_TICK_S:
            with contextlib.suppress(queue.Empty):
                return self._inbox.get(timeout=TICK_S)
            if self._engine and self._engine.is_gone:
                with contextlib.suppress(queue.Empty):
                    return self._inbox.get_nowait()
                return self._gone(self._engine, self._try)
            now = time.monotonic()
        self._ticked_at = now
        return stimuli.Tick(now)

    def _do(self, action: actions.Action, state: AttemptState) -> list[Stimulus]:
        """Carry an action out; returns what comes of it at once. Raises LammpsJobsError."""
        match action:
            case actions.StartTry():
                return [self._start(action)]
            case actions.Ask():
                if self._engine:
                    self._engine.ask(action.order)
            case actions.Commit():
                return [self._commit(action, state)]
            case actions.CommitResult():
                self._finish(action)
                return [stimuli.ResultCommitted(time.monotonic())]
            case actions.FetchOutput():
                self.record.write_file(self._content_of(action.name), action.target)
            case actions.Decide():
                self._decide(action.decision)
            case actions.Publish():
                self._look_for_others()
                progress = action.progress.model_copy(update={"updated": now()})
                if self._as_advice(lambda: self.record.publish_progress(progress)):
                    self._tell(progress=progress)
                self.environment.observe(progress)
            case actions.Append():
                self._say(action.event)
            case actions.End():
                pass
            case _ as unreachable:
                assert_never(unreachable)
        return []

    def _say(self, event: Event) -> None:
        self._events += 1
        self._as_advice(lambda: self.record.append_event(event, self._events))
        self.environment.observe(event)

    def _look_for_others(self) -> None:
        """Raises Fenced when another attempt has taken over: both would run until the next checkpoint."""
        if time.monotonic() - self._looked_at > LOOK_S:
            self._looked_at = time.monotonic()
            with contextlib.suppress(StoreError):  # whatever the store is at: the engine computes on
                self._recorder.check_not_overtaken()

    def _content_of(self, name: str) -> tuple[Blob, ...]:
        """Of a recorded output, or of an input as it was given."""
        if name.startswith(GIVEN):
            return (self.spec.inputs[name.removeprefix(GIVEN)],)
        return self._recorder.outputs[name].segments

    @staticmethod
    def _as_advice(write: Callable[[], None]) -> bool:
        """False where it could not be written."""
        try:
            write()
        except LammpsJobsError:
            return False
        return True

    def _tell(self, *, progress: Progress | None = None, **news: Any) -> None:
        """Keep the run's head and its row of the list up to date; of mere progress only now and then."""
        is_worth_it = bool(news) or time.monotonic() - self._told_at > TELL_S or is_folder(self.record.root)
        if is_worth_it:
            self._told_at = time.monotonic()
            attempt = self._attempt
            self.record.tell_of(lambda seen: told(seen, attempt, progress=progress, **news), may_remove=True)

    # -- engines ---------------------------------------------------------------------------------

    def _start(self, action: actions.StartTry) -> Stimulus:
        self._stop_engine(gently=False)
        self._try = number = action.number
        self._recorder.check_not_overtaken()
        found, job = self._laid_out(action)

        def gone() -> None:
            engine = self._engine
            if engine and self._try == number:
                self._inbox.put(self._gone(engine, number))

        self._engine = EngineProcess.start(
            job, self._folder, self.spec.resources.threads,
            lambda report: self._inbox.put(_said(number, report)),
            lambda text: self._inbox.put(stimuli.EngineMalformed(time.monotonic(), number, text)), gone,
        )  # fmt: skip
        return stimuli.TryStarted(time.monotonic(), found.checkpoint, self._engine.pid, found.passed_over)

    def _laid_out(self, action: actions.StartTry) -> tuple[Found, EngineJob]:
        """Lay everything out that the engine starts from. What vanishes meanwhile was tidied up: look once more."""
        for left in reversed(range(LAY_OUTS)):
            found = newest_usable(self.record, Barred(action.barred_stages, action.barred_checkpoints))
            try:
                return found, self._lay_out(action, found.checkpoint)
            except Damaged:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _lay_out(self, action: actions.StartTry, origin: Checkpoint | None) -> EngineJob:
        self._recorder = Recorder(self.record, self.number, origin, self.spec.checkpoints.keep)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._folder.mkdir(parents=True)
        workdir.write_inputs(self.record, self.spec, self._folder, self.scratch / "work")
        remains.note_committed(self.scratch, cut=0, checkpoint=origin.seq if origin else 0)
        job = self._job(action.barred_stages)
        past = (0, 0)
        if origin:
            job = workdir.write_checkpoint(self.record, origin, job, self._folder, with_memory=action.with_memory)
            past = (origin.stage, origin.step)
        return job.model_copy(update={"cut_plan": self._cuts_after(past)})

    def _job(self, no_checkpoint_stages: frozenset[int]) -> EngineJob:
        spec, chosen = self.spec, self._switches()
        return EngineJob(
            script=spec.script,
            variables=spec.variables,
            inputs=tuple(spec.inputs),
            ranks=self._ranks,
            lammps_args=chosen.words,
            notes=(chosen.why,) if chosen.why else (),
            scratch=self.scratch,
            socket=socket_in(self.scratch),
            alive=self.scratch / "alive",
            every_s=spec.checkpoints.every_s,
            no_checkpoint_stages=tuple(sorted(no_checkpoint_stages)),
            cut_plan=spec.cut_plan,
            is_rehearsed=spec.cut_plan != CutPlan(),
        )

    def _switches(self) -> Switches:
        asked = self.spec.resources
        if asked.switches:
            return Switches(asked.switches)
        found = survey(self._folder, self.spec.script, self.spec.variables)
        chosen = asked.accelerator
        for_gpus = switches(self.environment.gpu, self.environment.gpus, self._ranks, found, chosen=chosen)
        return for_gpus if for_gpus.words else replace(for_gpus, words=for_threads(asked.threads))

    def _cuts_after(self, past: tuple[int, int]) -> CutPlan:
        """The rehearsal's cuts that lie ahead and were not taken before (a run that fell back passes them again)."""
        plan = self.spec.cut_plan
        if not plan.cut_at:
            return plan
        taken = set()
        for checkpoint in self.record.manifests():
            taken.add((checkpoint.stage, checkpoint.step))
        return plan.model_copy(update={"cut_at": tuple(c for c in plan.cut_at if c > past and c not in taken)})

    def _gone(self, engine: EngineProcess, number: int) -> Stimulus:
        death = death_of(engine.wait(DIES_WITHIN_S), engine.where(), engine.printed(), self.spec.name)
        return stimuli.EngineGone(time.monotonic(), number, death)

    def _stop_engine(self, *, gently: bool) -> None:
        engine, self._engine = self._engine, None
        if engine:
            engine.stop(gently=gently)

    # -- the record ------------------------------------------------------------------------------

    def _commit(self, action: actions.Commit, state: AttemptState) -> Stimulus:
        started = time.monotonic()
        checkpoint: Checkpoint | None = None
        while checkpoint is None:
            try:
                checkpoint = self._recorder.commit(
                    action.cut, action.lineage, lammps_version=state.lammps_version, ranks=state.ranks,
                    equipment=state.equipment,
                )  # fmt: skip
            except StoreError as error:
                patient = action.cut.stop and state.stopping and time.monotonic() < state.stopping.deadline
                if not patient or isinstance(error, Damaged):  # the engine computes on; the next one records all
                    self._recorder.note_spoiled(action.cut)
                    return stimuli.CutSpoiled(time.monotonic(), action.cut, error.what)
                time.sleep(TICK_S)
            except OSError as error:  # a file of the cut is gone
                self._recorder.note_spoiled(action.cut)
                return stimuli.CutSpoiled(time.monotonic(), action.cut, str(error))
        remains.note_committed(self.scratch, cut=action.cut.number, checkpoint=checkpoint.seq)
        self._tell(checkpoint=checkpoint)
        ended = time.monotonic()
        return stimuli.Committed(ended, action.cut, checkpoint, checkpoint.cut_s + ended - started)

    def _finish(self, action: actions.CommitResult) -> None:
        """Commit the result, which is worth a long wait. Raises StoreError, Fenced."""
        end = time.monotonic() + RESULT_PATIENCE_S
        while True:
            try:
                self._result = self._recorder.finish(action.finished, action.lineage)
                return
            except StoreError as error:
                if isinstance(error, Damaged) or time.monotonic() > end:
                    raise
                time.sleep(RESULT_PAUSE_S)

    def _decide(self, decision: Decision) -> None:
        """Raises StoreError when it cannot be written: what is not on record must not be acted on."""
        number = len(self.record.decisions()) + 1
        while not self.record.decide(decision.model_copy(update={"number": number})):
            number += 1

    def _end(self, action: actions.End, state: AttemptState | None = None) -> int:
        end = AttemptEnd(
            number=self.number,
            parent=action.lineage.parent,
            resumed_at=action.lineage.resumed_at,
            fidelity_so_far=action.lineage.fidelity_so_far,
            outcome=action.outcome,
            exit_code=action.exit_code,
            reason=action.reason,
            where=action.where,
            remedy=action.remedy,
            error=action.error,
            last_step=state.progress.step if state else None,
            steps_per_s=(state.progress.steps_per_s or None) if state else None,
        )
        self._last_word = end
        print(end.model_dump_json(indent=1), flush=True)
        if action.outcome == "failed":  # nobody goes on from here: whoever waits for the end wants what there is
            self._keep_remains(end.last_step)
        try:
            self.record.end(end)
            self._tell(end=end, result=self._result)
        except LammpsJobsError:  # the store itself may be what failed
            self.unheard = end
        if action.outcome in ("interrupted", "fenced"):
            self._keep_remains(end.last_step)
        if state:
            for event in tries.last_words(state, action):
                self._do(event, state)
        return action.exit_code

    def _keep_remains(self, step: int | None) -> None:
        """Outputs since the newest checkpoint: of a failure the frames before it are what one needs to see."""
        with contextlib.suppress(OSError, ValueError, LammpsJobsError):
            if self.record.newest_attempt() == self.number:
                remains.keep(self.record, self.number, self.scratch, step)

    def _notify(self) -> None:
        """Tell the user of the end. Whatever happens here, the run has ended as it has."""
        end = self._last_word
        if end is None or end.outcome not in notify.TOLD_OF:
            return
        with contextlib.suppress(Exception):
            for trouble in notify.tell(self.record, end, self.environment.publish):
                self._say(Event(attempt=self.number, kind="warning", text=trouble))

    def _save_logs(self) -> None:
        for name in (RAW_LOG, PRINTED, FULL_LOG):
            with contextlib.suppress(OSError, LammpsJobsError):
                self.record.put_log(self.number, name, (self.scratch / name).read_bytes())
        shutil.rmtree(self.scratch, ignore_errors=True)

    # -- interruption ----------------------------------------------------------------------------

    @property
    def _grace_s(self) -> float:
        return self.environment.grace_s or self.spec.checkpoints.grace_s

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _stop_listening(self) -> None:
        """All is said: a signal that comes while Python shuts down, with handlers of its own no more, would turn the
        exit code into that of a crash."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: object) -> None:
        self._inbox.put(stimuli.StopAsked(time.monotonic(), signal.Signals(number).name, self._grace_s))

    def _watching_notices(self) -> contextlib.AbstractContextManager[object]:
        """Listen to the EC2 metadata service, or to who asks it for us, where there is one."""
        source = announcements(self.environment.metadata, self.environment.notices)
        return (
            SpotNotice(source, self._on_word, self.environment.notice_every_s) if source else contextlib.nullcontext()
        )

    def _on_word(self, word: Word) -> None:
        at = time.monotonic()
        soon = stimuli.StopAsked(at, "Spot notice", SPOT_GRACE_S)
        self._inbox.put(soon if word == "gone soon" else stimuli.MachineAtRisk(at))


def _said(number: int, report: Report) -> Stimulus:
    return stimuli.EngineSaid(time.monotonic(), number, report)


def _end_of(error: LammpsJobsError) -> actions.End:
    if isinstance(error, StoreAway):
        return actions.End("interrupted", INTERRUPTED, Lineage(), reason=error.what, where=error.where)
    outcome: Outcome = "interrupted" if isinstance(error, BudgetSpent) else "failed"
    return actions.End(
        outcome, error.exit_code, Lineage(), reason=error.what, where=error.where, remedy=error.remedy,
        error=type(error).__name__,
    )  # fmt: skip


_REPORT = "Checkpoints are as good as before. Please report this, with the attempt's log."
