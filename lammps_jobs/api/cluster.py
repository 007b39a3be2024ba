"""The public face: a cluster takes runs, a run is followed, interrupted, resumed and downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lammps_jobs.backends.base import AT_ONCE, Backend, JobStatus
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.errors import Damaged, NameTaken, NoSuchRun, UsageError, WrongState
from lammps_jobs.record.documents import (
    FINAL_STATE,
    FULL_LOG,
    RUN_NAME,
    Attempt,
    AttemptEnd,
    Blob,
    Checkpoint,
    Checkpoints,
    CutPlan,
    Event,
    Fidelity,
    OutputFile,
    Progress,
    Resources,
    RunSpec,
    Submission,
    weakest,
)
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.script.inputs import gather

if TYPE_CHECKING:
    import pandas
    from obstore.store import ObjectStore

State = Literal["waiting", "starting", "running", "interrupted", "lost", "failed", "cancelled", "finished"]
ENDED: frozenset[str] = frozenset({"interrupted", "lost", "failed", "cancelled", "finished"})
GRACE_S = 120.0
"""Seconds that an interruption may take on a stack."""

Values = str | float | int | Iterable[str | float | int]


def default_store() -> str:
    """Where local runs are recorded: $LAMMPS_JOBS_STORE, or a folder in the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return os.environ.get("LAMMPS_JOBS_STORE") or str(Path(data) / "lammps-jobs" / "runs")


def connect(
    stack: str = "local", *, store: str | Path | None = None, pool: str = "", region: str | None = None
) -> Cluster:
    """The cluster to run on: this machine by default, else the AWS stack of that name.

    `store` is a folder or `s3://bucket/prefix` for the records of this machine's runs; a stack has its own. `pool` is
    the kind of machine, the stack's first by default; `region` where the stack is, that of the AWS
    configuration by default. Raises StackError for an unknown stack or pool, CloudError when AWS cannot be
    asked, StoreError when the store cannot be opened, UsageError for what does not go together.
    """
    if stack == "local":
        if pool or region:
            raise UsageError(
                "pool and region are for stacks; this machine has none.", remedy='connect("STACK", pool=...)'
            )
        url = str(store or default_store())
        return Cluster(
            url, LocalBackend(url if "://" in url else str(Path(url).expanduser().resolve())), open_root(url)
        )
    if store:
        raise UsageError(f"The stack {stack!r} has its own store.", remedy="Leave store (--store) out.")
    from lammps_jobs.backends.aws_batch.backend import BatchBackend
    from lammps_jobs.backends.aws_batch.contract import load

    outputs = load(stack, region)
    return Cluster(outputs.store, BatchBackend(outputs, pool), open_root(outputs.store, outputs.region))


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run at one moment."""

    name: str
    state: State
    attempt: int
    step: int
    target: int
    stage: int
    reason: str = ""
    where: str = ""
    remedy: str = ""
    exit_code: int = 0
    checkpoint: int | None = None
    checkpoint_step: int | None = None
    fidelity: Fidelity = field(default_factory=Fidelity)
    """How true the run is to one that nobody interrupted, so far: the weakest of its resumes."""

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED


class Cluster:
    """A place where runs run, and the store where their records are."""

    def __init__(self, store: str, backend: Backend, root: ObjectStore) -> None:
        self.store, self._backend, self._root = store, backend, root

    def submit(
        self,
        script: str | Path,
        *,
        inputs: Iterable[str | Path] = (),
        variables: Mapping[str, Values] | None = None,
        name: str | None = None,
        resources: Resources = Resources(),
        checkpoints: Checkpoints = Checkpoints(),
        cut_plan: CutPlan = CutPlan(),
    ) -> Run:
        """Start a run of `script` in the background and return at once.

        Files that the script names and that lie beside it are taken along; `inputs` adds more
        files or folders. `name` defaults to one derived from the script. Submitting the same
        specification under the same name again returns the run there is.

        Raises InputMissing, UsageError (bad name, undefined variable, output outside the run's
        folder), NameTaken (the name has another specification), StoreError.
        """
        script = Path(script)
        given = {key: _words(value) for key, value in (variables or {}).items()}
        files = gather(script, inputs, given)
        name = name or _name_from(script)
        if not RUN_NAME.match(name):
            raise UsageError(
                f"{name!r} is no name for a run.",
                remedy="Use letters, digits, '.', '_' and '-', beginning with a letter.",
            )
        record = RunRecord(self._root, name)
        spec = RunSpec(
            name=name,
            script=script.name,
            inputs={path: _blob_of(file) for path, file in files.items()},
            variables=given,
            resources=resources,
            checkpoints=checkpoints,
            cut_plan=cut_plan,
        )
        run = Run(self, name, record)
        if not self._is_submitted(record, spec):
            for file in files.values():
                record.put_file(file)
            if not record.submit(Submission(spec=spec)):
                self._is_submitted(record, spec)  # somebody was faster: the same run, or NameTaken
        if not record.newest_attempt():
            self._backend.start(record)
        return run

    def _is_submitted(self, record: RunRecord, spec: RunSpec) -> bool:
        """Whether this very run exists; NameTaken when another one has the name."""
        try:
            there = record.submission().spec
        except NoSuchRun:
            return False
        if there != spec:
            differ = [key for key in RunSpec.model_fields if getattr(there, key) != getattr(spec, key)]
            raise NameTaken(
                f"A run named {spec.name!r} exists with another specification ({', '.join(differ)} differ).",
                where=self.store,
                remedy="Choose another --name, or look at the old one: lammps-jobs status " + spec.name,
            )
        return True

    def run(self, name: str) -> Run:
        """The run of that name; NoSuchRun when there is none."""
        record = RunRecord(self._root, name)
        record.submission()
        return Run(self, name, record)

    def runs(self) -> list[Run]:
        """All runs in the store, by name."""
        return [Run(self, name, RunRecord(self._root, name)) for name in run_names(self._root)]

    def statuses(self) -> list[RunStatus]:
        """The states of all runs, by name, with few calls however many they are."""
        runs = self.runs()
        with self._backend.prefetch([run.record for run in runs]), ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda run: run.status, runs))


class Run:
    """One simulation that a user asked for, through all its attempts."""

    def __init__(self, cluster: Cluster, name: str, record: RunRecord) -> None:
        self.cluster, self.name, self.record = cluster, name, record

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    @property
    def spec(self) -> RunSpec:
        return self.record.submission().spec

    # -- looking ---------------------------------------------------------------------------------

    @property
    def status(self) -> RunStatus:
        """The state right now, put together from the record and the machine."""
        attempts = self.record.attempts()
        number = attempts[-1].number if attempts else 0
        end = self.record.ended(number) if number else None
        progress = self.record.progress(number) if number else None
        checkpoint = self._last_checkpoint() if number else None
        result = self.record.result() if number else None
        state, outlook = self._state(attempts, end, finished=result is not None)
        if state is None:
            return self.status
        return RunStatus(
            name=self.name,
            state=state,
            attempt=number,
            step=result.step if result else progress.step if progress else 0,
            target=progress.target if progress else 0,
            stage=progress.stage if progress else 0,
            reason=self._reason(state, end, outlook),
            where=end.where if end and state != "waiting" else "",
            remedy=outlook.remedy or (end.remedy if end and state != "waiting" else ""),
            exit_code=0 if result else end.exit_code if end else 0,
            checkpoint=checkpoint.seq if checkpoint else None,
            checkpoint_step=checkpoint.step if checkpoint else None,
            fidelity=self._fidelity() if number else Fidelity(),
        )

    def _state(
        self, attempts: list[Attempt], end: AttemptEnd | None, *, finished: bool
    ) -> tuple[State | None, JobStatus]:
        """The state; None when the attempt ended while we were looking, so that we have to look again."""
        if finished:
            return "finished", JobStatus("gone")
        if end and end.outcome in ("failed", "cancelled"):
            return end.outcome, JobStatus("gone")
        outlook = self.cluster._backend.status(self.record)
        state: State
        if outlook.phase == "pending":
            state = "waiting"
        elif outlook.phase == "running":  # so `end`, if there is one, is that of an attempt before
            state = "running" if attempts and self.record.progress(attempts[-1].number) else "starting"
        elif end:
            state = "interrupted"
        elif attempts and self.record.ended(attempts[-1].number):
            return None, outlook
        elif attempts:
            state = "lost"
        else:
            state = "failed"
            outlook = JobStatus("gone", outlook.reason or "No attempt ever started.", f"lammps-jobs resume {self.name}")
        return state, outlook

    @staticmethod
    def _reason(state: State, end: AttemptEnd | None, outlook: JobStatus) -> str:
        if state == "lost":
            return f"{_LOST} {outlook.reason}".strip()
        return outlook.reason if state == "waiting" or not end else end.reason

    def _last_checkpoint(self) -> Checkpoint | None:
        for seq in reversed(self.record.checkpoint_seqs()):
            with contextlib.suppress(Damaged):
                return self.record.checkpoint(seq)
        return None

    def _fidelity(self) -> Fidelity:
        resumes = [e.fidelity for e in self.events if e.kind == "resumed" and e.fidelity]
        return weakest(resumes)

    @property
    def progress(self) -> Progress | None:
        """What the newest attempt last said of itself; None before it said anything."""
        number = self.record.newest_attempt()
        return self.record.progress(number) if number else None

    def last_step_of(self, attempt: int) -> int | None:
        """The timestep that an attempt last said it had reached."""
        said = self.record.progress(attempt)
        return said.step if said else None

    @property
    def events(self) -> list[Event]:
        return self.record.events()

    def logs(self) -> str:
        """The whole log as LAMMPS would have written it, stitched over all attempts.

        Of an attempt that runs on this machine or failed it reaches to the present or to the
        failure, else to the last checkpoint.
        """
        recorded = self._joined(self.record.outputs().get(FULL_LOG))
        attempts = self.record.attempts()
        if attempts and not self.record.result():
            newest = attempts[-1]
            live = self.record.log(newest.number, FULL_LOG).encode() or self.cluster._backend.tail(
                self.record, FULL_LOG
            )
            if live:
                start = next((e.from_checkpoint for e in self.events if self._began(e, newest)), None)
                checkpoint = self.record.checkpoint(start) if start else None
                recorded = (self._joined(checkpoint.outputs.get(FULL_LOG)) if checkpoint else b"") + live
        return recorded.decode(errors="replace")

    @staticmethod
    def _began(event: Event, attempt: Attempt) -> bool:
        return event.kind == "resumed" and event.attempt == attempt.number

    def raw_log(self) -> str:
        """What LAMMPS itself printed in the newest attempt, for finding out what went wrong."""
        number = self.record.newest_attempt()
        return self.record.log(number, "lammps.raw.log") + self.record.log(number, "engine.out")

    def thermo(self) -> pandas.DataFrame:
        """The thermo table, one row per output step, stitched over attempts (see `thermo.table`)."""
        from lammps_jobs.formats.thermo import table

        return table(self.logs())

    def _joined(self, output: OutputFile | None) -> bytes:
        segments = output.segments if output else ()
        return b"".join(chunk for segment in segments for chunk in self.record.read_blob(segment))

    # -- acting ----------------------------------------------------------------------------------

    def wait(self, timeout_s: float | None = None, on_change: Callable[[RunStatus], None] | None = None) -> RunStatus:
        """Wait until the run is no longer running; `on_change` is called every half second.

        Raises TimeoutError after `timeout_s`.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause = 0.05
        while True:
            state = self.status
            if on_change:
                on_change(state)
            if state.is_ended:
                return state
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{self.name} is still {state.state} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(0.5, pause * 1.5)

    def interrupt(self) -> None:
        """Ask the running attempt to take a checkpoint and stop; returns at once."""
        self._require_going("interrupt")
        self.cluster._backend.interrupt(self.record)

    def kill(self) -> None:
        """Take the machine away from the running attempt, as a reclaimed Spot machine would go."""
        self._require_going("kill")
        self.cluster._backend.kill(self.record)

    def resume(self) -> None:
        """Start the next attempt from the newest good checkpoint.

        Raises WrongState when the run is running or finished.
        """
        state = self.status
        if not state.is_ended or state.state == "finished":
            raise WrongState(
                f"{self.name} is {state.state}; only a run that stopped can be resumed.",
                remedy=f"lammps-jobs status {self.name}",
            )
        self.cluster._backend.start(self.record)

    def shell(self) -> list[str]:
        """The command that opens a shell where the run is running: its folder here, its machine on a stack.

        Raises WrongState when it is not running, UsageError when the stack allows no shell.
        """
        self._require_going("look into")
        return self.cluster._backend.shell(self.record)

    def cancel(self, *, now: bool = False) -> None:
        """End the run for good, with a last checkpoint, or at once (`now`); what it wrote stays downloadable."""
        state = self.status
        if state.state == "finished":
            raise WrongState(f"{self.name} is finished.", remedy=f"lammps-jobs download {self.name} FOLDER")
        if not state.is_ended:
            self.cluster._backend.interrupt(self.record)
            if not now:
                self.wait(timeout_s=max(self.spec.checkpoints.grace_s, GRACE_S) + 10)
        number = self.record.newest_attempt() + 1
        claim = Attempt(number=number, host="", supervisor_pid=0, supervisor_started=0, scratch="")
        self.record.claim(claim)
        self.record.end(AttemptEnd(number=number, outcome="cancelled", reason="cancelled by the user"))

    def download(self, path: str | Path) -> list[Path]:
        """Write every output file under the folder `path`, joined over attempts; returns the files."""
        folder, written = Path(path), []
        for name, output in sorted(self.record.outputs().items()):
            if name in (FULL_LOG, FINAL_STATE):
                continue
            self.record.write_file(output.segments, folder / name)
            written.append(folder / name)
        return written

    def final_state(self) -> bytes:
        """Last positions and velocities of a rehearsed run in full precision; empty for any other."""
        return self._joined(self.record.outputs().get(FINAL_STATE))

    def _require_going(self, verb: str) -> None:
        if self.status.is_ended:
            raise WrongState(f"{self.name} is not running, so there is nothing to {verb}.")


_LOST = "The attempt vanished without a word: its machine was taken away, or it was killed."


def _name_from(script: Path) -> str:
    """`melt` from in.melt, melt.in and melt.lmp."""
    plain = script.name.removeprefix("in.").removesuffix(".in").removesuffix(".lmp").removesuffix(".lammps")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "run"


def _words(value: Values) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str | float | int) else tuple(str(item) for item in value)


def _blob_of(file: Path) -> Blob:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Blob(sha256=digest, size=file.stat().st_size)
