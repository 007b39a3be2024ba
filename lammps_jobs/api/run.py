"""A run: followed, interrupted, resumed and downloaded."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from lammps_jobs.api import interop
from lammps_jobs.api.costs import Cost, cost_of
from lammps_jobs.api.display import Plot, table
from lammps_jobs.api.download import write
from lammps_jobs.api.files import opened
from lammps_jobs.api.log import LogReader, joined
from lammps_jobs.api.status import Reading, RunStatus, derive, lineage_of, unknown_attempt
from lammps_jobs.backends.base import Backend, JobStatus
from lammps_jobs.errors import (
    BudgetSpent,
    Damaged,
    LammpsJobsError,
    NoSuchRun,
    NotInstalled,
    OtherFormat,
    WrongState,
    machine_time,
)
from lammps_jobs.formats.units import units_in
from lammps_jobs.protocol.messages import PRINTED, RAW_LOG
from lammps_jobs.record import layout
from lammps_jobs.record.documents import (
    FINAL_STATE,
    Cancelled,
    Checkpoint,
    Checkpoints,
    Event,
    OutputFile,
    Progress,
    Resources,
    RunSpec,
    is_hidden,
)
from lammps_jobs.record.labels import checked_note, checked_tags, labels_of, relabel
from lammps_jobs.record.machine_time import held
from lammps_jobs.record.run_record import RunRecord, glance_of
from lammps_jobs.record.summary import Summary, cancelled

if TYPE_CHECKING:
    import pandas

REPORT = "lammps_jobs.report"
GRACE_S = 120.0
"""Seconds that an interruption may take on a stack."""
LOOKS = 5
"""How often the record is read again because an attempt ended between reading it and asking the backend."""
POLL_S, GROWTH = (0.05, 0.5), 1.1
"""Pause between two looks at a run that is waited for: the first, the longest, and by what it grows from one to the
next: an end is noticed within a tenth of the time that it took."""


class Run:
    """One simulation that a user asked for, through all its attempts.

    `Cluster.submit` and `Cluster.run` return it. `record` is what is stored of it, for code of this library.
    """

    def __init__(self, record: RunRecord, backend: Backend, *, is_new: bool = False) -> None:
        self.record, self._backend = record, backend
        self.is_new = is_new
        """Whether the submission that returned this run made it; False when the same was there before."""

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    def _repr_html_(self) -> str:
        return table([self.status])

    @property
    def name(self) -> str:
        """The run's name, unique in its store."""
        return self.record.name

    @property
    def spec(self) -> RunSpec:
        """What was asked for, with what a resume asked for anew."""
        return self.record.wanted()

    # -- looking ---------------------------------------------------------------------------------

    @property
    def status(self) -> RunStatus:
        """The state right now. Costs three requests to the store where the run's head is up to date, a constant number
        otherwise, and one question to the backend.

        Raises StoreError when the record cannot be read, CloudError when AWS cannot be asked.
        """
        head = self.record.head()
        if head and head.attempt and (found := self._status_by(head)):
            return found
        for _ in range(LOOKS):
            seen = self._read()
            if seen.is_conclusive:
                return derive(seen, JobStatus("gone"))
            never_began = self.record.glance({}, {layout.ATTEMPTS: []})  # as was just seen
            job = self._backend.status(self.record if seen.attempt else never_began)
            ended_meanwhile = (
                job.phase == "gone" and seen.attempt and not seen.end and self.record.ended(seen.attempt.number)
            )
            if not ended_meanwhile:
                return derive(seen, job)
        return derive(self._read(), job)

    def _status_by(self, head: Summary) -> RunStatus | None:
        """The state as the run's head tells it; None where the record says that it is out of date.

        The attempts are listed after the backend was asked: of one that is gone nothing more will come.
        """
        seen, number, record = Reading.of(self.name, head), head.number, self.record
        job = JobStatus("gone")
        if not seen.is_conclusive:
            job = self._backend.status(glance_of(self.record, head))
        if job.phase == "gone" and not head.result:
            objects, folders = record.top()
            if layout.RESULT in objects:  # maybe of an attempt that was overtaken
                return None
            record = record if layout.JOBS in folders else record.glance({}, {layout.JOBS: []})
        if record.newest_of_all() != (number, head.end is not None, head.cancelled):
            return None
        if job.phase == "running":
            seen = replace(seen, progress=self.record.progress(number) or seen.progress)
        return derive(seen, job)

    def _read(self) -> Reading:
        number, cancelled = self.record.newest()
        if not number:
            found = self.record.cancelled(0) if cancelled else None
            return Reading(self.name, cancelled=cancelled, called_off=found.why if found else "")
        attempt, end = self.record.attempt(number) or unknown_attempt(number), self.record.ended(number)
        has_failed = end is not None and end.outcome == "failed"
        newest_job = self.record.newest_job()[1] if has_failed and attempt.job else ""
        return Reading(
            self.name,
            attempt=attempt,
            end=end,
            is_asked_for_anew=newest_job not in ("", attempt.job),
            progress=self.record.progress(number),
            checkpoint=next(self.record.manifests(), None),
            result=self.record.finished(),
            cancelled=cancelled,
        )

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest readable checkpoint; None when there is none."""
        for seq in reversed(self.record.checkpoint_seqs()):
            with contextlib.suppress(Damaged, OtherFormat):
                return self.record.checkpoint(seq)
        return None

    @property
    def resumed_at(self) -> tuple[tuple[int, int], ...]:
        """(stage, timestep) of the checkpoints that the run was resumed from, in order.

        Of a run that fell back, only those that lie behind what it has now.
        """
        return lineage_of(self._read()).resumed_at

    @property
    def progress(self) -> Progress | None:
        """What the newest attempt last published of itself; None before it did."""
        number = self.record.newest_attempt()
        return self.record.progress(number) if number else None

    @property
    def events(self) -> list[Event]:
        """What happened in all attempts, in order of time. Costs one request an event."""
        return self.record.events()

    @property
    def cost(self) -> Cost:
        """Machine time by attempt, what interruptions cost, and money where prices are known. Raises StoreError."""
        return cost_of(self, dict(self._backend.prices()))

    def logs(self) -> str:
        """The whole log as LAMMPS would have written it, stitched over all attempts.

        It reaches to the present where the attempt can be seen from here, to the failure of one that failed, else
        to the last checkpoint. Raises Damaged when a stored piece is missing or changed.
        """
        return LogReader(self.record, self._backend).more()

    def follow_log(self) -> Callable[[], str]:
        """A function that returns the log so far, and when it is called again what was added to it since."""
        return LogReader(self.record, self._backend).more

    def raw_log(self) -> str:
        """What LAMMPS itself printed in the newest attempt, for finding out what went wrong."""
        number = self.record.newest_attempt()
        recorded = self.record.log(number, RAW_LOG) + self.record.log(number, PRINTED)
        if recorded or not number:
            return recorded
        live = (self._backend.tail(self.record, name) for name in (RAW_LOG, PRINTED))
        return "".join(text.decode(errors="replace") for text in live)

    def thermo(self) -> pandas.DataFrame:
        """The thermo table, stitched over attempts: one row per thermo step, one column per keyword.

        The column `Stage` counts the script's runs. Values are in the script's units: `attrs["units"]` names those of
        LAMMPS's own columns. Empty before the first row. Raises NotInstalled without pandas.
        """
        from lammps_jobs.formats import thermo

        log = self.logs()
        try:
            return thermo.table(log, self.units or units_in(log))
        except ImportError as error:
            raise NotInstalled(
                f"The thermo table needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
            ) from None

    @property
    def units(self) -> str:
        """LAMMPS's unit style, as an attempt has told it; empty before one did."""
        numbers = range(self.record.newest_attempt(), 0, -1)
        found = (self.record.progress(number) for number in numbers)
        return next((progress.units for progress in found if progress and progress.units), "")

    def plot(self, *columns: str) -> Plot:
        """Charts of the thermo output, of all columns or of those named, for notebooks; `Plot.save` writes a page.

        Raises UsageError for a column that there is not.
        """
        progress, log = self.progress, self.logs()
        draw = import_module(f"{REPORT}.plot").page  # a room above this one, like backends found by name
        return Plot(self.name, draw(log, self.units or units_in(log), progress.timestep if progress else None, columns))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page that `lammps-jobs report` writes, `NAME.html` by default; returns where it is.

        Raises NotInstalled without the extra `analysis`, StoreError where it cannot be written.
        """
        made: Path = import_module(f"{REPORT}.page").write(
            self, Path(path if path is not None else f"{self.name}.html")
        )
        return made

    @overload
    def open(self, name: str, mode: Literal["r"] = "r") -> IO[str]: ...
    @overload
    def open(self, name: str, mode: Literal["rb"]) -> IO[bytes]: ...
    def open(self, name: str, mode: Literal["r", "rb"] = "r") -> IO[str] | IO[bytes]:
        """An output as a file, joined over attempts and read as it is asked for; in text or, with "rb", in bytes.

        Raises NoSuchRun when there is no such output (yet), Damaged while it is read.
        """
        outputs = self.outputs()
        if name not in outputs:
            meant = difflib.get_close_matches(name, outputs, 1)
            remedy = f"Did you mean {meant[0]}?" if meant else f"lammps-jobs files {self.name}"
            raise NoSuchRun(
                f"{self.name} has no output {name!r}.", where=", ".join(outputs) or "no outputs yet", remedy=remedy
            )
        return opened(self.record, outputs[name].segments, mode)

    def universe(self, trajectory: str | None = None, topology: str | None = None, **options: Any) -> Any:
        """The trajectory as an MDAnalysis Universe: of the data file that the script wrote or read, and of the output
        `trajectory`, which need not be named where there is one (dcd, xtc, lammpstrj). `options` are MDAnalysis's own.

        Its files are copies, which go when it goes. Raises NotInstalled without MDAnalysis, UsageError, WrongState.
        """
        return interop.universe(self, trajectory, topology, options)

    def atoms(
        self, name: str | None = None, *, index: int | str = -1, species: Sequence[str] = (), **options: Any
    ) -> Any:  # fmt: skip
        """ASE's Atoms: of the data file that the script wrote last, else the frame `index` of its dump (a slice, as
        `":"`, makes a list); or of the output `name`. `species` are the chemical symbols of the types, from type 1 on.
        ASE converts to its own units but for lj, which it does not know: those numbers are taken for metal units.

        Raises NotInstalled without ASE, UsageError, WrongState where there is nothing to read.
        """
        return interop.atoms(self, name, index, species, options)

    def outputs(self) -> dict[str, OutputFile]:
        """The output files by name, as far as they are on record.

        Of a finished run all that it wrote; of one that failed, was cancelled or lost its machine what it had written
        when it ended, where that could still be seen; else what the newest checkpoint has.
        """
        number = self.record.newest_attempt()
        remains = None
        if number and not self.record.finished():
            if not self.record.ended(number):
                with contextlib.suppress(OSError, LammpsJobsError):  # what is on record can be had without
                    self._backend.salvage(self.record)
            remains = self.record.remains(number)
        found = remains.outputs if remains else self.record.outputs()
        return {name: output for name, output in sorted(found.items()) if not is_hidden(name)}

    # -- labels ----------------------------------------------------------------------------------

    @property
    def tags(self) -> tuple[str, ...]:
        """Words by which its user finds it again (`Cluster.listing(tag=...)`, `lammps-jobs list --tag`)."""
        return labels_of(self.record).tags

    def tag(self, *tags: str) -> None:
        """Add tags. They change nothing of the run, whatever its state. Raises UsageError, StoreError."""
        new = checked_tags(tags)
        relabel(self.record, lambda old: old.model_copy(update={"tags": tuple(dict.fromkeys((*old.tags, *new)))}))

    def untag(self, *tags: str) -> None:
        """Take tags off; those that it does not have are passed over. Raises StoreError."""
        relabel(
            self.record, lambda old: old.model_copy(update={"tags": tuple(t for t in old.tags if t not in set(tags))})
        )

    @property
    def note(self) -> str:
        """What its user wrote about it; assign a text to write another. Raises UsageError, StoreError."""
        return labels_of(self.record).note

    @note.setter
    def note(self, text: str) -> None:
        new = checked_note(text)
        relabel(self.record, lambda old: old.model_copy(update={"note": new}))

    # -- acting ----------------------------------------------------------------------------------

    def wait(
        self, timeout_s: float | None = None, on_change: Callable[[RunStatus], None] | None = None, *,
        check: bool = True,
    ) -> RunStatus:  # fmt: skip
        """Wait until the run is no longer running; `on_change` is called every half second.

        A run that did not finish raises what ended it, unless `check` is False: ScriptError for an error of LAMMPS,
        Interrupted when it was interrupted, cancelled or lost its machine. Raises TimeoutError after `timeout_s`.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause, longest = POLL_S
        while True:
            state = self.status
            if on_change:
                on_change(state)
            if state.is_ended:
                if check:
                    state.check()
                return state
            self.look_after(state)
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{self.name} is still {state.state} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(longest, pause * GROWTH)

    def look_after(self, state: RunStatus) -> None:
        """Start a run that follows others, and that is in this state, where it is time; `wait` does so."""
        if state.state == "waiting" and not state.attempt and self.record.submission().after:
            self._backend.look_after(self.record)

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Wait until no process of the run is left; True when none is.

        `wait` returns as soon as the end is on record; the attempt still saves its logs then, and cleans up.
        """
        return self._backend.settle(self.record, timeout_s)

    def interrupt(self) -> None:
        """Ask the running attempt to take a checkpoint and stop; returns at once.

        Raises WrongState when the run is not running.
        """
        self._require_going("interrupt")
        self._backend.interrupt(self.record)

    def kill(self) -> None:
        """Take the machine away from the running attempt, as a reclaimed Spot machine would go: for rehearsals, tests.

        Raises WrongState when the run is not running, and always on AWS.
        """
        self._require_going("kill")
        self._backend.kill(self.record)

    def resume(self, *, resources: Resources | None = None, checkpoints: Checkpoints | None = None) -> None:
        """Start the next attempt from the newest good checkpoint; it and all later ones with other `resources` (another
        number of ranks makes a resume faithful at best) or `checkpoints`, where these are given. One that waits for
        others to finish starts at once.

        Raises WrongState when the run is running or finished, BudgetSpent when its budget leaves nothing.
        """
        state = self.status
        never_began = state.state == "waiting" and not state.attempt  # its submitter may have died: start looks again
        if not (state.is_ended or never_began) or state.state in ("finished", "unreadable"):
            raise WrongState(
                f"{self.name} is {state.state}; only a run that stopped can be resumed.",
                remedy=f"lammps-jobs status {self.name}",
            )
        spec = self.spec
        budget_s = (resources or spec.resources).budget_s
        if budget_s and (used_s := sum(one.seconds for one in held(self.record))) >= budget_s:
            raise BudgetSpent(
                f"{self.name} has used {machine_time(used_s)} of machine time; its budget is {machine_time(budget_s)}.",
                remedy=f"Give it more: lammps-jobs resume {self.name} --budget {machine_time(2 * used_s)}",
            )
        if resources or checkpoints:
            self.record.amend(resources or spec.resources, checkpoints or spec.checkpoints)
        self._backend.start(self.record)

    def shell(self) -> list[str]:
        """The command that opens a shell where the run is running: its folder here, its machine on a stack.

        Raises WrongState when it is not running, UsageError when the stack allows no shell.
        """
        self._require_going("look into")
        return self._backend.shell(self.record)

    def cancel(self, *, now: bool = False) -> None:
        """End the run, with a last checkpoint, or at once (`now`); what it wrote stays downloadable.

        Nothing starts it again but `resume`. A run that is cancelled already stays as it is. Raises WrongState when
        the run is finished.
        """
        state = self.status
        if state.state == "finished":
            raise WrongState(f"{self.name} is finished.", remedy=f"lammps-jobs download {self.name} FOLDER")
        if state.state == "cancelled":
            return
        at_once = state.is_ended or now or not state.attempt
        if at_once:
            self._mark_cancelled(state.attempt)
        if not state.is_ended:
            with contextlib.suppress(*((WrongState,) if at_once else ())):  # from afar: it looks at its record itself
                self._backend.interrupt(self.record)
        if not at_once:
            ended = self.wait(timeout_s=max(self.spec.checkpoints.grace_s, GRACE_S) + 10, check=False)
            if ended.state != "finished":
                self._mark_cancelled(ended.attempt)
        if not self.record.newest()[1] and not self.record.finished():  # somebody resumed it meanwhile
            self.cancel(now=now)

    def _mark_cancelled(self, attempt: int) -> None:
        self.record.cancel(Cancelled(attempt=attempt))
        self.record.tell_of(lambda seen: cancelled(seen, attempt))

    def download(
        self, path: str | Path | None = None, *, overwrite: bool = False, only: Iterable[str] = ()
    ) -> list[Path]:
        """Write every output file under the folder `path`, joined over attempts; returns the files.

        The folder is the run's name by default. What the script wrote outside its folder comes below `outside`. `only`
        are patterns of names (`*.dat`). Files that are there already and equal are left alone.

        Raises WouldOverwrite, before it writes, where another file is in the way, unless `overwrite`; Damaged when a
        stored piece is missing or changed, StoreError when one cannot be read or written.
        """
        patterns = tuple(only)
        chosen = {
            name: output for name, output in self.outputs().items()
            if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
        }  # fmt: skip
        return write(self.record, chosen, Path(path if path is not None else self.name), overwrite=overwrite)

    def final_state(self) -> bytes:
        """Last positions and velocities of a rehearsed run in full precision; empty for any other."""
        return joined(self.record, self.record.outputs().get(FINAL_STATE))

    def _require_going(self, verb: str) -> None:
        if self.status.is_ended:
            raise WrongState(f"{self.name} is not running, so there is nothing to {verb}.")


def summary_of(run: Run) -> Summary | None:
    """What the run's head should tell, from its record; None of one that cannot be read."""
    try:
        seen, submission, first = run._read(), run.record.submission(), run.record.attempt(1)
    except (Damaged, OtherFormat, NoSuchRun):
        return None
    return Summary(
        submitted=submission.submitted, began=first.claimed if first else None, attempt=seen.attempt, end=seen.end,
        progress=seen.progress, result=seen.result, cancelled=seen.cancelled,
        checkpoint=seen.checkpoint.model_copy(update={"restart": {}}) if seen.checkpoint else None,
    )  # fmt: skip
