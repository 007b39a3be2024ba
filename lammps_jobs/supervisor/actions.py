"""What an attempt does about what happens: plain values, which the loop carries out in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.protocol.messages import Cut, Finished, Order
from lammps_jobs.record.documents import Decision, Event, Lineage, Outcome, Progress


@dataclass(frozen=True)
class StartTry:
    """End the engine there is, and start one from the newest checkpoint that may be used."""

    number: int
    barred_stages: frozenset[int]
    """Stages from whose middle it must not go on, and in which no checkpoint is taken."""
    barred_checkpoints: frozenset[int]
    with_memory: bool
    """Whether what the checkpoint holds of LAMMPS's own objects is given back."""


@dataclass(frozen=True)
class Ask:
    """Send an order to the engine."""

    order: Order


@dataclass(frozen=True)
class Commit:
    """Upload a cut and commit it, with what lies behind it."""

    cut: Cut
    lineage: Lineage


@dataclass(frozen=True)
class CommitResult:
    finished: Finished
    lineage: Lineage


@dataclass(frozen=True)
class FetchOutput:
    """Write the recorded output `name` to the file `target`."""

    name: str
    target: Path


@dataclass(frozen=True)
class Decide:
    """Write a decision down; its number is chosen by the loop."""

    decision: Decision


@dataclass(frozen=True)
class Publish:
    """Overwrite the attempt's progress (advice)."""

    progress: Progress


@dataclass(frozen=True)
class Append:
    """Append an event (advice)."""

    event: Event


@dataclass(frozen=True)
class End:
    """End the attempt; `gently` leaves the engine two seconds to end by itself."""

    outcome: Outcome
    exit_code: int
    lineage: Lineage
    reason: str = ""
    where: str = ""
    remedy: str = ""
    error: str = ""
    gently: bool = True


Action = StartTry | Ask | Commit | CommitResult | FetchOutput | Decide | Publish | Append | End
