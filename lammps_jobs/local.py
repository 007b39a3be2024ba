"""The local backend: attempts are processes on this machine that outlive their submitter."""

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
from pathlib import Path

from lammps_jobs.models import Attempt


class LocalBackend:
    """Starts and signals supervisors on this machine, for the store at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self, name: str, *, debug: bool = False) -> None:
        """Start an attempt in the background; it goes on when this process ends."""
        scratch = Path(tempfile.mkdtemp(prefix="lammps-jobs-"))
        job = {"store": self.url, "run": name, "scratch": str(scratch), "debug": debug}
        with (scratch / "supervisor.out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "lammps_jobs.runner.supervisor", json.dumps(job)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._process, self._out = process, scratch / "supervisor.out"

    def failed_to_start(self) -> str:
        """What the supervisor last said when it ended already; empty while it runs."""
        if self._process.poll() in (None, 0):
            return ""
        return self._out.read_text(errors="replace").strip()[-2000:] if self._out.exists() else ""

    def is_alive(self, attempt: Attempt) -> bool:
        """Whether the attempt's supervisor still runs (a recycled process number is not it)."""
        import psutil

        try:
            process = psutil.Process(attempt.supervisor_pid)
            same = abs(process.create_time() - attempt.supervisor_started) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def live(self, attempt: Attempt, name: str) -> bytes:
        """What lies under `name` in the attempt's scratch folder; empty when that is not here."""
        path = Path(attempt.scratch) / f"attempt-{attempt.number}" / name
        with contextlib.suppress(OSError):
            if attempt.host == socket.gethostname():
                return path.read_bytes()
        return b""

    def forget(self, attempts: list[Attempt]) -> None:
        """Remove what attempts that are gone left on this machine; their record is in the store."""
        for attempt in attempts:
            if attempt.host == socket.gethostname() and attempt.scratch and not self.is_alive(attempt):
                shutil.rmtree(attempt.scratch, ignore_errors=True)

    def interrupt(self, attempt: Attempt) -> None:
        """Ask the attempt to take a checkpoint and stop."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(attempt.supervisor_pid, signal.SIGTERM)

    def kill(self, attempt: Attempt, engine_pid: int | None = None) -> None:
        """Take the machine away: SIGKILL to the supervisor and to the engine's process group."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(attempt.supervisor_pid, signal.SIGKILL)
        if engine_pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(engine_pid, signal.SIGKILL)
