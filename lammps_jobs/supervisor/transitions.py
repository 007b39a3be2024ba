"""An attempt as a pure state machine: `step(state, stimulus) -> (state, actions)`.

No clock, no thread, no process and no store: what happens comes in as a stimulus, what is to be done goes out as
actions, which `loop` carries out in order. So every race is a test of three lines.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lammps_jobs.errors import (
    EngineDied,
    InternalError,
    machine_time,
)
from lammps_jobs.protocol import messages
from lammps_jobs.record.documents import Checkpoint, Decision, Equipment, Fidelity, Lineage, Progress, weakest
from lammps_jobs.supervisor import actions, stimuli
from lammps_jobs.supervisor.actions import Action, Ask, Publish
from lammps_jobs.supervisor.attempt_state import (
    BUDGET,
    BUDGET_GRACE_S,
    CHECKPOINT_WITHIN,
    CONNECT_S,
    DEAF_S,
    FROM_THE_START,
    NEARLY,
    NOTHING_BARRED,
    PATIENCE,
    REBALANCE_S,
    RESERVED,
    SILENT_S,
    STUCK_S,
    Asked,
    AttemptState,
    Rules,
    Step,
    Stopping,
)
from lammps_jobs.supervisor.blame import Barred, Place, is_past
from lammps_jobs.supervisor.interval import chosen
from lammps_jobs.supervisor.tries import (
    REPORT_IT,
    append,
    decide,
    ended,
    engine_failed,
    engine_gone,
    failed_with,
    interrupted,
    resume_hint,
    start_action,
    start_try,
    suspect,
)


def begin(rules: Rules, at: float, *, barred: Barred = NOTHING_BARRED, on_probation: tuple[Decision, ...] = ()) -> Step:
    """The state of an attempt that has claimed its number, and its first actions."""
    progress = Progress(attempt=rules.attempt, step=0, target=0, stage=0)
    return start_try(AttemptState(rules, at, progress, barred, on_probation, last_at=at), at)


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
            error = InternalError(f"The engine sent what is no message: {stimulus.text}", remedy=REPORT_IT)
            return failed_with(state, error) if stimulus.number == state.number else (state, ())
        case stimuli.EngineGone():
            return engine_gone(state, stimulus) if stimulus.number == state.number else (state, ())
        case stimuli.StopAsked():
            return _stop_asked(state, stimulus)
        case stimuli.MachineAtRisk():
            return _at_risk(state, stimulus.at)
        case stimuli.Committed():
            return _committed(state, stimulus)
        case stimuli.CutSpoiled():
            return _spoiled(state, stimulus)
        case stimuli.ResultCommitted():
            return ended(state, "finished", 0)
        case stimuli.ActionFailed():
            return failed_with(state, stimulus.error)
        case _ as unreachable:
            assert_never(unreachable)


def _after_deafness(state: AttemptState, at: float) -> AttemptState:
    """Time in which the supervisor itself stood still (a long upload, a suspended machine) is no silence."""
    deaf = at - state.last_at
    state = replace(state, last_at=max(at, state.last_at))
    if deaf <= DEAF_S:
        return state
    return replace(state, heard_at=state.heard_at + deaf, moved_at=state.moved_at + deaf)


def _try_started(state: AttemptState, started: stimuli.TryStarted) -> Step:
    origin, at = started.origin, started.at
    progress = state.progress.model_copy(update={"engine_pid": started.engine_pid, "phase": "starting"})
    state = replace(
        state, origin=origin, newest_cut=origin, has_resumed=False, heard_at=at, moved_at=at, progress=progress,
        lineage=_past_of(origin), due=at + (state.rules.least_s or state.rules.every_s),
    )  # fmt: skip
    damaged = tuple(append(state, "damaged", text) for text in started.passed_over)
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
            return _resumed(state, report.seen, at)
        case messages.Cut():
            state = replace(state, asked=None, due=at + state.every_s)
            return state, (actions.Commit(report, state.lineage),)
        case messages.StageBegan():
            fidelity = Fidelity(grade="refused" if report.refused else "exact", reasons=report.refused)
            return state, (
                append(state, "stage", report.text, stage=report.stage, step=report.step, fidelity=fidelity),
            )
        case messages.Fetch():
            return state, (actions.FetchOutput(report.name, report.target), Ask(messages.Fetched(name=report.name)))
        case messages.Warned():
            return state, (append(state, "warning", report.text),)
        case messages.Failed():
            return engine_failed(state, report, at)
        case messages.Finished():
            state = replace(state, progress=state.progress.model_copy(update={"step": report.step}))
            return state, (actions.CommitResult(report, state.lineage), Publish(state.progress))
        case _ as unreachable:
            assert_never(unreachable)


def _started(state: AttemptState, report: messages.Started, at: float) -> Step:
    progress = state.progress.model_copy(update={"lammps_version": report.lammps_version})
    state = replace(
        state, is_listening=True, lammps_version=report.lammps_version, ranks=report.ranks,
        equipment=report.equipment, progress=progress,
    )  # fmt: skip
    text = f"Attempt {state.rules.attempt} on {state.rules.host}, {report.ranks} rank(s)"
    asked = (Ask(messages.Stop(within_s=max(0.0, state.stopping.deadline - at))),) if state.stopping else ()
    return state, (Publish(progress), *asked, append(state, "started", text))


def _moved(state: AttemptState, report: messages.Moved, at: float) -> Step:
    has_moved = (report.stage, report.step) != (state.progress.stage, state.progress.step)
    fields = report.model_dump(exclude={"kind", "is_cuttable"})
    progress = state.progress.model_copy(update=fields | {"fidelity_so_far": state.lineage.fidelity_so_far})
    state = replace(
        state, progress=progress, is_cuttable=report.is_cuttable, moved_at=at if has_moved else state.moved_at
    )
    if state.suspicion and is_past(decide(state, "forgiven", state.suspicion, ""), report.stage, report.step):
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
        done.append(actions.Decide(decide(state, "forgiven", Place(old.stage, old.step), why, old.checkpoint)))
    return replace(state, on_probation=kept), tuple(done)


def _resumed(state: AttemptState, seen: Fidelity, at: float) -> Step:
    checkpoint = state.origin
    state = replace(state, has_resumed=True)
    if checkpoint is None:
        return state, ()
    here = fidelity_here(checkpoint, seen, state.lammps_version, state.ranks, state.equipment)
    lineage = Lineage(
        parent=checkpoint.seq,
        resumed_at=(*checkpoint.resumed_at, (checkpoint.stage, checkpoint.step)),
        fidelity_so_far=weakest([checkpoint.fidelity_so_far, here]),
    )
    progress = state.progress.model_copy(update={"fidelity_so_far": lineage.fidelity_so_far})
    event = append(
        state, "resumed", f"From checkpoint {checkpoint.seq} at step {checkpoint.step}", step=checkpoint.step,
        stage=checkpoint.stage, from_checkpoint=checkpoint.seq, fidelity=here, seconds=at - state.started_at,
    )  # fmt: skip
    return replace(state, lineage=lineage, progress=progress), (event, Publish(progress))


def fidelity_here(
    checkpoint: Checkpoint, seen: Fidelity, lammps_version: int, ranks: int, equipment: Equipment = Equipment()
) -> Fidelity:
    """How true a resume from `checkpoint` is, of which the engine has `seen` so much, with this LAMMPS, so many ranks
    and this equipment: rounding where they differ."""
    notes = list(checkpoint.fidelity.reasons)
    if checkpoint.lammps_version != lammps_version:
        notes.append(f"LAMMPS {checkpoint.lammps_version} wrote the checkpoint, {lammps_version} goes on")
    if checkpoint.ranks != ranks:
        notes.append(f"{checkpoint.ranks} rank(s) wrote the checkpoint, {ranks} go on")
    others = equipment.unlike(checkpoint.equipment) if checkpoint.equipment else []
    notes += others
    same = (checkpoint.lammps_version, checkpoint.ranks) == (lammps_version, ranks) and not others
    elsewhere = Fidelity(as_if="never cut") if same else Fidelity(grade="faithful")
    notes += seen.reasons
    return weakest([checkpoint.fidelity, seen, elsewhere]).model_copy(update={"reasons": tuple(dict.fromkeys(notes))})


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
    event = append(
        state, "checkpoint", f"Checkpoint {checkpoint.seq} at step {checkpoint.step}", step=checkpoint.step,
        stage=checkpoint.stage, seconds=done.seconds, size=sum(blob.size for blob in checkpoint.to_load),
    )  # fmt: skip
    state, said = _choose_interval(state, checkpoint, done.at)
    did = (Ask(messages.Uploaded(number=done.cut.number)), event, *said, Publish(progress))
    if not done.cut.stop:
        return state, did
    state, end = interrupted(state, f"checkpoint {checkpoint.seq} at step {checkpoint.step} is committed")
    return state, (*did, *end)


def _choose_interval(state: AttemptState, checkpoint: Checkpoint, at: float) -> Step:
    """Choose the time to the next checkpoint by what this one cost, where the user leaves it open; told when it changes
    by more than a fifth."""
    rules = state.rules
    if rules.least_s is None:
        return state, ()
    every_s, why = chosen(checkpoint.cut_s, rules.interruptions, state.used_s(at), rules.least_s, rules.every_s)
    is_news = state.chosen_s is None or abs(every_s - state.chosen_s) > CHANGE_TOLD * state.chosen_s
    state = replace(state, chosen_s=every_s, due=state.due - state.every_s + every_s)
    return state, (append(state, "stage", why, step=checkpoint.step, stage=checkpoint.stage),) if is_news else ()


CHANGE_TOLD = 0.2


def _spoiled(state: AttemptState, spoiled: stimuli.CutSpoiled) -> Step:
    did = (
        append(state, "warning", f"A checkpoint was skipped: {spoiled.why}"),
        Ask(messages.Uploaded(number=spoiled.cut.number)),
    )
    if not spoiled.cut.stop:
        return state, did
    state, end = interrupted(state, spoiled.why)
    return state, (*did, *end)


def _ask_for_checkpoint(state: AttemptState, within_s: float, at: float) -> Step:
    if not state.is_listening or state.asked or state.stopping:
        return state, ()
    return replace(state, asked=Asked(at, within_s)), (Ask(messages.TakeCheckpoint(within_s=within_s)),)


# -- time ----------------------------------------------------------------------------------------------


def _tick(state: AttemptState, at: float) -> Step:
    rules = state.rules
    if state.stopping and at > state.stopping.deadline:
        return interrupted(state, "the time allowed ran out before a new checkpoint could be cut", gently=False)
    if rules.time_limit_s and not state.stopping and at - state.started_at > rules.time_limit_s - rules.grace_s:
        return _stop_asked(state, stimuli.StopAsked(at, "time limit", rules.grace_s))
    state, warned = _look_at_budget(state, at)
    state, did = _tick_between_tries(state, at) if state.start_at is not None else _tick_of_engine(state, at)
    return state, (*warned, *did)


def _look_at_budget(state: AttemptState, at: float) -> Step:
    """Warn when the budget is nearly used up; stop with a checkpoint when it is."""
    budget_s = state.rules.budget_s
    if budget_s is None or state.stopping:
        return state, ()
    used_s = state.used_s(at)
    if used_s >= budget_s:
        return _stop_asked(state, stimuli.StopAsked(at, BUDGET, max(BUDGET_GRACE_S, state.rules.grace_s)))
    if used_s < NEARLY * budget_s or state.has_warned:
        return state, ()
    text = f"{100 * used_s / budget_s:.0f} % of the budget of {machine_time(budget_s)} of machine time is used."
    return replace(state, has_warned=True), (append(state, "warning", text),)


def _tick_between_tries(state: AttemptState, at: float) -> Step:
    if state.stopping:
        return interrupted(state, "no engine was running")
    if state.start_at is not None and at < state.start_at:
        return state, ()
    return replace(state, start_at=None), (start_action(state),)


def _tick_of_engine(state: AttemptState, at: float) -> Step:
    hung = _hung(state, at)
    if hung:
        error = EngineDied(hung, remedy=resume_hint(state))
        return suspect(state, Place(state.progress.stage, state.progress.step), error, at)
    if at > state.due:
        return _ask_for_checkpoint(state, CHECKPOINT_WITHIN * state.every_s, at)
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
    if asked.why == BUDGET:
        text = "The budget is used up: a last checkpoint, and the run stops."
    within_s = max(0.0, asked.grace_s * (1 - RESERVED) - (state.last_at - asked.at))  # it may have waited for an upload
    order = (Ask(messages.Stop(within_s=within_s)),) if state.is_listening else ()
    return state, (*order, append(state, "notice", text))


def _at_risk(state: AttemptState, at: float) -> Step:
    if state.stopping:
        return state, ()
    state, asked = _ask_for_checkpoint(state, REBALANCE_S, at)
    text = "EC2 expects to take this machine soon: a checkpoint is taken now."
    return state, (*asked, append(state, "warning", text))
