"""What can happen to an attempt. `at` is always a monotonic clock's time in seconds, given by the loop."""

from __future__ import annotations

from dataclasses import dataclass

from lammps_jobs.errors import LammpsJobsError
from lammps_jobs.protocol.messages import Cut, Report
from lammps_jobs.record.documents import Checkpoint


@dataclass(frozen=True)
class Tick:
    """Time passed."""

    at: float


@dataclass(frozen=True)
class TryStarted:
    """An engine was started. `origin` is the checkpoint it goes on from; None: the script's beginning."""

    at: float
    origin: Checkpoint | None
    engine_pid: int
    passed_over: tuple[str, ...] = ()
    """In words, the newer checkpoints that could not be used."""


@dataclass(frozen=True)
class EngineSaid:
    """The engine of try `number` sent a message."""

    at: float
    number: int
    report: Report


@dataclass(frozen=True)
class EngineMalformed:
    """The engine of try `number` sent something that is no message."""

    at: float
    number: int
    text: str


@dataclass(frozen=True)
class Death:
    """How an engine died that left no last message."""

    error: LammpsJobsError
    is_doubtful: bool
    """Whether a cut can be to blame: LAMMPS's own error or a crash of the program; not a kill, not the machine."""


@dataclass(frozen=True)
class EngineGone:
    """The engine of try `number` is gone without a last message."""

    at: float
    number: int
    death: Death


@dataclass(frozen=True)
class StopAsked:
    """The attempt has to stop: a signal, a Spot notice, the time limit. In `grace_s` seconds all is over."""

    at: float
    why: str
    grace_s: float


@dataclass(frozen=True)
class MachineAtRisk:
    """EC2 recommends to leave the machine; it may be taken away soon, or never."""

    at: float


@dataclass(frozen=True)
class Committed:
    """The checkpoint of `cut` is committed; `seconds` from the cut until then."""

    at: float
    cut: Cut
    checkpoint: Checkpoint
    seconds: float


@dataclass(frozen=True)
class CutSpoiled:
    """The files of `cut` could not be uploaded as they were; the run goes on without that checkpoint."""

    at: float
    cut: Cut
    why: str


@dataclass(frozen=True)
class ResultCommitted:
    """The finished run is recorded."""

    at: float


@dataclass(frozen=True)
class ActionFailed:
    """An action raised an error that ends the attempt."""

    at: float
    error: LammpsJobsError


Stimulus = (
    Tick | TryStarted | EngineSaid | EngineMalformed | EngineGone | StopAsked | MachineAtRisk | Committed | CutSpoiled
    | ResultCommitted | ActionFailed
)  # fmt: skip
