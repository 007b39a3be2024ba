"""What the supervisor and the engine say to each other: one frozen model a message, one union a direction.

`Report` goes from the engine to the supervisor, `Order` the other way. mypy proves that whoever handles one of the
unions handles every message of it (`assert_never`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.record.documents import FINAL_STATE, FULL_LOG, CutPlan, Equipment, Fidelity, Frozen, ScriptLine
from lammps_jobs.record.names import Words

RAW_LOG = "lammps.raw.log"
"""LAMMPS's own log, beside the working folder."""

PRINTED = "engine.out"
"""What the engine's processes print."""


class Restore(Frozen):
    """The checkpoint to go on from, as it lies on this machine."""

    restart: Path
    """LAMMPS's restart file; with one file a rank, its name with `%` for the rank."""
    state: Path
    """The `EngineState`, which the supervisor has parsed once already."""
    outputs: tuple[str, ...]
    """Names of the output files that the record holds."""
    executables: tuple[str, ...]
    """Those of them that may be executed."""
    headed: tuple[str, ...]
    """Those of them in which the keywords stand that `fix ave/*` writes once."""
    with_memory: bool
    """Whether what the checkpoint holds of LAMMPS's own objects is given back."""


class EngineJob(Frozen):
    """What one start of the engine is to do. The engine's working folder is the run's folder."""

    script: str
    variables: dict[str, tuple[str, ...]]
    inputs: tuple[str, ...]
    """The files that lie in the folder as they were given."""
    ranks: int
    lammps_args: tuple[str, ...]
    """Command-line switches for LAMMPS, such as those for GPUs."""
    notes: tuple[str, ...] = ()
    """What people are to be told of them."""
    log: str = "log.lammps"
    """The log file's name until the script names another."""
    scratch: Path
    socket: Path
    """Of the channel to the supervisor."""
    alive: Path
    """The file that the supervisor keeps locked while it lives (`protocol.alive`)."""
    every_s: float
    no_checkpoint_stages: tuple[int, ...]
    """Stages in which no checkpoint may be taken: there a cut made LAMMPS fail before."""
    cut_plan: CutPlan
    """The cuts of a rehearsal that lie ahead."""
    is_rehearsed: bool
    restore: Restore | None = None

    @property
    def top(self) -> Path:
        """The run's folder, or a folder above it, up to which the script may write."""
        return self.scratch / "work"

    @property
    def raw_log(self) -> Path:
        return self.scratch / RAW_LOG

    @property
    def full_log(self) -> Path:
        return self.scratch / FULL_LOG

    @property
    def final_state(self) -> Path:
        return self.scratch / FINAL_STATE

    @property
    def where(self) -> Path:
        """The file in which the engine keeps the script's present line, for whoever looks after a crash."""
        return self.scratch / "where"


# -- outputs -------------------------------------------------------------------------------------------


class Gained(Frozen):
    """The bytes [start, stop) of the file `source` belong to the output `name`: behind what the record has of it,
    or, with `replaces`, instead of it."""

    kind: Literal["gained"] = "gained"
    name: str
    source: Path
    start: int
    stop: int
    replaces: bool


class Removed(Frozen):
    """The output `name` is gone."""

    kind: Literal["removed"] = "removed"
    name: str


class Alias(Frozen):
    """The output `name` is a link to the file `of`, and holds what that holds."""

    kind: Literal["alias"] = "alias"
    name: str
    of: str


OutputChange = Annotated[Gained | Removed | Alias, Field(discriminator="kind")]


# -- from the engine -----------------------------------------------------------------------------------


class Started(Frozen):
    """The engine is connected, LAMMPS is open."""

    kind: Literal["started"] = "started"
    lammps_version: int
    ranks: int
    equipment: Equipment = Equipment()


class Moved(Frozen):
    """How far the run is; also a sign of life while nothing moves."""

    kind: Literal["moved"] = "moved"
    step: int
    target: int
    stage: int
    steps_per_s: float
    phase: str
    timestep: float
    units: str
    is_cuttable: bool
    """Whether a checkpoint that is asked for now can be expected soon."""


class Resumed(Frozen):
    """The state of the checkpoint is restored and set up; the run goes on."""

    kind: Literal["resumed"] = "resumed"
    stage: int
    step: int
    seen: Fidelity
    """How true this resume is, as LAMMPS's state was compared with the one in the checkpoint."""


class StageBegan(Frozen):
    """A stage of a rehearsal begins; `refused` says why no checkpoint can be taken in it."""

    kind: Literal["stage"] = "stage"
    stage: int
    step: int
    text: str
    refused: tuple[str, ...]


class Cut(Frozen):
    """Everything needed to continue lies in `folder`, to be committed. The run goes on unless `stop`."""

    kind: Literal["cut"] = "cut"
    number: int
    """Of this engine's cuts, from 1; the supervisor answers with it (`Uploaded`)."""
    folder: Path
    state: EngineState
    stage: int
    """The stage that was cut, or the one that is about to begin (`boundary`)."""
    boundary: bool
    stop: bool
    outputs: tuple[OutputChange, ...]
    fidelity: Fidelity
    spoiled: Words = ""
    """Why nothing can be continued from here, of a cut that went wrong; only its outputs are of use."""
    cut_s: float
    """Seconds that the run stood still."""
    restart_s: float
    """Of these, until LAMMPS had written its restart file."""


class Fetch(Frozen):
    """LAMMPS may look at the recorded output `name`. Write it to `target`; the engine waits for `Fetched`."""

    kind: Literal["fetch"] = "fetch"
    name: str
    target: Path


class Warned(Frozen):
    """Something that the user should know."""

    kind: Literal["warned"] = "warned"
    text: str


class Failed(Frozen):
    """The engine gives up. `cause` says whose fault it is."""

    kind: Literal["failed"] = "failed"
    cause: Literal["script", "resume", "memory", "machine", "internal"]
    """`script`: LAMMPS or the script's `quit`. `resume`: the checkpoint was not taken up again in full.
    `memory`: LAMMPS's objects could not be given back as the checkpoint holds them; it goes on without.
    `machine`: a file of ours is gone or cannot be written, the working folder with it perhaps.
    `internal`: our own program; never blamed on the script or on a cut."""
    where: ScriptLine
    text: str
    stage: int
    step: int
    traceback: str = ""


class Finished(Frozen):
    """The script came to its end."""

    kind: Literal["finished"] = "finished"
    step: int
    outputs: tuple[OutputChange, ...]


Report = Annotated[
    Started | Moved | Resumed | StageBegan | Cut | Fetch | Warned | Failed | Finished, Field(discriminator="kind")
]
REPORT: TypeAdapter[Started | Moved | Resumed | StageBegan | Cut | Fetch | Warned | Failed | Finished] = TypeAdapter(
    Report
)


# -- to the engine -------------------------------------------------------------------------------------


class TakeCheckpoint(Frozen):
    """Take a checkpoint at a good step within `within_s` seconds of wall time."""

    kind: Literal["checkpoint"] = "checkpoint"
    within_s: float


class Stop(Frozen):
    """Take a checkpoint within `within_s` seconds of wall time and end."""

    kind: Literal["stop"] = "stop"
    within_s: float


class Uploaded(Frozen):
    """What the cut `number` left has been read; its files may change."""

    kind: Literal["uploaded"] = "uploaded"
    number: int


class Fetched(Frozen):
    """The output `name` lies where it was asked for."""

    kind: Literal["fetched"] = "fetched"
    name: str


Order = Annotated[TakeCheckpoint | Stop | Uploaded | Fetched, Field(discriminator="kind")]
ORDER: TypeAdapter[TakeCheckpoint | Stop | Uploaded | Fetched] = TypeAdapter(Order)
