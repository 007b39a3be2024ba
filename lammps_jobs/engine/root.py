"""What rank 0 alone has: the line to the supervisor, the log, the outputs, and what watches a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.engine.log_stitcher import LogStitcher
from lammps_jobs.engine.output_tracker import Grown, OutputTracker
from lammps_jobs.engine.run_monitor import RunMonitor
from lammps_jobs.engine.sources import Sources
from lammps_jobs.engine.supervisor_line import SupervisorLine
from lammps_jobs.protocol.messages import EngineJob, Started, Warned
from lammps_jobs.protocol.remains import marks_file
from lammps_jobs.record.documents import FINAL_STATE, FULL_LOG, Equipment, ScriptLine

WHERE_SIZE = 1024


@dataclass
class Root:
    line: SupervisorLine
    handler: CheckpointHandler
    log: LogStitcher
    outputs: OutputTracker
    monitor: RunMonitor
    lmp: Any
    where_file: IO[bytes]
    owed: Path
    """A file for what the record has of one that is open."""
    sources: Sources
    scratch: Path

    def mark(self, cut: int, rewritten: frozenset[str]) -> None:
        """Keep what was recorded with that cut in a file, for whoever looks for the rest when the engine is gone."""
        path = marks_file(self.scratch, cut)
        partial = path.with_suffix(".part")
        partial.write_text(self.outputs.marks(rewritten).model_dump_json())
        partial.replace(path)

    def note(self, where: ScriptLine) -> None:
        """Keep the present line in a file, for whoever looks after a crash."""
        text = json.dumps([where.file, where.line, where.command[:300]]).encode()
        os.pwrite(self.where_file.fileno(), text.ljust(WHERE_SIZE), 0)

    def bring(self, names: list[str]) -> list[Grown]:
        """Have recorded outputs brought to the folder, as wholes; returns which files that are open have grown."""
        grown = []
        with self.log.resting():
            for name in names:
                if name in self.outputs.absent:
                    self.line.fetch(name, self.outputs.folder / name)
                    self.outputs.know(name)
                elif (found := self._give_back(name)) is not None:
                    grown.append(found)
        return grown

    def _give_back(self, name: str) -> Grown | None:
        self.line.fetch(name, self.owed)
        try:
            return self.outputs.give_back(name, self.owed)
        finally:
            self.owed.unlink()


def _equipment(job: EngineJob) -> Equipment:
    """What LAMMPS computes with here, as the environment of the engine's own processes says it."""
    get = os.environ.get
    return Equipment(
        switches=job.lammps_args, threads=int(get("OMP_NUM_THREADS") or "1"), gpu=get("LAMMPS_JOBS_GPU_ARCH", ""),
        image=get("LAMMPS_JOBS_IMAGE", ""),
    )  # fmt: skip


def open_root(
    job: EngineJob, lmp: Any, folder: Path, line: SupervisorLine, on_failure: Callable[[Exception], object]
) -> Root:
    """Follow LAMMPS's log and outputs from now on, and say that it is open."""
    resumed = job.restore
    log = LogStitcher(
        job.raw_log, job.full_log, None if resumed else job.log, lmp.flush_buffers, dropping=resumed is not None
    )
    outputs = OutputTracker(
        folder, job.inputs, {FULL_LOG: job.full_log, FINAL_STATE: job.final_state},
        before=resumed.outputs if resumed else (), executables=resumed.executables if resumed else (),
        headed=resumed.headed if resumed else (), top=job.top,
    )  # fmt: skip
    monitor = RunMonitor(lmp, line.handler, line.send, log.pump, on_failure)
    where_file = job.where.open("wb", buffering=0)
    line.send(Started(lammps_version=lmp.version(), ranks=job.ranks, equipment=_equipment(job)))
    for note in job.notes:
        line.send(Warned(text=note))
    monitor.start()
    return Root(
        line,
        line.handler,
        log,
        outputs,
        monitor,
        lmp,
        where_file,
        job.scratch / "owed",
        Sources(job.scratch / "sources", outputs, line.fetch),
        job.scratch,
    )
