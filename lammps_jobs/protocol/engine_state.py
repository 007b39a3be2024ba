"""What a new engine needs besides LAMMPS's restart file, as it is stored with a checkpoint.

It has a format of its own, which the supervisor reads before LAMMPS starts: a state of another format is passed over
by name, and is no sign that a checkpoint or a stage is bad.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError, field_validator

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.record.documents import Frozen, ScriptLine, json_of

STATE_FORMAT = 5
"""Raise it with every change of the models in this file, of `Journal` or of `Position` (a test watches that)."""


class JournalEntry(Frozen):
    """`script.journal.Entry`: one command to issue again."""

    command: str
    key: str
    text: str
    words: tuple[str, ...]
    nexts: int
    used: bool
    folder: str
    sources: dict[str, str]


class JournalState(Frozen):
    """`script.journal.Journal`."""

    entries: tuple[JournalEntry, ...]
    unknown: tuple[str, ...]
    balanced: bool
    sort: dict[Literal["every", "bin"], int | str]


class FrameState(Frozen):
    """`script.position.Frame`: a file as it was when it was opened, or the chosen branch of an `if`."""

    file: str
    lines: tuple[tuple[int, str], ...]
    next: int
    is_file: bool


class PositionState(Frozen):
    """`script.position.Position`: where in the script the run is."""

    frames: tuple[FrameState, ...]
    seeking: str
    skip_next_jump: bool


class RunState(Frozen):
    """`script.language.RunCommand`: the `run` that was cut; steps are absolute timesteps."""

    first: int
    last: int
    start: int
    stop: int
    pre: bool
    post: bool
    every: int
    commands: tuple[str, ...]
    span: str


class BoxState(Frozen):
    """What read_restart does not bring back of the box (`engine.box_margins`)."""

    faces: str
    margins: tuple[float | None, float | None, float | None]


class FolderState(Frozen):
    """What the script has made of its surroundings, but for what its files hold: that is in the record's outputs.

    All paths are relative to the folder in which the run started.
    """

    current: str
    """The current folder (`shell cd`)."""
    inputs: tuple[str, ...]
    """The inputs that lie there as they were given; the others were changed, moved or removed."""
    folders: tuple[str, ...]
    """Every folder, also empty ones."""
    links: dict[str, str]
    """What every symbolic link points at, as it says itself."""
    executables: tuple[str, ...]
    """Files that may be executed."""
    headed: tuple[str, ...]
    """YAML files in which the keywords stand that `fix ave/*` writes once."""
    heads: dict[str, str]
    """What DCD files begin with, in hexadecimal digits: LAMMPS writes it once, and changes it with every frame."""
    watched: tuple[str, ...]
    """Patterns of the files outside, by absolute paths, that the script may write."""
    environment: dict[str, str]
    """What `shell putenv` has set."""
    log: str | None
    """The log file at present; None after `log none`."""


class EngineState(Frozen):
    """The engine at a cut."""

    format: int = STATE_FORMAT
    journal: JournalState
    position: PositionState
    where: ScriptLine
    folder: FolderState
    stage: int
    step: int
    run: RunState | None
    """None at a boundary between two stages."""
    box: BoxState
    grid: tuple[int, ...]
    """How the box was divided among the ranks (x, y, z); empty when LAMMPS does not say."""
    cuts: tuple[tuple[float, ...], ...]
    """Where it was cut between them, as fractions of it in x, y and z; empty where the parts are even."""
    echoes: bool
    warned: bool
    """Whether LAMMPS has warned of characters outside ASCII."""
    is_sorted: bool
    """Whether LAMMPS sorted the atoms now and then."""
    has_set_up: bool
    """Whether LAMMPS had set itself up for a run since the box was made."""

    @field_validator("format")
    @classmethod
    def _is_ours(cls, found: int) -> int:
        if found != STATE_FORMAT:
            raise ValueError(f"format {found}, not {STATE_FORMAT}")
        return found

    @classmethod
    def parse(cls, content: bytes, where: str) -> EngineState:
        """The state in `content`, which lies at `where`.

        Raises OtherFormat for a state that another version of lammps-jobs wrote, Damaged for one that is none.
        """
        raw: Any = json_of(content, where)
        found = raw.get("format") if isinstance(raw, dict) else None
        if found is None:
            raise Damaged("The engine's state does not say which format it has.", where=where)
        if isinstance(found, int) and found != STATE_FORMAT:
            raise OtherFormat(
                f"The engine's state has format {found}; this version of lammps-jobs reads {STATE_FORMAT}.",
                where=where,
                remedy="Use the version that wrote it, or let the run go on from an older checkpoint or its start.",
            )
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise Damaged(
                f"The engine's state is not what it should be: {place}: {first['msg']}", where=where
            ) from None
