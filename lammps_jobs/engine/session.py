"""One engine at work: LAMMPS, and all that is known about it. Data; what acts on it lies in the modules above."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lammps_jobs.engine import box_margins
from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.memory.own_thread import open_lammps
from lammps_jobs.engine.memory.terminate import on_terminate
from lammps_jobs.engine.open_files import follow
from lammps_jobs.engine.root import Root, open_root
from lammps_jobs.engine.supervisor_line import SupervisorLine
from lammps_jobs.protocol.engine_state import FolderState
from lammps_jobs.protocol.messages import EngineJob
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.script import data_coefficients
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.looks import NOTHING, Looks, Named, chosen, read_files, written_outside
from lammps_jobs.script.position import Lines, Position, read_script

T = TypeVar("T")


NO_COMMAND = "\ufeff"
"""A line outside ASCII that is empty in ASCII: it has LAMMPS warn of such lines."""


class Stopped(Exception):
    """The checkpoint that ends this attempt has been taken."""


@dataclass(frozen=True)
class Proof:
    """What was seen of a resume: LAMMPS's state in this process against the one that the checkpoint holds."""

    everything: list[str] = field(default_factory=list)
    """Why nothing could be compared."""
    unproven: list[str] = field(default_factory=list)
    """Objects and arrays that are not as they were, or could not be compared."""


@dataclass
class Session:
    """The same on every rank, but for `root`, which only rank 0 has."""

    job: EngineJob
    lmp: Any
    communicator: Communicator
    root: Root | None
    folder: Path
    """In which the run started."""
    position: Position
    journal: Journal = field(default_factory=Journal)
    where: ScriptLine = field(default_factory=ScriptLine)
    boundary: box_margins.Boundary = field(default_factory=box_margins.Boundary)
    margins: box_margins.Margins = box_margins.NONE
    on_failure: Callable[[Exception], object] = lambda error: None
    """What ends the engine, from whatever thread, saying why."""
    proof: Proof = field(default_factory=Proof)
    """What was seen of the resume that this engine began with."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the script has set by `shell putenv`."""
    warned: bool = False
    """Whether LAMMPS has warned of characters outside ASCII, which it does once."""
    stage: int = 0
    cuts: int = 0
    """Cuts that this engine has taken."""
    has_set_up: bool = False
    """Whether LAMMPS set itself up for a run since the box was made or restored."""
    repeated: frozenset[str] = frozenset()
    """Files of dumps whose frame LAMMPS, which does not know of it, will write again at its next set-up."""
    is_sorted: bool = False
    """Whether LAMMPS sorted the atoms now and then, as of the last cut."""
    was_sorted: bool = False
    """Whether it did so before `replicate`, which makes new atoms; those are sorted from the next run on."""
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
    looking: threading.Thread | None = None
    """Waits for the copy of this process that stores what LAMMPS held at the last cut."""
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

    def read_script(self, file: str) -> Lines:
        """The lines of a script, as rank 0 reads them: another one may not see the file yet."""
        return self.from_root(lambda _: read_script(file))

    def follow_shell(self, args: list[str]) -> None:
        """LAMMPS has issued a `shell` command, which on every rank may have changed folder and environment."""
        if args[:1] == ["cd"]:
            self.journal.folder = os.path.relpath(Path.cwd(), self.folder)
        if args[:1] == ["putenv"]:
            names = [word.split("=", 1)[0] for word in args[1:]]
            self.environment |= {name: value for name in names if (value := _environment(name)) is not None}

    def surroundings(self, root: Root) -> FolderState:
        """What the script has made of its surroundings by now."""
        around, log = root.outputs.surroundings(), root.log.target
        return FolderState(
            current=self.journal.folder, environment=self.environment,
            log=os.path.relpath(log, self.folder) if log else None, **vars(around),
        )  # fmt: skip

    def come_back(self, state: FolderState) -> None:
        """Bring folder, environment and log back: the files are the supervisor's, or come when they are looked at."""
        os.environ.update(state.environment)
        self.environment = dict(state.environment)
        for pattern in state.watched:
            if self.root:
                self.root.outputs.watch(pattern)
        self.bring_outside()
        if self.root:
            self.root.outputs.know_heads(state.heads)
        os.chdir(self.folder / state.current)
        if self.root and state.log:
            self.root.log.switch(str(self.folder / state.log), append=True)

    @contextlib.contextmanager
    def standing_in(self, folder: str) -> Iterator[None]:
        """Meanwhile that one, relative to the run's folder, is the current folder."""
        if folder == self.journal.folder:
            yield
            return
        os.chdir(self.folder / folder)
        try:
            yield
        finally:
            os.chdir(self.folder / self.journal.folder)

    def flush(self) -> None:
        """Bring everything that LAMMPS has written to its files. (A library closes an xtc dump without it.)"""
        self.lmp.flush_buffers()
        ctypes.CDLL(None).fflush(None)

    def mark(self) -> None:
        """Note what has been recorded of the outputs, for whoever looks when this engine is gone."""
        if self.root:
            self.root.mark(self.cuts, self.journal.rewritten())

    def wait_for_upload(self) -> None:
        """Files are about to change: what was cut before must have been read from them."""
        if self.cuts:
            self.from_root(lambda root: root.line.wait_uploaded(self.cuts))

    def record(self, args: list[str], text: str) -> None:
        """Take note of a command that LAMMPS has just accepted, and of what it may have read."""
        names = read_files(args, self.journal.folder)
        if self.root and names:
            self.journal.reading = self.root.sources.of(names)
        self.journal.record(args, text)
        for given in data_coefficients.commands(args, self.journal, Path()) if args[0] == "read_data" else ():
            self.journal.record(given, " ".join(given))
        self.journal.reading = {}

    @contextlib.contextmanager
    def with_sources(self, sources: dict[str, str]) -> Iterator[None]:
        """Meanwhile the files that a command has read hold what they held then."""
        if not sources:
            yield
            return
        with self.root.sources.laid_out(sources) if self.root else contextlib.nullcontext():
            self.communicator.wait()
            yield
            self.communicator.wait()

    def watch(self, args: list[str]) -> None:
        """A command may be about to write to files outside the run's folder: they are recorded, too."""
        if self.root:
            for pattern in written_outside(args, os.getcwd(), str(self.job.top.resolve())):
                self.root.outputs.watch(pattern)

    def bring_outside(self) -> None:
        """Make the files outside the run's folder what the record has of them."""
        self.look(Named(patterns=("/*",)))

    def look(self, looks: Looks, folder: str | None = None) -> None:
        """A command is about to look at files, from `folder` or the current one: bring those that are missing."""
        if self.job.restore is None or looks == NOTHING:
            return
        at = self.journal.folder if folder is None else folder
        wanted = self.from_root(lambda root: chosen(looks, root.outputs.absent, root.outputs.owed, at))
        if not wanted:
            return
        self.flush()
        self.communicator.wait()
        for grown in self.from_root(lambda root: root.bring(wanted)):
            follow(grown)
        self.mark()
        self.communicator.wait()


def open_session(
    job: EngineJob, communicator: Communicator, line: SupervisorLine | None, on_failure: Callable[[Exception], object]
) -> Session:
    """Open LAMMPS in the working folder. `line` on rank 0, whose threads give `on_failure` what they raise."""
    folder = Path.cwd()
    lmp = _open_lammps(job)
    root = open_root(job, lmp, folder, line, on_failure) if line else None
    session = Session(job, lmp, communicator, root, folder, Position(), on_failure=on_failure)
    session.position.read = session.read_script
    session.terminating = on_terminate(lmp.lib, lambda text: on_failure(Exception(text)))
    if not job.restore:
        session.mark()
    return session


def _environment(name: str) -> str | None:
    """A variable of the environment that LAMMPS may have changed, which Python does not see."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    value: bytes | None = getenv(name.encode())
    return None if value is None else os.fsdecode(value)


def _open_lammps(job: EngineJob) -> Any:
    args = ["-echo", "none", "-screen", "none", "-log", str(job.raw_log), *job.lammps_args]
    if not job.restore:
        for name, values in job.variables.items():
            args += ["-var", name, *values]
    return open_lammps(args)
