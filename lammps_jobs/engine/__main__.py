"""`python -m lammps_jobs.engine JOBFILE`, on every rank under mpirun; `--check` says whether LAMMPS works here.

An engine ends on every rank or on none: whichever rank fails leaves by `os._exit`, without the goodbyes of MPI in
which it would wait for the others, and mpirun ends those; whichever outlives its supervisor ends itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Literal, NoReturn

from lammps_jobs.engine import capture
from lammps_jobs.engine.check import check
from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.interpreter import Interpreter, Quit
from lammps_jobs.engine.restored_state import CannotContinue
from lammps_jobs.engine.session import Session, Stopped, open_session
from lammps_jobs.engine.set_up import MemoryNotGivenBack
from lammps_jobs.engine.supervisor_line import ABANDONED, SupervisorLine
from lammps_jobs.protocol import alive
from lammps_jobs.protocol.engine_environment import TUNABLES
from lammps_jobs.protocol.messages import EngineJob, Failed
from lammps_jobs.record.documents import ScriptLine
from lammps_jobs.script.language import ScriptFault

FAILED = 3
LAST_WORDS_S = 3.0
"""Seconds that the other ranks leave to rank 0 to say why all of them failed: mpirun ends it when they end."""


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return check()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the supervisor decides when to stop
    os.environ.pop(TUNABLES, None)  # read by now; the script's own commands shall not inherit it
    engine = _Engine()
    try:
        engine.run(Path(sys.argv[1]))
    except BaseException as error:
        engine.fail(error)
    return 0


class _Engine:
    """What there is of this rank's engine by the time it may fail."""

    def __init__(self) -> None:
        self.communicator: Communicator | None = None
        self.line: SupervisorLine | None = None
        self.session: Session | None = None

    def run(self, path: Path) -> None:
        job = EngineJob.model_validate_json(path.read_bytes())
        alive.watch(job.alive, lambda: os._exit(ABANDONED))
        self.communicator = Communicator(job.ranks)
        if self.communicator.is_root:
            self.line = SupervisorLine(job.socket, CheckpointHandler(job.cut_plan, job.every_s), self.fail)
        self.session = open_session(job, self.communicator, self.line, self.fail)
        stopped = False
        try:
            Interpreter(self.session).follow()
        except Stopped:
            stopped = True
        except Quit:
            pass
        self.communicator.wait()
        capture.finish(self.session, stopped=stopped)

    def fail(self, error: BaseException) -> NoReturn:
        """Say why, and end at once, from whatever thread."""
        traceback.print_exception(error)
        sys.stderr.flush()
        if self.session and self.session.final_step is None and self._is_at_work(self.session):
            with contextlib.suppress(Exception):  # the report matters more than the last lines of log and outputs
                self.session.flush()
                self.session.drop_log(False)
        if self.line:
            with contextlib.suppress(Exception):
                self.line.settle(LAST_WORDS_S)  # a checkpoint from before the failure is as good as any
                self.line.send(self._report(error))
        elif self.communicator and self.communicator.size > 1:
            time.sleep(LAST_WORDS_S)
        os._exit(FAILED)

    def _is_at_work(self, session: Session) -> bool:
        """Whether this thread is one that works the session, and not one that listens or looks on."""
        return threading.current_thread() is threading.main_thread() or bool(session.lmp.thread.is_current)

    def _report(self, error: BaseException) -> Failed:
        cause, session = cause_of(error), self.session
        return Failed(
            cause=cause, where=session.where if session else ScriptLine(), text=text_of(error),
            stage=session.stage if session else 0, step=session.step if session else 0,
            traceback="".join(traceback.format_exception(error)) if cause == "internal" else "",
        )  # fmt: skip


def cause_of(error: BaseException) -> Literal["script", "resume", "memory", "machine", "internal"]:
    """Whose fault it is. LAMMPS's Python module raises its errors as plain `Exception` or MPIAbortException."""
    if isinstance(error, CannotContinue):
        return "resume"
    if isinstance(error, MemoryNotGivenBack):
        return "memory"
    if isinstance(error, OSError):
        return "machine"
    is_of_lammps = type(error) is Exception or type(error).__name__ == "MPIAbortException"
    return "script" if is_of_lammps or isinstance(error, ScriptFault) else "internal"


def text_of(error: BaseException) -> str:
    """LAMMPS's own lines about an error; of another one its first line."""
    text = str(getattr(error, "message", error))
    lines = [line for line in text.splitlines() if "ERROR" in line or "docs.lammps.org/err" in line]
    lines = lines or text.splitlines()[:1]
    first = "\n".join(lines).strip()
    return first if cause_of(error) != "internal" else f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    sys.exit(main())
