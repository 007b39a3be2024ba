"""Starting engines, and what is made of one that failed: tried again, blamed on a cut, or believed. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, assert_never

from lammps_jobs.errors import (
    INTERRUPTED,
    BudgetSpent,
    CannotResume,
    EngineDied,
    Fenced,
    GpuFailed,
    InternalError,
    LammpsJobsError,
    ScriptError,
    StoreAway,
    StoreError,
    machine_time,
)
from lammps_jobs.protocol import messages
from lammps_jobs.record.documents import Checkpoint, Decision, Event, Outcome
from lammps_jobs.supervisor import actions, stimuli
from lammps_jobs.supervisor.actions import Action, Append, End
from lammps_jobs.supervisor.attempt_state import (
    BACK_OFF_S,
    BUDGET,
    CORRECT,
    LONGEST_BACK_OFF_S,
    MOST_TRIES,
    AttemptState,
    Step,
)
from lammps_jobs.supervisor.blame import Place, io_error, may_be_the_cuts_fault
from lammps_jobs.supervisor.failures import gpu_error

# -- tries ---------------------------------------------------------------------------------------------


def start_try(state: AttemptState, at: float) -> Step:
    """Start an engine, after a pause where several came to nothing."""
    if state.fruitless >= MOST_TRIES:
        error = EngineDied(
            f"LAMMPS was started {state.fruitless} times without coming to a checkpoint.",
            remedy=f"The log says more: lammps-jobs logs {state.rules.run}",
        )
        return failed_with(state, error)
    pause = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2 ** (state.fruitless - 2)) if state.fruitless >= 2 else 0.0
    state = replace(
        state, number=state.number + 1, fruitless=state.fruitless + 1, start_at=at + pause if pause else None,
        is_listening=False, is_cuttable=False, asked=None, heard_at=at, moved_at=at,
    )  # fmt: skip
    return (state, ()) if pause else (state, (start_action(state),))


def start_action(state: AttemptState) -> Action:
    return actions.StartTry(state.number, state.barred.stages, state.barred.checkpoints, state.with_memory)


# -- failures ------------------------------------------------------------------------------------------


def engine_failed(state: AttemptState, report: messages.Failed, at: float) -> Step:
    place = Place(report.stage, report.step)
    reached = {"step": report.step, "stage": report.stage} if report.stage else {}
    state = replace(state, progress=state.progress.model_copy(update=reached))
    match report.cause:
        case "internal":
            error: LammpsJobsError = InternalError(
                f"The engine failed: {report.text}", where=str(report.where), remedy=REPORT_IT
            )
            return failed_with(state, error)
        case "resume":
            remedy = "Start the run again under a new name."
            error = CannotResume(report.text, where=str(report.where), remedy=remedy)
            return failed_with(state, error) if state.stopping else blame_the_cut(state, place, error, at)
        case "machine" if not io_error(report.text):
            what = f"The working folder failed, and LAMMPS is started again from the newest checkpoint: {report.text}"
            event = append(state, "warning", what, stage=place.stage, step=place.step)
            state, start = start_try(state, at)
            return state, (event, *start)
        case "machine":
            full = StoreError(f"The machine's disk failed: {report.text}", remedy=resume_hint(state))
            return failed_with(state, full)
        case "memory":
            return without_memory(state, place, report.text, at)
        case "script":
            return _script_failed(state, report, place, at)
        case _ as unreachable:
            assert_never(unreachable)


def _script_failed(state: AttemptState, report: messages.Failed, place: Place, at: float) -> Step:
    of_gpu = gpu_error(report.text, str(report.where))
    if of_gpu:
        return failed_with(state, of_gpu)
    error = ScriptError(report.text, where=str(report.where), remedy=CORRECT)
    return failed_with(state, error) if io_error(report.text) else suspect(state, place, error, at)


def engine_gone(state: AttemptState, gone: stimuli.EngineGone) -> Step:
    place, death = Place(state.progress.stage, state.progress.step), gone.death
    if not death.is_doubtful:
        return failed_with(state, death.error)
    return suspect(state, place, death.error, gone.at)


def suspect(state: AttemptState, place: Place, error: LammpsJobsError, at: float) -> Step:
    """LAMMPS failed. Where a cut may be to blame, once is no proof: it is tried again from the newest checkpoint, then
    without what the checkpoint holds of LAMMPS's memory, and only then the cut is blamed."""
    cut = state.newest_cut
    is_origin = cut is not None and state.origin is not None and cut.seq == state.origin.seq
    if state.stopping or cut is None or not may_be_the_cuts_fault(
        cut, place, has_resumed=state.has_resumed, is_origin=is_origin
    ):  # fmt: skip
        return failed_with(state, error)
    again = state.suspicion is not None and (state.suspicion.is_near(place) or not state.has_resumed)
    is_on_probation = any((d.stage, d.checkpoint) == _accused(cut) for d in state.on_probation)
    if is_on_probation or (again and not state.with_memory):
        return blame_the_cut(state, place, error, at)
    text = f"LAMMPS failed soon after checkpoint {cut.seq}, and is started again from the newest one"
    if again:
        return without_memory(state, place, f"{text}, without its memory: {error.what}", at)
    event = append(state, "warning", f"{text}: {error.what}", stage=place.stage, step=place.step)
    state, start = start_try(replace(state, suspicion=place), at)
    return state, (event, *start)


def without_memory(state: AttemptState, place: Place, why: str, at: float) -> Step:
    """Start LAMMPS again, and let it set itself up from its restart file alone: no memory of ours can be at fault."""
    event = append(state, "warning", why, stage=place.stage, step=place.step)
    state, start = start_try(replace(state, with_memory=False), at)
    return state, (event, *start)


def _accused(cut: Checkpoint) -> tuple[int, int | None]:
    """The stage, and for a checkpoint at a boundary its number, that a failure after `cut` speaks against."""
    return cut.stage, cut.seq if cut.stage_boundary else None


def blame_the_cut(state: AttemptState, place: Place, error: LammpsJobsError, at: float) -> Step:
    """Go back: to before the stage that bears no cut, or to before the checkpoint that cannot be resumed from."""
    cut = state.newest_cut
    if cut is None:
        return failed_with(state, error)
    if cut.stage_boundary:
        why = f"Going on from checkpoint {cut.seq} failed: {error.what}"
        decision = decide(state, "do not resume", Place(cut.stage, cut.step), why, cut.seq)
        barred = replace(state.barred, checkpoints=state.barred.checkpoints | {cut.seq})
    else:
        why = f"Stage {cut.stage} is run again from its beginning without cuts; after a cut: {error.what}"
        decision = decide(state, "no checkpoints", Place(cut.stage, place.step), why)
        barred = replace(state.barred, stages=state.barred.stages | {cut.stage})
    event = append(state, "unusable", why, stage=None if cut.stage_boundary else cut.stage,
                  from_checkpoint=cut.seq if cut.stage_boundary else None)  # fmt: skip
    tried = tuple(d for d in state.on_probation if (d.stage, d.checkpoint) != _accused(cut))
    state, start = start_try(replace(state, barred=barred, suspicion=None, on_probation=tried), at)
    return state, (actions.Decide(decision), event, *start)


def decide(state: AttemptState, kind: Any, place: Place, why: str, checkpoint: int | None = None) -> Decision:
    """Numbered by the loop."""
    return Decision(
        number=0, attempt=state.rules.attempt, kind=kind, stage=place.stage, step=place.step, checkpoint=checkpoint,
        why=why,
    )  # fmt: skip


# -- ends ----------------------------------------------------------------------------------------------


def interrupted(state: AttemptState, how: str, *, gently: bool = True) -> Step:
    why = state.stopping.why if state.stopping else "interrupted"
    if why == BUDGET:
        error = budget_spent(state.rules.run, state.rules.budget_s or 0.0)
        return ended(state, "interrupted", error.exit_code, reason=f"{error.what} {how[:1].upper()}{how[1:]}.",
                     remedy=error.remedy, error=type(error).__name__, gently=gently)  # fmt: skip
    return ended(state, "interrupted", INTERRUPTED, reason=f"{why}: {how}", gently=gently)


def budget_spent(run: str, budget_s: float) -> BudgetSpent:
    what = f"The budget of {machine_time(budget_s)} of machine time is used up."
    return BudgetSpent(
        what, remedy=f"With more it goes on: lammps-jobs resume {run} --budget {machine_time(2 * budget_s)}"
    )


def failed_with(state: AttemptState, error: LammpsJobsError) -> Step:
    outcome: Outcome = "fenced" if isinstance(error, Fenced) else "failed"
    code = error.exit_code
    if isinstance(error, StoreAway):  # what is transient is tried again: AWS Batch does, by this code
        outcome, code = "interrupted", INTERRUPTED
    if isinstance(error, GpuFailed):  # and, by that code, what another machine may do
        outcome = "interrupted"
    return ended(
        state, outcome, code, reason=error.what, where=error.where, remedy=error.remedy,
        error=type(error).__name__,
    )  # fmt: skip


def ended(state: AttemptState, outcome: Outcome, code: int, **words: Any) -> Step:
    return replace(state, is_over=True), (End(outcome, code, state.lineage, **words),)


def last_words(state: AttemptState, end: End) -> tuple[Append, ...]:
    """The event that closes an attempt, for people."""
    return (append(state, "ended", end.reason or end.outcome),)


def append(state: AttemptState, kind: Any, text: str, **fields: Any) -> Append:
    return Append(Event(attempt=state.rules.attempt, kind=kind, text=text, **fields))


def resume_hint(state: AttemptState) -> str:
    return f"Everything up to the last checkpoint is safe. Try: lammps-jobs resume {state.rules.run}"


REPORT_IT = "Checkpoints are as good as before. Please report this, with the attempt's log."
