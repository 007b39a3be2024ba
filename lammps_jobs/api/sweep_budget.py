"""A budget of machine time for all runs of a sweep together: shared out, so that what all use is never more.

Each run has a share, which its attempts keep to by themselves (code 77). Shares of runs that finished with less, and
more that is given, go in equal parts to those that have not finished, when these are started again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.base import AT_ONCE
from lammps_jobs.errors import BudgetSpent, UsageError, machine_time
from lammps_jobs.record.machine_time import held
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord


def shares(sweep: SweepRecord, names: Sequence[str], budget_s: float | None, own_s: float | None) -> dict[str, float]:
    """What each of these members may use, in seconds: those that the sweep has keep theirs, new ones share the rest.

    Without a budget for all, new ones have that of a run, `own_s`, where it is given. Raises UsageError where the
    budget is smaller than what is given out, or members are without one.
    """
    parts = sweep.part_of()
    had = {run: part.share_s for run, part in parts.items() if part.share_s}
    without = parts.keys() - had.keys()
    found = {name: had[name] for name in names if name in had}
    new = [name for name in names if name not in parts]
    if budget_s is None:
        return found | ({name: own_s for name in names if name not in had} if own_s else {})
    if budget_s <= 0:
        raise UsageError("A budget is more than 0 seconds.")
    if without:
        raise UsageError(f"The sweep {sweep.name!r} has {len(without):,} runs without a budget; none can hold for all.",
                         remedy="Choose another --name, or leave the budget out.")  # fmt: skip
    left = budget_s - sum(had.values())
    if new and left <= 0:
        raise UsageError(
            f"The {len(had):,} runs that the sweep {sweep.name!r} has were given {machine_time(sum(had.values()))}, so "
            f"nothing is left of {machine_time(budget_s)} for {len(new):,} more.", remedy="Give a larger --budget.",
        )  # fmt: skip
    return found | {name: left / len(new) for name in new}


def share_anew(sweep: SweepRecord, states: Iterable[RunStatus], budget_s: float | None = None) -> None:
    """Give those that have ended without finishing equal parts of what is left of the budget: of `budget_s`, or of the
    one that there is. Nothing happens where there is none.

    Raises BudgetSpent when nothing is left.
    """
    whole_s = budget_s or sweep.budget_s()
    if not whole_s:
        return
    shares_s = {run: part.share_s or 0.0 for run, part in sweep.part_of().items()}
    of_states = {state.name: state for state in states}

    def look(name: str) -> tuple[RunRecord, float, float]:
        """The record, what it may use, and what it has used."""
        record, state = RunRecord(sweep.root, name), of_states[name]
        if not state.attempt and not record.is_submitted():
            return record, shares_s.get(name, 0.0), 0.0
        return record, record.wanted().resources.budget_s or 0.0, sum(one.seconds for one in held(record))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(of_states, pool.map(look, of_states), strict=True))
    again = [name for name, state in of_states.items() if state.is_ended and state.state != "finished"]
    again = [name for name in again if found[name][0].is_submitted()]
    used_s = sum(used for _, _, used in found.values())
    kept_s = sum(
        max(0.0, may - used) for name, (_, may, used) in found.items()
        if name not in again and of_states[name].state != "finished"
    )  # fmt: skip
    left_s = whole_s - used_s - kept_s
    if again and left_s <= 0:
        raise BudgetSpent(
            f"The sweep {sweep.name} has used {machine_time(used_s)} of machine time; its budget is "
            f"{machine_time(whole_s)}.",
            remedy=f"Give it more: lammps-jobs retry {sweep.name} --budget {machine_time(2 * max(used_s, whole_s))}",
        )  # fmt: skip
    if budget_s:
        sweep.give(budget_s)
    for name in again:
        record, _, used = found[name]
        wanted = record.wanted()
        resources = wanted.resources.model_copy(update={"budget_s": used + left_s / len(again)})
        record.amend(resources, wanted.checkpoints)
