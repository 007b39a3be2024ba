"""How fast a script goes: a few hundred steps with each candidate of ranks, threads, switches or pools, measured."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.api.cluster import Cluster
from lammps_jobs.api.naming import Values
from lammps_jobs.backends.base import Price
from lammps_jobs.errors import LammpsJobsError, UsageError
from lammps_jobs.formats.units import per_day
from lammps_jobs.record.documents import Checkpoints, Resources
from lammps_jobs.rehearsal.sides import NEVER_S, Workspace

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run

LOOP = re.compile(r"^Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms", re.MULTILINE)
NEAR = 0.95
"""Of two candidates whose speeds differ by less than the rest to 1, the one that takes less is recommended."""


@dataclass(frozen=True)
class Candidate:
    """What a script may run with."""

    ranks: int = 1
    threads: int = 1
    switches: tuple[str, ...] = ()
    pool: str = ""

    @property
    def cores(self) -> int:
        return self.ranks * self.threads

    def __str__(self) -> str:
        parts = [self.pool, f"{self.ranks} rank{'s' * (self.ranks > 1)}",
                 f"{self.threads} threads" if self.threads > 1 else "", " ".join(self.switches)]  # fmt: skip
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Measured:
    """How fast a candidate was, or why it was not."""

    candidate: Candidate
    steps_per_s: float = 0.0
    """In LAMMPS's own loop: without what is done once."""
    steps: int = 0
    atoms: int = 0
    per_day: float | None = None
    """Simulated time a day, in `unit`; None where the timestep is not known."""
    unit: str = ""
    price: Price | None = None
    failed: str = ""

    @property
    def usd_per_million(self) -> float | None:
        """USD for a million steps, at the most that may be paid; None without a price."""
        if not self.price or not self.steps_per_s:
            return None
        return 1e6 / self.steps_per_s / 3600 * self.price.bounds[1]

    @property
    def usd_per_ns(self) -> float | None:
        """USD for a nanosecond; None without a price, or for a unit of time that is none."""
        if not self.price or not self.per_day or self.unit != "ns/day":
            return None
        return 24 / self.per_day * self.price.bounds[1]


def candidates(
    ranks: Sequence[int], threads: Sequence[int], switches: Sequence[tuple[str, ...]], pools: Sequence[str]
) -> list[Candidate]:
    """All combinations. Raises UsageError for none."""
    found = [Candidate(r, t, s, p) for p in pools or [""] for r in ranks for t in threads for s in switches or [()]]
    if not found:
        raise UsageError("There is nothing to measure.", remedy="Write --ranks 1,2,4")
    return found


def measure(
    script: Path, wanted: Iterable[Candidate], *, variables: Mapping[str, Values], inputs: Iterable[str | Path] = (),
    steps: int = 300, cluster_of: Callable[[str], Cluster] | None = None, limit_s: float | None = None,
    on_each: Callable[[Measured], None] = lambda _: None,
) -> list[Measured]:  # fmt: skip
    """Run the script with every `run` capped at `steps`, once with each candidate, and read LAMMPS's own loop times.

    On this machine one after the other, so that none is slowed by another; on a stack, where `cluster_of` opens a pool,
    all at once. A candidate that fails is a row with its reason. Raises what a submission raises.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lammps-jobs-benchmark-") as folder,
        Workspace(Path(folder), script, inputs, variables, Resources(), steps, limit_s) as place,
    ):
        started: list[tuple[Candidate, Run, Price | None]] = []
        found: list[Measured] = []
        for number, candidate in enumerate(wanted, start=1):
            cluster = cluster_of(candidate.pool) if cluster_of else place.cluster
            run = _submit(place, cluster, candidate, f"benchmark-{_name_of(script)}-{number}")
            started.append((candidate, run, cluster.usd_per_hour(candidate.pool) if cluster_of else None))
            if not cluster_of:
                found.append(_measured(*started.pop(), limit_s))
                on_each(found[-1])
        for one in started:
            found.append(_measured(*one, limit_s))
            on_each(found[-1])
    return found


def _name_of(script: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", script.name.removeprefix("in.")).strip("-.") or "script"


def _submit(place: Workspace, cluster: Cluster, candidate: Candidate, name: str) -> Run:
    beside = [place.source / file for file in place.inputs if not file.startswith("..")]
    resources = Resources(ranks=candidate.ranks, threads=candidate.threads, switches=candidate.switches)
    if cluster is not place.cluster:  # the store is kept: an older measurement must not stand for this one
        name = f"{name}-{place.folder.name.rpartition('-')[2]}"
    return cluster.submit(place.script, start=place.source, inputs=beside, name=name, variables=place.variables,
                          resources=resources, checkpoints=Checkpoints(every_s=NEVER_S))  # fmt: skip


def _measured(candidate: Candidate, run: Run, price: Price | None, limit_s: float | None) -> Measured:
    nothing = Measured(candidate, price=price)
    try:
        state = run.wait(limit_s, check=False)
    except TimeoutError as error:
        run.cancel(now=True)
        return replace(nothing, failed=str(error))
    except KeyboardInterrupt:
        run.cancel(now=True)
        raise
    if state.state != "finished":
        return replace(nothing, failed=state.reason or state.state)
    loops = LOOP.findall(run.logs())
    long = [
        (float(seconds), int(steps), int(atoms)) for seconds, steps, atoms in loops if int(steps) and float(seconds)
    ]
    if not long:
        return replace(nothing, failed="The log tells no time: it has no `run` of more than 0 steps.")
    seconds, steps, atoms = long[-1]  # the last stage is production in most scripts
    made = replace(nothing, steps_per_s=steps / seconds, steps=steps, atoms=atoms)
    progress = run.progress
    if progress and progress.timestep and progress.units:
        value, unit = per_day(made.steps_per_s, progress.timestep, progress.units)
        return replace(made, per_day=value, unit=unit)
    return made


def recommended(found: Sequence[Measured]) -> tuple[Measured, str]:
    """The one to take, and why: the cheapest where prices are known, else the fastest; of equals the one that takes
    fewest cores. Raises LammpsJobsError when none ran."""
    good = [one for one in found if one.steps_per_s]
    if not good:
        raise LammpsJobsError("No candidate ran to its end.", where=found[0].failed if found else "",
                              remedy="lammps-jobs run SCRIPT shows what is wrong with it.")  # fmt: skip
    fastest = max(good, key=lambda one: one.steps_per_s)
    if all(one.usd_per_million is not None for one in good):
        cheapest = min(good, key=lambda one: one.usd_per_million or 0.0)
        if cheapest is fastest:
            return cheapest, "the cheapest and the fastest"
        ratio = fastest.steps_per_s / cheapest.steps_per_s
        return cheapest, f"the cheapest; {fastest.candidate} is {ratio:.1f} times as fast"
    near = [one for one in good if one.steps_per_s >= NEAR * fastest.steps_per_s]
    least = min(near, key=lambda one: (one.candidate.cores, -one.steps_per_s))
    if least is fastest:
        return fastest, "the fastest"
    return least, f"as fast as {fastest.candidate} to {100 * (1 - NEAR):.0f} %, on fewer cores"
