"""A run: followed, interrupted, resumed and downloaded."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.api.display import table
from lammps_jobs.api.download import write
from lammps_jobs.api.status import Reading, RunStatus, derive, lineage_of
from lammps_jobs.backends.base import Backend, JobStatus
from lammps_jobs.errors import Damaged, LammpsJobsError, NotInstalled, OtherFormat, WrongState
from lammps_jobs.protocol.messages import PRINTED, RAW_LOG
from lammps_jobs.record.documents import (
    FINAL_STATE,
    FULL_LOG,
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
from lammps_jobs.record.run_record import RunRecord

if TYPE_CHECKING:
    import pandas

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
        """The state right now. Costs a constant number of requests to the store, and one question to the backend.

        Raises StoreError when the record cannot be read, CloudError when AWS cannot be asked.
        """
        for _ in range(LOOKS):
            seen = self._read()
            if seen.is_conclusive:
                return derive(seen, JobStatus("gone"))
            job = self._backend.status(self.record)
            ended_meanwhile = (
                job.phase == "gone" and seen.attempt and not seen.end and self.record.ended(seen.attempt.number)
            )
            if not ended_meanwhile:
                return derive(seen, job)
        return derive(self._read(), job)

    def _read(self) -> Reading:
        number, cancelled = self.record.newest()
        if not number:
            return Reading(self.name, cancelled=cancelled)
        return Reading(
            self.name,
            attempt=self.record.attempt(number),
            end=self.record.ended(number),
            progress=self.record.progress(number),
            checkpoint=self.checkpoint,
            result=self.record.result(),
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

    def logs(self) -> str:
        """The whole log as LAMMPS would have written it, stitched over all attempts.

        It reaches to the present where the attempt can be seen from here, to the failure of one that failed, else
        to the last checkpoint. Raises Damaged when a stored piece is missing or changed.
        """
        recorded = self._joined(self.record.outputs().get(FULL_LOG))
        newest = self.record.newest_attempt()
        if newest and not self.record.result():
            live = self.record.log(newest, FULL_LOG).encode() or self._backend.tail(self.record, FULL_LOG)
            if live:
                recorded = self._log_before(newest) + live
        return recorded.decode(errors="replace")

    def _log_before(self, attempt: int) -> bytes:
        """The log up to the checkpoint that the attempt resumed from."""
        resumes = (e.from_checkpoint for e in self.events if e.kind == "resumed" and e.attempt == attempt)
        start = next(resumes, None)
        checkpoint = self.record.checkpoint(start) if start else None
        return self._joined(checkpoint.outputs.get(FULL_LOG)) if checkpoint else b""

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

        The column `Stage` counts the script's runs; values are in the script's units. Empty before the first row.
        Raises NotInstalled without pandas.
        """
        from lammps_jobs.formats import thermo

        try:
            return thermo.table(self.logs())
        except ImportError as error:
            raise NotInstalled(
                f"The thermo table needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
            ) from None

    def outputs(self) -> dict[str, OutputFile]:
        """The output files by name, as far as they are on record.

        Of a finished run all that it wrote; of one that failed, was cancelled or lost its machine what it had written
        when it ended, where that could still be seen; else what the newest checkpoint has.
        """
        number = self.record.newest_attempt()
        remains = None
        if number and not self.record.result():
            if not self.record.ended(number):
                with contextlib.suppress(OSError, LammpsJobsError):  # what is on record can be had without
                    self._backend.salvage(self.record)
            remains = self.record.remains(number)
        found = remains.outputs if remains else self.record.outputs()
        return {name: output for name, output in sorted(found.items()) if not is_hidden(name)}

    def _joined(self, output: OutputFile | None) -> bytes:
        segments = output.segments if output else ()
        return b"".join(chunk for segment in segments for chunk in self.record.read_blob(segment))

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
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{self.name} is still {state.state} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(longest, pause * GROWTH)

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
        number of ranks makes a resume faithful at best) or `checkpoints`, where these are given.

        Raises WrongState when the run is running or finished.
        """
        state = self.status
        never_began = state.state == "waiting" and not state.attempt  # its submitter may have died: start looks again
        if not (state.is_ended or never_began) or state.state in ("finished", "unreadable"):
            raise WrongState(
                f"{self.name} is {state.state}; only a run that stopped can be resumed.",
                remedy=f"lammps-jobs status {self.name}",
            )
        if resources or checkpoints:
            spec = self.spec
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
            self.record.cancel(Cancelled(attempt=state.attempt))
        if not state.is_ended:
            with contextlib.suppress(*((WrongState,) if at_once else ())):  # from afar: it looks at its record itself
                self._backend.interrupt(self.record)
        if not at_once:
            ended = self.wait(timeout_s=max(self.spec.checkpoints.grace_s, GRACE_S) + 10, check=False)
            if ended.state != "finished":
                self.record.cancel(Cancelled(attempt=ended.attempt))
        if not self.record.newest()[1] and not self.record.result():  # somebody resumed it meanwhile
            self.cancel(now=now)

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
        return self._joined(self.record.outputs().get(FINAL_STATE))

    def _require_going(self, verb: str) -> None:
        if self.status.is_ended:
            raise WrongState(f"{self.name} is not running, so there is nothing to {verb}.")
