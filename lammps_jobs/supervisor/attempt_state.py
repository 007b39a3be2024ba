"""An attempt as a pure state machine: `step(state, stimulus) -> (state, actions)`.

No clock, no thread, no process and no store: what happens comes in as a stimulus, what is to be done goes out as
actions, which `loop` carries out in order. So every race is a test of three lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, assert_never

from lammps_jobs.errors import (
    INTERRUPTED,
    CannotResume,
    EngineDied,
    Fenced,
    InternalError,
    LammpsJobsError,
    ScriptError,
)
from lammps_jobs.protocol import messages
from lammps_jobs.record.documents import Checkpoint, Decision, Event, Fidelity, Lineage, Outcome, Progress, weakest
from lammps_jobs.supervisor import actions, stimuli
from lammps_jobs.supervisor.actions import Action, Append, Ask, End, Publish
from lammps_jobs.supervisor.blame import Barred, Place, io_error, is_past, may_be_the_cuts_fault

CHECKPOINT_WITHIN = 0.5
"""Share of the checkpoint interval within which a good step to cut at is waited for."""
RESERVED = 0.4
"""Share of the grace time kept for writing and uploading."""
REBALANCE_S = 20.0
"""Seconds in which a good step is looked for when EC2 recommends to leave a machine."""
CONNECT_S = 300.0
"""Seconds until an engine must have opened LAMMPS and said so."""
SILENT_S = 120.0
"""Seconds without a sign of life (one comes every 5 s) after which an engine is taken for hung."""
DEAF_S = 20.0
"""Seconds between two stimuli (a tick comes every 0.2 s) after which the supervisor must have stood still."""
STUCK_S = 600.0
"""Seconds without a timestep, in a run that can be cut, after which a checkpoint that was asked for is given up."""
PATIENCE = 10.0
"""How many times the time that a checkpoint was given must have passed, too."""
MOST_TRIES = 8
"""Engines started in a row without a new checkpoint until the attempt gives up."""
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.5, 30.0
"""Pause before the third engine in a row, doubled for every further one."""
NOTHING_BARRED, FROM_THE_START = Barred(), Lineage()
CORRECT = "Correct the script and submit it under a new name."


@dataclass(frozen=True)
class Rules:
    """What does not change during an attempt."""

    run: str
    attempt: int
    host: str
    every_s: float
    time_limit_s: float | None = None
    grace_s: float = 25.0


@dataclass(frozen=True)
class Asked:
    """A checkpoint that the engine was asked for."""

    at: float
    within_s: float


@dataclass(frozen=True)
class Stopping:
    """The attempt is to end; at `deadline` it ends without a further checkpoint."""

    why: str
    deadline: float


@dataclass(frozen=True)
class AttemptState:
    rules: Rules
    started_at: float
    progress: Progress
    barred: Barred = NOTHING_BARRED
    on_probation: tuple[Decision, ...] = ()
    """Decisions of earlier attempts which this one tries again, to be forgiven or upheld."""
    number: int = 0
    """Of the newest try; what an engine that was given up still says is passed over."""
    fruitless: int = 0
    """Tries started since the last checkpoint."""
    start_at: float | None = None
    """When the next try starts; None: none is waited for."""
    is_listening: bool = False
    heard_at: float = 0.0
    moved_at: float = 0.0
    is_cuttable: bool = False
    due: float = 0.0
    """When the next checkpoint is asked for."""
    asked: Asked | None = None
    stopping: Stopping | None = None
    origin: Checkpoint | None = None
    newest_cut: Checkpoint | None = None
    """The newest checkpoint in the past of the engine's run."""
    has_resumed: bool = False
    lineage: Lineage = FROM_THE_START
    suspicion: Place | None = None
    """Where LAMMPS failed soon after a cut, once."""
    lammps_version: int = 0
    ranks: int = 1
    last_at: float = 0.0
    """When anything happened last."""
    is_over: bool = False


Step = tuple[AttemptState, tuple[Action, ...]]


def begin(rules: Rules, at: float, *, barred: Barred = NOTHING_BARRED, on_probation: tuple[Decision, ...] = ()) -> Step:
    """The state of an attempt that has claimed its number, and its first actions."""
    progress = Progress(attempt=rules.attempt, step=0, target=0, stage=0)
    return _start_try(AttemptState(rules, at, progress, barred, on_probation, last_at=at), at)


def step(state: AttemptState, stimulus: stimuli.Stimulus) -> Step:  # noqa: PLR0911  a table of cases
    """What becomes of the attempt, and what is to be done, in order."""
    if state.is_over:
        return state, ()
    state = _after_deafness(state, stimulus.at)
    match stimulus:
        case stimuli.Tick():
            return _tick(state, stimulus.at)
        case stimuli.TryStarted():
            return _try_started(state, stimulus)
        case stimuli.EngineSaid():
            return _said(state, stimulus) if stimulus.number == state.number else (state, ())
        case stimuli.EngineMalformed():
            error = InternalError(f"The engine sent what is no message: {stimulus.text}", remedy=_REPORT)
            return _end_with(state, error) if stimulus.number == state.number else (state, ())
        case stimuli.EngineGone():
            return _gone(state, stimulus) if stimulus.number == state.number else (state, ())
        case stimuli.StopAsked():
            return _stop_asked(state, stimulus)
        case stimuli.MachineAtRisk():
            return _at_risk(state, stimulus.at)
        case stimuli.Committed():
            return _committed(state, stimulus)
        case stimuli.CutSpoiled():
            return _spoiled(state, stimulus)
        case stimuli.ResultCommitted():
            return _end(state, "finished", 0)
        case stimuli.ActionFailed():
            return _end_with(state, stimulus.error)
        case _ as unreachable:
            assert_never(unreachable)


def _after_deafness(state: AttemptState, at: float) -> AttemptState:
    """Time in which the supervisor itself stood still (a long upload, a suspended machine) is no silence."""
    deaf = at - state.last_at
    state = replace(state, last_at=max(at, state.last_at))
    if deaf <= DEAF_S:
        return state
    return replace(state, heard_at=state.heard_at + deaf, moved_at=state.moved_at + deaf)


# -- tries ---------------------------------------------------------------------------------------------


def _start_try(state: AttemptState, at: float) -> Step:
    """Start an engine, after a pause where several came to nothing."""
    if state.fruitless >= MOST_TRIES:
        error = EngineDied(
            f"LAMMPS was started {state.fruitless} times without coming to a checkpoint.",
            remedy=f"The log says more: lammps-jobs logs {state.rules.run}",
        )
        return _end_with(state, error)
    pause = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2 ** (state.fruitless - 2)) if state.fruitless >= 2 else 0.0
    state = replace(
        state, number=state.number + 1, fruitless=state.fruitless + 1, start_at=at + pause if pause else None,
        is_listening=False, is_cuttable=False, asked=None, heard_at=at, moved_at=at,
    )  # fmt: skip
    return (state, ()) if pause else (state, (_start_action(state),))


def _start_action(state: AttemptState) -> Action:
    return actions.StartTry(state.number, state.barred.stages, state.barred.checkpoints)


def _try_started(state: AttemptState, started: stimuli.TryStarted) -> Step:
    origin, at = started.origin, started.at
    progress = state.progress.model_copy(update={"engine_pid": started.engine_pid, "phase": "starting"})
    state = replace(
        state, origin=origin, newest_cut=origin, has_resumed=False, heard_at=at, moved_at=at, progress=progress,
        lineage=_past_of(origin), due=at + state.rules.every_s,
    )  # fmt: skip
    damaged = tuple(_event(state, "damaged", text) for text in started.passed_over)
    return state, (*damaged, Publish(progress))


def _past_of(checkpoint: Checkpoint | None) -> Lineage:
    if checkpoint is None:
        return FROM_THE_START
    return Lineage(parent=checkpoint.seq, resumed_at=checkpoint.resumed_at, fidelity_so_far=checkpoint.fidelity_so_far)


# -- what the engine says ------------------------------------------------------------------------------


def _said(state: AttemptState, said: stimuli.EngineSaid) -> Step:  # noqa: PLR0911  a table of cases
    report, at = said.report, said.at
    state = replace(state, heard_at=at)
    match report:
        case messages.Started():
            return _started(state, report, at)
        case messages.Moved():
            return _moved(state, report, at)
        case messages.Resumed():
            return _resumed(state, at)
        case messages.Cut():
            state = replace(state, asked=None, due=at + state.rules.every_s)
            return state, (actions.Commit(report, state.lineage),)
        case messages.StageBegan():
            fidelity = Fidelity(grade="refused" if report.refused else "exact", reasons=report.refused)
            return state, (
                _event(state, "stage", report.text, stage=report.stage, step=report.step, fidelity=fidelity),
            )
        case messages.Fetch():
            return state, (actions.FetchOutput(report.name), Ask(messages.Fetched(name=report.name)))
        case messages.Warned():
            return state, (_event(state, "warning", report.text),)
        case messages.Failed():
            return _failed(state, report, at)
        case messages.Finished():
            state = replace(state, progress=state.progress.model_copy(update={"step": report.step}))
            return state, (actions.CommitResult(report, state.lineage), Publish(state.progress))
        case _ as unreachable:
            assert_never(unreachable)


def _started(state: AttemptState, report: messages.Started, at: float) -> Step:
    progress = state.progress.model_copy(update={"lammps_version": report.lammps_version})
    state = replace(
        state, is_listening=True, lammps_version=report.lammps_version, ranks=report.ranks, progress=progress
    )
    text = f"Attempt {state.rules.attempt} on {state.rules.host}, {report.ranks} rank(s)"
    asked = (Ask(messages.Stop(within_s=max(0.0, state.stopping.deadline - at))),) if state.stopping else ()
    return state, (Publish(progress), *asked, _event(state, "started", text))


def _moved(state: AttemptState, report: messages.Moved, at: float) -> Step:
    has_moved = (report.stage, report.step) != (state.progress.stage, state.progress.step)
    fields = report.model_dump(exclude={"kind", "is_cuttable"})
    progress = state.progress.model_copy(update=fields | {"fidelity_so_far": state.lineage.fidelity_so_far})
    state = replace(
        state, progress=progress, is_cuttable=report.is_cuttable, moved_at=at if has_moved else state.moved_at
    )
    if state.suspicion and is_past(_decision(state, "forgiven", state.suspicion, ""), report.stage, report.step):
        state = replace(state, suspicion=None)
    state, forgiven = _forgive(state, report)
    return state, (Publish(progress), *forgiven)


def _forgive(state: AttemptState, report: messages.Moved) -> Step:
    """Take back what earlier attempts decided about places that this one got past, with cuts or from a checkpoint."""
    past = [d for d in state.on_probation if state.has_resumed and is_past(d, report.stage, report.step)]
    kept = tuple(d for d in state.on_probation if d not in past)
    done: list[Action] = []
    for old in {(d.stage, d.checkpoint): d for d in past}.values():
        why = f"Attempt {state.rules.attempt} got past step {old.step} of stage {old.stage}"
        done.append(actions.Decide(_decision(state, "forgiven", Place(old.stage, old.step), why, old.checkpoint)))
    return replace(state, on_probation=kept), tuple(done)


def _resumed(state: AttemptState, at: float) -> Step:
    checkpoint = state.origin
    state = replace(state, has_resumed=True)
    if checkpoint is None:
        return state, ()
    here = fidelity_here(checkpoint, state.lammps_version, state.ranks)
    lineage = Lineage(
        parent=checkpoint.seq,
        resumed_at=(*checkpoint.resumed_at, (checkpoint.stage, checkpoint.step)),
        fidelity_so_far=weakest([checkpoint.fidelity_so_far, here]),
    )
    progress = state.progress.model_copy(update={"fidelity_so_far": lineage.fidelity_so_far})
    event = _event(
        state, "resumed", f"From checkpoint {checkpoint.seq} at step {checkpoint.step}", step=checkpoint.step,
        stage=checkpoint.stage, from_checkpoint=checkpoint.seq, fidelity=here, seconds=at - state.started_at,
    )  # fmt: skip
    return replace(state, lineage=lineage, progress=progress), (event, Publish(progress))


def fidelity_here(checkpoint: Checkpoint, lammps_version: int, ranks: int) -> Fidelity:
    """How true a resume from `checkpoint` is with this LAMMPS and so many ranks: rounding where they differ."""
    notes = list(checkpoint.fidelity.reasons)
    if checkpoint.lammps_version != lammps_version:
        notes.append(f"LAMMPS {checkpoint.lammps_version} wrote the checkpoint, {lammps_version} goes on")
    if checkpoint.ranks != ranks:
        notes.append(f"{checkpoint.ranks} rank(s) wrote the checkpoint, {ranks} go on")
    same = (checkpoint.lammps_version, checkpoint.ranks) == (lammps_version, ranks)
    elsewhere = Fidelity(as_if="never cut") if same else Fidelity(grade="faithful")
    return weakest([checkpoint.fidelity, elsewhere]).model_copy(update={"reasons": tuple(notes)})


# -- checkpoints ---------------------------------------------------------------------------------------


def _committed(state: AttemptState, done: stimuli.Committed) -> Step:
    checkpoint = done.checkpoint
    progress = state.progress.model_copy(update={
        "step": checkpoint.step, "last_checkpoint_step": checkpoint.step, "last_checkpoint_at": checkpoint.committed,
    })  # fmt: skip
    state = replace(
        state, newest_cut=checkpoint, has_resumed=True, fruitless=0, progress=progress,
        lineage=state.lineage.model_copy(update={"parent": checkpoint.seq}),
    )  # fmt: skip
    event = _event(
        state, "checkpoint", f"Checkpoint {checkpoint.seq} at step {checkpoint.step}", step=checkpoint.step,
        stage=checkpoint.stage, seconds=done.seconds, size=sum(blob.size for blob in checkpoint.to_load),
    )  # fmt: skip
    did = (Ask(messages.Uploaded(number=done.cut.number)), event, Publish(progress))
    if not done.cut.stop:
        return state, did
    state, end = _interrupted(state, f"checkpoint {checkpoint.seq} at step {checkpoint.step} is committed")
    return state, (*did, *end)


def _spoiled(state: AttemptState, spoiled: stimuli.CutSpoiled) -> Step:
    did = (
        _event(state, "warning", f"A checkpoint was skipped: {spoiled.why}"),
        Ask(messages.Uploaded(number=spoiled.cut.number)),
    )
    if not spoiled.cut.stop:
        return state, did
    state, end = _interrupted(state, spoiled.why)
    return state, (*did, *end)


def _ask_for_checkpoint(state: AttemptState, within_s: float, at: float) -> Step:
    if not state.is_listening or state.asked or state.stopping:
        return state, ()
    return replace(state, asked=Asked(at, within_s)), (Ask(messages.TakeCheckpoint(within_s=within_s)),)


# -- time ----------------------------------------------------------------------------------------------


def _tick(state: AttemptState, at: float) -> Step:
    rules = state.rules
    if state.stopping and at > state.stopping.deadline:
        return _interrupted(state, "the time allowed ran out before a new checkpoint could be cut", gently=False)
    if rules.time_limit_s and not state.stopping and at - state.started_at > rules.time_limit_s - rules.grace_s:
        return _stop_asked(state, stimuli.StopAsked(at, "time limit", rules.grace_s))
    return _tick_between_tries(state, at) if state.start_at is not None else _tick_of_engine(state, at)


def _tick_between_tries(state: AttemptState, at: float) -> Step:
    if state.stopping:
        return _interrupted(state, "no engine was running")
    if state.start_at is not None and at < state.start_at:
        return state, ()
    return replace(state, start_at=None), (_start_action(state),)


def _tick_of_engine(state: AttemptState, at: float) -> Step:
    hung = _hung(state, at)
    if hung:
        error = EngineDied(hung, remedy=_again(state))
        return _suspect(state, Place(state.progress.stage, state.progress.step), error, at)
    if at > state.due:
        return _ask_for_checkpoint(state, CHECKPOINT_WITHIN * state.rules.every_s, at)
    return state, ()


def _hung(state: AttemptState, at: float) -> str:
    """In words, that the engine hangs; empty while it may be at work."""
    if not state.is_listening:
        return f"LAMMPS was not open after {CONNECT_S:g} s." if at - state.heard_at > CONNECT_S else ""
    if at - state.heard_at > SILENT_S:
        return f"LAMMPS gave no sign of life for {SILENT_S:g} s."
    waited = at - state.asked.at if state.asked else 0.0
    patience = max(STUCK_S, PATIENCE * state.asked.within_s) if state.asked else STUCK_S
    if state.is_cuttable and waited > patience and at - state.moved_at > STUCK_S:
        return f"LAMMPS did not come to its next timestep for {at - state.moved_at:.0f} s."
    return ""


# -- interruption --------------------------------------------------------------------------------------


def _stop_asked(state: AttemptState, asked: stimuli.StopAsked) -> Step:
    if state.stopping:
        return state, ()
    stopping = Stopping(asked.why, asked.at + asked.grace_s * (1 - RESERVED / 2))
    state = replace(state, stopping=stopping)
    text = f"{asked.why}: {asked.grace_s:g} s until the machine is gone"
    order = (Ask(messages.Stop(within_s=asked.grace_s * (1 - RESERVED))),) if state.is_listening else ()
    return state, (*order, _event(state, "notice", text))


def _at_risk(state: AttemptState, at: float) -> Step:
    if state.stopping:
        return state, ()
    state, asked = _ask_for_checkpoint(state, REBALANCE_S, at)
    text = "EC2 expects to take this machine soon: a checkpoint is taken now."
    return state, (*asked, _event(state, "warning", text))


# -- failures ------------------------------------------------------------------------------------------


def _failed(state: AttemptState, report: messages.Failed, at: float) -> Step:
    place = Place(report.stage, report.step)
    match report.cause:
        case "internal":
            error: LammpsJobsError = InternalError(
                f"The engine failed: {report.text}", where=str(report.where), remedy=_REPORT
            )
            return _end_with(state, error)
        case "resume":
            remedy = "Start the run again under a new name."
            error = CannotResume(report.text, where=str(report.where), remedy=remedy)
            return _end_with(state, error) if state.stopping else _blame(state, place, error, at)
        case "script":
            error = ScriptError(report.text, where=str(report.where), remedy=CORRECT)
            return _end_with(state, error) if io_error(report.text) else _suspect(state, place, error, at)
        case _ as unreachable:
            assert_never(unreachable)


def _gone(state: AttemptState, gone: stimuli.EngineGone) -> Step:
    place, death = Place(state.progress.stage, state.progress.step), gone.death
    if not death.is_doubtful:
        return _end_with(state, death.error)
    return _suspect(state, place, death.error, gone.at)


def _suspect(state: AttemptState, place: Place, error: LammpsJobsError, at: float) -> Step:
    """LAMMPS failed. Where a cut may be to blame, once is no proof: it is tried again from the newest checkpoint."""
    cut = state.newest_cut
    is_origin = cut is not None and state.origin is not None and cut.seq == state.origin.seq
    if state.stopping or cut is None or not may_be_the_cuts_fault(
        cut, place, has_resumed=state.has_resumed, is_origin=is_origin
    ):  # fmt: skip
        return _end_with(state, error)
    again = state.suspicion is not None and (state.suspicion.is_near(place) or not state.has_resumed)
    if again or any((d.stage, d.checkpoint) == _accused(cut) for d in state.on_probation):
        return _blame(state, place, error, at)
    text = f"LAMMPS failed soon after checkpoint {cut.seq}, and is started again from the newest one: {error.what}"
    told = _event(state, "warning", text, stage=place.stage, step=place.step)
    state, start = _start_try(replace(state, suspicion=place), at)
    return state, (told, *start)


def _accused(cut: Checkpoint) -> tuple[int, int | None]:
    """The stage, and for a checkpoint at a boundary its number, that a failure after `cut` speaks against."""
    return cut.stage, cut.seq if cut.stage_boundary else None


def _blame(state: AttemptState, place: Place, error: LammpsJobsError, at: float) -> Step:
    """Go back: to before the stage that bears no cut, or to before the checkpoint that cannot be resumed from."""
    cut = state.newest_cut
    if cut is None:
        return _end_with(state, error)
    if cut.stage_boundary:
        why = f"Going on from checkpoint {cut.seq} failed: {error.what}"
        decision = _decision(state, "do not resume", Place(cut.stage, cut.step), why, cut.seq)
        barred = replace(state.barred, checkpoints=state.barred.checkpoints | {cut.seq})
    else:
        why = f"Stage {cut.stage} is run again from its beginning without cuts; after a cut: {error.what}"
        decision = _decision(state, "no checkpoints", Place(cut.stage, place.step), why)
        barred = replace(state.barred, stages=state.barred.stages | {cut.stage})
    told = _event(state, "unusable", why, stage=None if cut.stage_boundary else cut.stage,
                  from_checkpoint=cut.seq if cut.stage_boundary else None)  # fmt: skip
    tried = tuple(d for d in state.on_probation if (d.stage, d.checkpoint) != _accused(cut))
    state, start = _start_try(replace(state, barred=barred, suspicion=None, on_probation=tried), at)
    return state, (actions.Decide(decision), told, *start)


def _decision(state: AttemptState, kind: Any, place: Place, why: str, checkpoint: int | None = None) -> Decision:
    """Numbered by the loop."""
    return Decision(
        number=0, attempt=state.rules.attempt, kind=kind, stage=place.stage, step=place.step, checkpoint=checkpoint,
        why=why,
    )  # fmt: skip


# -- ends ----------------------------------------------------------------------------------------------


def _interrupted(state: AttemptState, how: str, *, gently: bool = True) -> Step:
    why = state.stopping.why if state.stopping else "interrupted"
    return _end(state, "interrupted", INTERRUPTED, reason=f"{why}: {how}", gently=gently)


def _end_with(state: AttemptState, error: LammpsJobsError) -> Step:
    outcome: Outcome = "fenced" if isinstance(error, Fenced) else "failed"
    return _end(
        state, outcome, error.exit_code, reason=error.what, where=error.where, remedy=error.remedy,
        error=type(error).__name__,
    )  # fmt: skip


def _end(state: AttemptState, outcome: Outcome, code: int, **words: Any) -> Step:
    return replace(state, is_over=True), (End(outcome, code, state.lineage, **words),)


def last_words(state: AttemptState, end: End) -> tuple[Append, ...]:
    """The event that closes an attempt, for people."""
    return (_event(state, "ended", end.reason or end.outcome),)


def _event(state: AttemptState, kind: Any, text: str, **fields: Any) -> Append:
    return Append(Event(attempt=state.rules.attempt, kind=kind, text=text, **fields))


def _again(state: AttemptState) -> str:
    return f"Everything up to the last checkpoint is safe. Try: lammps-jobs resume {state.rules.run}"


_REPORT = "Checkpoints are as good as before. Please report this, with the attempt's log."
