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
from lammps_jobs.engine.output_tracker import OutputTracker
from lammps_jobs.engine.run_monitor import RunMonitor
from lammps_jobs.engine.supervisor_line import SupervisorLine
from lammps_jobs.protocol.messages import EngineJob, Started
from lammps_jobs.record.documents import FINAL_STATE, FULL_LOG, ScriptLine

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

    def note(self, where: ScriptLine) -> None:
        """Keep the present line in a file, for whoever looks after a crash."""
        text = json.dumps([where.file, where.line, where.command[:300]]).encode()
        os.pwrite(self.where_file.fileno(), text.ljust(WHERE_SIZE), 0)

    def fetch(self, names: list[str]) -> None:
        """Have recorded outputs brought to the working folder, unless they lie there already."""
        for name in names:
            if not (self.outputs.folder / name).exists():
                self.line.fetch(name)
                self.outputs.know(name)


def open_root(
    job: EngineJob, lmp: Any, folder: Path, line: SupervisorLine, on_failure: Callable[[Exception], object]
) -> Root:
    """Follow LAMMPS's log and outputs from now on, and say that it is open."""
    log = LogStitcher(job.raw_log, job.full_log, folder, job.log, lmp.flush_buffers, dropping=bool(job.restore))
    recorded = job.restore.outputs if job.restore else ()
    outputs = OutputTracker(folder, job.inputs, {FULL_LOG: job.full_log, FINAL_STATE: job.final_state}, recorded)
    monitor = RunMonitor(lmp, line.handler, line.send, log.pump, on_failure)
    where_file = job.where.open("wb", buffering=0)
    line.send(Started(lammps_version=lmp.version(), ranks=job.ranks))
    monitor.start()
    return Root(line, line.handler, log, outputs, monitor, lmp, where_file)
