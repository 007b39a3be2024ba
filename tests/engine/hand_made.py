"""An engine that a test starts by itself: a job made by hand, and the supervisor's end of the line."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil

from lammps_jobs.protocol import alive
from lammps_jobs.protocol.channel import Channel
from lammps_jobs.protocol.engine_environment import ENGINE_ENVIRONMENT
from lammps_jobs.protocol.messages import REPORT, Cut, EngineJob, Failed, Fetch, Fetched, Finished, Report, Uploaded
from lammps_jobs.record.documents import CutPlan

R = TypeVar("R", bound=Report)

WITHIN_S = 60.0
BESIDE = Path(sys.executable).parent


def job_in(scratch: Path, script: str, **fields: Any) -> EngineJob:
    """A job whose working folder is `scratch`/work and holds the script as in.test."""
    (scratch / "work").mkdir(parents=True, exist_ok=True)
    (scratch / "work" / "in.test").write_text(script)
    return EngineJob(**{
        "script": "in.test", "variables": {}, "inputs": ("in.test",), "ranks": 1, "lammps_args": (),
        "scratch": scratch, "socket": Path("../engine.sock"), "alive": scratch / "alive", "every_s": 1e6,
        "no_checkpoint_stages": (), "cut_plan": CutPlan(), "is_rehearsed": False, **fields,
    })  # fmt: skip


def command_for(job: EngineJob) -> list[str]:
    """Writes the job to its scratch folder; the command line that starts an engine on it."""
    path = job.scratch / "job.json"
    path.write_text(job.model_dump_json())
    return [sys.executable, "-m", "lammps_jobs.engine", str(path)]


def mpirun(job: EngineJob) -> list[str]:
    return [str(BESIDE / "mpirun"), "-n", str(job.ranks)] if job.ranks > 1 else []


@contextlib.contextmanager
def started(job: EngineJob, command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The engine's process, in a session of its own, which is gone afterwards."""
    with (job.scratch / "printed").open("wb") as out:
        process = subprocess.Popen(command, cwd=job.scratch / "work", stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, **ENGINE_ENVIRONMENT, **environment})  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WITHIN_S)


def processes_of(job: EngineJob) -> list[psutil.Process]:
    """All processes that were started with the job's file, launchers included."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if any(str(job.scratch) in word for word in words) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_until(true: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)


class Supervised:
    """The supervisor's end: hears all that one engine says, and answers that everything was uploaded."""

    def __init__(self, job: EngineJob) -> None:
        self.job = job
        self.lock = alive.hold(job.alive)
        self._reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self.reports: list[Report] = []
        self.malformed: list[str] = []
        job_socket = job.scratch / "engine.sock"
        job_socket.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        before = os.getcwd()
        os.chdir(job.scratch)  # the addresses of sockets must be short
        self._server.bind("engine.sock")
        os.chdir(before)
        self._server.listen(1)

    def accept(self) -> None:
        self._server.settimeout(WITHIN_S)
        self.connection, _ = self._server.accept()
        self.channel: Channel[Report] = Channel(
            self.connection, REPORT, self._reports.put, self.malformed.append, lambda: self._reports.put(None)
        )

    def hear(self, kind: type[R], within_s: float = WITHIN_S) -> R:
        """The next report of that kind; those before it are answered and kept in `reports`."""
        end = time.monotonic() + within_s
        while True:
            report = self._reports.get(timeout=max(0.0, end - time.monotonic()))
            assert report is not None, f"the engine is gone; it said {self.reports[-3:]}"
            self.reports.append(report)
            if isinstance(report, Cut):
                self.channel.send(Uploaded(number=report.number))
            if isinstance(report, Fetch):
                self.channel.send(Fetched(name=report.name))
            if isinstance(report, kind):
                return report
            assert not isinstance(report, Failed | Finished), report

    def close(self) -> None:
        self._server.close()
        self.lock.close()


@contextlib.contextmanager
def supervised(job: EngineJob, **environment: str) -> Iterator[Supervised]:
    """An engine at work on the job, connected."""
    ours = Supervised(job)
    try:
        with started(job, [*mpirun(job), *command_for(job)], **environment):
            ours.accept()
            yield ours
    finally:
        ours.close()
