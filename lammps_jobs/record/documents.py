"""What is stored of a run: frozen documents, each with the version of their format. And reading them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from lammps_jobs.errors import Damaged, OtherFormat, UsageError
from lammps_jobs.formats.units import rate_text
from lammps_jobs.record.names import OutputName, PlainName, RelativeName, Words

FORMAT = 5
"""Version of every document in this file. A reader refuses a document with another one, but for `UPGRADED`."""
UPGRADED = 4
"""The version before, which is read, too: it named all segments of all outputs in every manifest."""

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
NAME_RULE = "Use letters, digits, '.', '_' and '-', beginning with a letter or digit, 128 characters at most."


FULL_LOG = ".full.log"
"""The recorded output that holds the whole log, whatever files the script's `log` commands name."""

FINAL_STATE = ".final.state"
"""The recorded output of a rehearsed run that holds its last positions and velocities in full precision."""


SOURCE = ".source-"
"""How recorded outputs begin that hold what a command has read, for issuing it again."""

GIVEN = "given:"
"""Before the name of an input: its content as it was given."""


def is_hidden(output: str) -> bool:
    """Whether a recorded output is ours and not the script's."""
    return output in (FULL_LOG, FINAL_STATE) or output.startswith(SOURCE)


def now() -> datetime:
    return datetime.now(UTC)


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Asked(Frozen):
    """What a user asks for: what makes no sense is a UsageError that names it."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"])) or type(self).__name__
            raise UsageError(f"{name}: {first['msg']}, got {first['input']!r}.") from None


class Document(Frozen):
    """Something stored under a key of its own."""

    format: int = FORMAT


D = TypeVar("D", bound=Document)


class ScriptLine(Frozen):
    """A place in the script; empty before the first line."""

    file: Words = ""
    line: int = 0
    command: Words = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.command}" if self.file else "before the script's first line"


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Blob:
    """Content in the store, named by its sha256 (hex) and checked against it on reading."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=0)] = 0
    """The attempt that alone has it, for what retention removes: else an attempt that was overtaken could, late, remove
    what a newer one, which computed the same, relies on. 0: anybody's, and stays as long as the run."""

    @property
    def name(self) -> str:
        """Of its object, in the folder of blobs."""
        return f"{self.sha256}.{self.of}" if self.of else self.sha256


class Resources(Asked):
    """What one attempt may use."""

    ranks: Annotated[int | None, Field(ge=1, description="MPI ranks; None: one, or one for each GPU")] = None
    threads: Annotated[int, Field(ge=1, description="OpenMP threads per rank")] = 1
    accelerator: Annotated[
        Literal["auto", "kokkos", "gpu", "none"],
        Field(description="how LAMMPS uses GPUs: the KOKKOS or the GPU package, not at all, or what suits the GPU"),
    ] = "auto"
    switches: Annotated[
        tuple[str, ...],
        Field(description="LAMMPS's own switches -sf, -pk and -k, word by word, instead of those that are chosen"),
    ] = ()
    budget_s: Annotated[
        float | None, Field(gt=0, description="machine time of all attempts together, seconds; None: no limit")
    ] = None


class Checkpoints(Asked):
    """When checkpoints are taken and how many are kept."""

    every_s: Annotated[float, Field(gt=0, description="wall time between two checkpoints, seconds")] = 600.0
    least_s: Annotated[
        float | None,
        Field(gt=0, description="where given, the time between two is chosen between this and every_s, seconds"),
    ] = None
    keep: Annotated[int, Field(ge=1, description="newest checkpoints kept besides stage boundaries")] = 3
    grace_s: Annotated[
        float, Field(gt=0, description="wall time after an interruption until the machine is gone, seconds")
    ] = 25.0


class CutPlan(Asked):
    """Cuts that are asked for rather than suffered: the reference for tests of resuming.

    `cut_at` holds (stage, timestep) pairs; stage 1 is the script's first `run` or `minimize`, and a cut before
    a stage begins bears that stage's number. `at` asks for cuts near these fractions of every stage
    instead, at steps that a real cut would choose; 1 is the beginning of the next stage. After a cut the run
    goes on as if nothing had been (`go on`), or in the same process with LAMMPS's full set-up, which is what
    a resumed process has to do (`set up again`), or the attempt ends as interrupted (`stop`).
    """

    cut_at: tuple[tuple[int, int], ...] = ()
    at: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    then: Literal["go on", "set up again", "stop"] = "go on"


class RunSpec(Document):
    """One simulation that a user asked for. Equal specs are the same run."""

    name: str
    script: RelativeName
    inputs: dict[RelativeName, Blob]
    """By their paths from the folder in which the run starts."""
    folders: tuple[RelativeName, ...] = ()
    """Folders that hold no input and must be there."""
    executables: tuple[RelativeName, ...] = ()
    """Inputs that the script may execute."""
    variables: dict[str, tuple[str, ...]] = {}
    resources: Resources = Resources()
    checkpoints: Checkpoints = Checkpoints()
    cut_plan: CutPlan = CutPlan()

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not RUN_NAME.fullmatch(name):
            raise ValueError(NAME_RULE)
        return name


class Notify(Frozen):
    """Whom to tell when the run has finished or failed."""

    commands: tuple[str, ...] = ()
    """Of the user's shell, which read the message as JSON; only on the machine and by the user that submitted
    (`supervisor/own.py`)."""
    desktop: bool = False
    topics: tuple[str, ...] = ()
    """ARNs of SNS topics, of runs on a stack."""


class Submission(Document):
    """The spec as it was accepted."""

    spec: RunSpec
    submitted: datetime = Field(default_factory=now)
    origin: Words = ""
    """Path of the script on the machine from which it was submitted."""
    after: tuple[str, ...] = ()
    """Names of the runs that must have finished before its first attempt starts."""
    notify: Notify = Notify()


class Amendment(Document):
    """What a user asked for anew when a run was resumed (`amendments/<n>.json`); the newest one holds."""

    number: int
    resources: Resources
    checkpoints: Checkpoints
    amended: datetime = Field(default_factory=now)


class Attempt(Document):
    """The claim of one execution of the run on one machine."""

    number: int
    host: Words
    supervisor_pid: int
    supervisor_started: float
    """When it began, in clock ticks after the start `boot` of the machine (`supervisor.process`)."""
    boot: str = ""
    scratch: str
    job: str = ""
    """ID of the AWS Batch job, and which of its attempts this is (0: not on AWS Batch)."""
    job_attempt: int = 0
    claimed: datetime = Field(default_factory=now)


class JobRequest(Document):
    """The intent to submit a job, recorded before SubmitJob is called (`jobs/<n>.json`)."""

    number: int
    name: str
    """The job's name, which nobody else has."""
    stack: str
    pool: str
    queue: str
    definition: str
    by: Literal["user", "continuation"] = "user"
    user: str = ""
    depends_on: tuple[str, ...] = ()
    """IDs of the jobs that must have succeeded before."""
    asked: datetime = Field(default_factory=now)


class JobAnswer(Document):
    """The job that a request led to (`jobs/<n>.id.json`)."""

    job_id: str
    answered: datetime = Field(default_factory=now)


class Decision(Document):
    """What later attempts must respect (`decisions/<n>.json`), written before anybody acts on it.

    `no checkpoints`: in this stage a cut made LAMMPS fail. `do not resume`: going on from this checkpoint, at a
    boundary, made LAMMPS fail. `forgiven`: a later attempt got past the place, so the decisions before about this
    stage or checkpoint are void.
    """

    number: int
    attempt: int
    kind: Literal["no checkpoints", "do not resume", "forgiven"]
    stage: int
    step: int
    checkpoint: int | None = None
    why: Words
    decided: datetime = Field(default_factory=now)


Outcome = Literal["finished", "interrupted", "failed", "fenced"]


class OutputFile(Frozen):
    """An output file as the segments whose joined bytes it consists of, in order."""

    segments: tuple[Blob, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(segment.size for segment in self.segments)


Grade = Literal["exact", "faithful", "statistical", "refused"]
GRADES: tuple[Grade, ...] = ("exact", "faithful", "statistical", "refused")
"""From best to worst."""


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of the grades; exact when there are none."""
    return max(grades, key=GRADES.index, default="exact")


class Fidelity(Frozen):
    """How true a resume from a checkpoint is, and why it is not better.

    *exact*: bit for bit, on the same kind of machine with the same number of ranks; `as_if` says equal to
    which run. *faithful*: the same up to rounding. *statistical*: a random stream or an accumulator starts
    anew. *refused*: nothing can be cut there.
    """

    grade: Grade = "exact"
    as_if: Literal["never cut", "set up again"] = "set up again"
    reasons: tuple[Words, ...] = ()


def weakest(of: list[Fidelity]) -> Fidelity:
    """The weakest guarantee over all resumes; "never cut" if there were none."""
    if not of:
        return Fidelity(as_if="never cut")
    return Fidelity(
        grade=worst(c.grade for c in of),
        as_if="never cut" if all(c.as_if == "never cut" for c in of) else "set up again",
        reasons=tuple(dict.fromkeys(reason for c in of for reason in c.reasons)),
    )


class Equipment(Frozen):
    """What LAMMPS computes with, besides its version and the number of ranks: another one rounds differently."""

    switches: tuple[Words, ...] = ()
    """LAMMPS's own, such as -sf kk."""
    threads: int = 1
    """OpenMP threads a rank."""
    gpu: Words = ""
    """Architecture of the machine's GPUs, by Kokkos's name; empty without."""
    image: Words = ""
    """The variant of the image: an architecture, `cpu`, or empty outside of one."""

    def unlike(self, other: Equipment) -> list[str]:
        """What differs from `other`, with which a checkpoint was written, in words for people."""
        pairs = (
            ("switches", " ".join(other.switches), " ".join(self.switches)),
            ("threads a rank", str(other.threads), str(self.threads)),
            ("GPU", other.gpu, self.gpu),
            ("image", other.image, self.image),
        )
        return [f"{what}: {then or 'none'} at the cut, {now or 'none'} now" for what, then, now in pairs if then != now]


class Lineage(Document):
    """What lies behind a checkpoint, an end or a result: all that a grade needs, committed with it."""

    parent: int | None = None
    """The checkpoint before it in its own past; None: it goes back to the script's beginning."""
    resumed_at: tuple[tuple[int, int], ...] = ()
    """(stage, timestep) of the checkpoints that its past was resumed from."""
    fidelity_so_far: Fidelity = Fidelity(as_if="never cut")
    """The weakest of these resumes."""


class AttemptEnd(Lineage):
    """How an attempt ended, in its own last words. An attempt without one was lost."""

    number: int
    outcome: Outcome
    reason: Words = ""
    where: Words = ""
    remedy: Words = ""
    error: Words = ""
    exit_code: int = 0
    last_step: int | None = None
    steps_per_s: float | None = None
    ended: datetime = Field(default_factory=now)


class RemainsFacts(Document):
    """That an attempt which ended without finishing left outputs behind."""

    attempt: int
    step: int | None = None
    """The timestep that was reached, as far as it is known."""
    kept: datetime = Field(default_factory=now)


class Remains(RemainsFacts):
    """The outputs of an attempt that ended without finishing, up to the last byte it wrote (advice)."""

    outputs: dict[OutputName, OutputFile]


class Cancelled(Document):
    """The user ended the run when `attempt` was its newest (0: none had begun). A later one is another matter."""

    attempt: int
    at: datetime = Field(default_factory=now)
    why: Words = ""
    """Why it was not started, where that was nobody's wish: a run that it was to follow has failed."""


class CheckpointFacts(Lineage):
    """A committed cut of everything needed to continue, without what the outputs consisted of then."""

    seq: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=0)]
    """The attempt that took it; 0 when it was taken over from another run."""
    step: int
    stage: int
    stage_boundary: bool
    restart: dict[PlainName, Blob]
    """LAMMPS's restart file; with several ranks one a rank, which keeps the order of the atoms."""
    state: Blob
    fidelity: Fidelity = Fidelity()
    """How true a resume from here is."""
    lammps_version: int
    ranks: int
    equipment: Equipment | None = None
    """What LAMMPS computed with; None in checkpoints of older versions, which do not say it."""
    cut_s: float = 0.0
    restart_s: float = 0.0
    committed: datetime = Field(default_factory=now)

    @property
    def to_load(self) -> tuple[Blob, ...]:
        """What resuming reads."""
        return (*self.restart.values(), self.state)


class Checkpoint(CheckpointFacts):
    """A committed cut of everything needed to continue."""

    outputs: dict[OutputName, OutputFile]


class ResultFacts(Lineage):
    """The finished run, without its outputs."""

    attempt: int
    step: int
    finished: datetime = Field(default_factory=now)


class Result(ResultFacts):
    """The finished run."""

    outputs: dict[OutputName, OutputFile]


class Progress(Document):
    """Where an attempt is, last it said so. Advice for people: nothing correct depends on it."""

    attempt: int
    step: int
    target: int
    stage: int
    steps_per_s: float = 0.0
    timestep: float | None = None
    units: Words = ""
    engine_pid: int | None = None
    lammps_version: int | None = None
    last_checkpoint_step: int | None = None
    last_checkpoint_at: datetime | None = None
    phase: Words = "starting"
    fidelity_so_far: Fidelity = Fidelity(as_if="never cut")
    updated: datetime = Field(default_factory=now)

    @property
    def rate(self) -> str:
        """Steps/s, simulated time per day and time to go, in words; empty before a speed is known."""
        return rate_text(self.steps_per_s, self.target - self.step, self.timestep, self.units)


class Event(Document):
    """Something worth telling the user about an attempt (`attempts/<n>/events/<k>.json`)."""

    attempt: int
    kind: Literal["started", "resumed", "checkpoint", "notice", "warning", "damaged", "stage", "unusable", "ended"]
    text: Words
    step: int | None = None
    stage: int | None = None
    fidelity: Fidelity | None = None
    from_checkpoint: int | None = None
    seconds: float | None = None
    size: int | None = None
    """Bytes that were written, of a checkpoint."""
    at: datetime = Field(default_factory=now)


OLDER = "An older checkpoint is used where there is one; otherwise the run starts from the beginning."


def json_of(content: bytes, where: str) -> Any:
    """Parsed JSON; raises Damaged, naming the place `where`, for anything else."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Damaged("A stored document is not readable.", where=where, remedy=OLDER) from None


def parse(content: bytes, kind: type[D], where: str) -> D:
    """The document in `content`, which lies at `where`.

    Raises OtherFormat when another version of lammps-jobs wrote it, Damaged when it is no such document.
    """
    raw = json_of(content, where)
    found = raw.get("format") if isinstance(raw, dict) else None
    if found == UPGRADED:
        raw, found = _upgraded(raw), FORMAT
    if isinstance(found, int) and found != FORMAT:
        raise OtherFormat(
            f"This record has format {found}; this version of lammps-jobs reads {UPGRADED} and {FORMAT}.", where=where,
            remedy="Install a newer version of lammps-jobs." if found > FORMAT else "Use the version that wrote it.",
        )  # fmt: skip
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Damaged(
            f"A stored document is not what it should be: {place}: {first['msg']}", where=where, remedy=OLDER
        ) from None


def _upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """A document of the version before, as this one writes it. What is no such document stays none."""
    raw = raw | {"format": FORMAT}
    if isinstance(raw.get("spec"), dict):
        raw["spec"] = raw["spec"] | {"format": FORMAT}
    outputs = raw.get("outputs")
    if isinstance(outputs, dict) and all(isinstance(file, dict) for file in outputs.values()):
        changes = {name: {"added": file.get("segments", ())} for name, file in raw.pop("outputs").items()}
        raw["inventory"] = {"changes": changes}
    return raw
