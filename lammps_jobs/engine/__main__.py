"""`python -m lammps_jobs.engine JOBFILE`, on every rank under mpirun; `--check` says whether LAMMPS works here.

An engine ends on every rank or on none: whichever rank fails leaves by `os._exit`, without the goodbyes of MPI in
which it would wait for the others, and mpirun ends those; whichever outlives its supervisor ends itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Literal, NoReturn

from lammps_jobs.engine.check import check
from lammps_jobs.engine.checkpoint_handler import Watch
from lammps_jobs.engine.communicator import Ranks
from lammps_jobs.engine.interpreter import Engine, Finished, Stopped
from lammps_jobs.engine.restored_state import CannotContinue
from lammps_jobs.protocol import alive
from lammps_jobs.protocol.messages import EngineJob, Failed
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.script.language import ScriptFault

FAILED = 3
ABANDONED = 99
"""Exit code of a rank whose supervisor is gone."""
LAST_WORDS_S = 3.0
"""Seconds that the other ranks leave to rank 0 to say why all of them failed: mpirun ends it when they end."""


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return check()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the supervisor decides when to stop
    start = _Start()
    try:
        start.run(Path(sys.argv[1]))
    except BaseException as error:
        start.fail(error)
    return 0


class _Start:
    """What there is of an engine by the time it may fail."""

    def __init__(self) -> None:
        self.ranks: Ranks | None = None
        self.watch: Watch | None = None
        self.engine: Engine | None = None

    def run(self, path: Path) -> None:
        job = EngineJob.model_validate_json(path.read_bytes())
        alive.watch(job.alive, lambda: os._exit(ABANDONED))
        self.ranks = Ranks(job.ranks)
        self.watch = Watch(job) if self.ranks.me == 0 else None
        self.engine = Engine(job, self.ranks, self.watch)
        stopped = False
        try:
            self.engine.run()
        except Stopped:
            stopped = True
        except Finished:
            pass
        self.ranks.wait()
        self.engine.finish(stopped=stopped)

    def fail(self, error: BaseException) -> NoReturn:
        traceback.print_exception(error)
        sys.stderr.flush()
        if self.watch:
            with contextlib.suppress(Exception):  # the report matters more than the log's last lines
                self.watch.log.drop(False)
            with contextlib.suppress(Exception):
                self.watch.failed(self._report(error))
        elif self.ranks:
            time.sleep(LAST_WORDS_S)
        os._exit(FAILED)

    def _report(self, error: BaseException) -> Failed:
        cause, text = _cause_of(error), _text_of(error)
        trace = "".join(traceback.format_exception(error)) if cause == "internal" else ""
        engine = self.engine
        if engine is None:
            return Failed(cause=cause, where=ScriptLine(), text=text, stage=0, step=0, traceback=trace)
        return Failed(cause=cause, where=engine.where, text=text, stage=engine.stage, step=engine.step(),
                      traceback=trace)  # fmt: skip


def _cause_of(error: BaseException) -> Literal["script", "resume", "internal"]:
    """Whose fault it is. LAMMPS's Python module raises its errors as plain `Exception` or MPIAbortException."""
    if isinstance(error, CannotContinue):
        return "resume"
    plain = type(error) is Exception or type(error).__name__ == "MPIAbortException"
    return "script" if plain or isinstance(error, ScriptFault) else "internal"


def _text_of(error: BaseException) -> str:
    """LAMMPS's own lines about an error; of another one its first line."""
    text = str(getattr(error, "message", error))
    lines = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[:1]
    said = "\n".join(lines).strip()
    return said if _cause_of(error) != "internal" else f"{type(error).__name__}: {said}"


if __name__ == "__main__":
    sys.exit(main())
