"""What runs have cost: machine time by attempt, what interruptions took, and money where a price is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lammps_jobs.backends.base import AT_ONCE, Price
from lammps_jobs.errors import BudgetSpent, Damaged, OtherFormat
from lammps_jobs.record.documents import AttemptEnd, Event
from lammps_jobs.record.machine_time import Held, held

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.run import Run

HERE = "this machine"


@dataclass(frozen=True)
class AttemptCost:
    """One attempt's machine time, in seconds, and how much of it an interruption made worthless."""

    number: int
    began: datetime
    seconds: float
    outcome: str
    pool: str
    user: str
    set_up_s: float = 0.0
    """Until it went on from a checkpoint; 0 for the first one, which has to be set up anyway."""
    lost_s: float = 0.0
    """After its last checkpoint: what a later attempt computed again."""
    price: Price | None = None

    @property
    def wasted_s(self) -> float:
        """What the interruption before it, and the one that ended it, cost."""
        return self.set_up_s + self.lost_s


@dataclass(frozen=True)
class Cost:
    """What several attempts cost together. Money is a range: of kinds of machines, and of prices that are known."""

    name: str
    attempts: tuple[AttemptCost, ...] = field(repr=False)

    @property
    def seconds(self) -> float:
        """Machine time."""
        return sum(one.seconds for one in self.attempts)

    @property
    def wasted_s(self) -> float:
        """Machine time that interruptions cost: work that was repeated, and set-ups."""
        return sum(one.wasted_s for one in self.attempts)

    @property
    def interruptions(self) -> int:
        """Attempts that lost their machines, or were interrupted."""
        return sum(one.outcome in ("interrupted", "lost") for one in self.attempts)

    @property
    def has_price(self) -> bool:
        """Whether a price is known of all machines."""
        return bool(self.attempts) and all(one.price for one in self.attempts)

    @property
    def usd(self) -> tuple[float, float] | None:
        """Least and most; None where a price is not known. Spot whose price is not known costs what on demand does at
        most."""
        if not self.has_price:
            return None
        bounds = [(one.seconds / 3600, one.price.bounds) for one in self.attempts if one.price]
        return sum(hours * low for hours, (low, _) in bounds), sum(hours * high for hours, (_, high) in bounds)

    @property
    def wasted_usd(self) -> tuple[float, float] | None:
        """What interruptions cost, least and most."""
        if not self.has_price:
            return None
        bounds = [(one.wasted_s / 3600, one.price.bounds) for one in self.attempts if one.price]
        return sum(hours * low for hours, (low, _) in bounds), sum(hours * high for hours, (_, high) in bounds)

    @property
    def saved_usd(self) -> float | None:
        """What Spot saved: against the same work on demand, which nothing would have interrupted. None where Spot's
        price is not known."""
        on_spot = [one for one in self.attempts if one.price and one.price.is_spot]
        if not self.has_price or any(one.price and one.price.spot is None for one in on_spot):
            return None
        saved = 0.0
        for one in on_spot:
            if one.price and one.price.spot:
                useful_h = (one.seconds - one.wasted_s) / 3600
                saved += useful_h * one.price.mean - one.seconds / 3600 * sum(one.price.spot) / 2
        return saved


def cost_of(run: Run, price_of: Mapping[str, Price | None]) -> Cost:
    """What a run has cost so far. Raises StoreError, Damaged.

    Its attempts are read one by one; events only where it was interrupted.
    """
    found = held(run.record)
    events = run.events if len(found) > 1 else []
    jobs = {run.record.job_id(one.number): one for one in run.record.job_requests()} if _has_jobs(found) else {}
    attempts = []
    for at, one in enumerate(found):
        is_last = at == len(found) - 1
        own = [event for event in events if event.attempt == one.attempt.number]
        request = jobs.get(one.attempt.job)
        pool = request.pool if request else HERE
        outcome = _outcome(one.end) if one.end else "running" if is_last else "lost"
        attempts.append(AttemptCost(
            one.attempt.number, one.attempt.claimed, one.seconds, outcome, pool, request.user if request else "",
            set_up_s=_set_up(own, one) if at else 0.0, lost_s=0.0 if is_last else _lost(own, one),
            price=price_of.get(pool),
        ))  # fmt: skip
    return Cost(run.name, tuple(attempts))


def _outcome(end: AttemptEnd) -> str:
    return "budget spent" if end.error == BudgetSpent.__name__ else end.outcome


def _has_jobs(found: list[Held]) -> bool:
    return any(one.attempt.job for one in found)


def _set_up(own: list[Event], one: Held) -> float:
    went_on = next((event.at for event in own if event.kind == "resumed"), None)
    return min(one.seconds, (went_on - one.attempt.claimed).total_seconds()) if went_on else one.seconds


def _lost(own: list[Event], one: Held) -> float:
    """Since its last checkpoint; all of an attempt that took none, but for its set-up, which is counted as such."""
    kept = [event.at for event in own if event.kind == "checkpoint"]
    since = kept[-1] if kept else next((e.at for e in own if e.kind == "resumed"), one.attempt.claimed)
    return max(0.0, (one.until - since).total_seconds())


def costs(cluster: Cluster, names: Iterable[str]) -> list[Cost]:
    """What each of these runs has cost, by name; those without an attempt are left out. Raises StoreError."""

    def read(name: str) -> Cost | None:
        try:
            return cluster.run(name).cost
        except (Damaged, OtherFormat):
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [cost for cost in pool.map(read, names) if cost and cost.attempts]


def by(kind: str, found: Iterable[Cost], sweeps: dict[str, str]) -> list[Cost]:
    """The same, summed up by `run`, `user`, `pool`, `month` (in which attempts began) or `sweep`.

    `sweeps` says of which sweep a run is.
    """
    groups: dict[str, list[AttemptCost]] = {}
    for cost in found:
        for one in cost.attempts:
            key = {
                "run": cost.name, "user": one.user or "-", "pool": one.pool, "month": f"{one.began:%Y-%m}",
                "sweep": sweeps.get(cost.name, "-"),
            }[kind]  # fmt: skip
            groups.setdefault(key, []).append(one)
    return [Cost(name, tuple(attempts)) for name, attempts in groups.items()]


def estimate(
    seconds: float, price: Price | None, *, every_s: float, set_up_s: float, per_day: tuple[float, float] = (0.0, 10.0)
) -> dict[str, float | None]:
    """What `seconds` of undisturbed computing will take: machine time without an interruption and with `per_day` of
    them, of which each costs half the time between two checkpoints and a set-up; and money, least and most."""
    each = every_s / 2 + set_up_s
    least, most = (seconds * (1 + rate * each / 86400) for rate in per_day)
    return {
        "least_s": least, "most_s": most,
        "least_usd": least / 3600 * price.bounds[0] if price else None,
        "most_usd": most / 3600 * price.bounds[1] if price else None,
    }  # fmt: skip
