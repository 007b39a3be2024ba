"""The local backend: attempts are processes on this machine that outlive their submitter."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lammps_jobs.backends.base import JobStatus
from lammps_jobs.errors import LammpsJobsError, WrongState
from lammps_jobs.record.documents import Attempt
from lammps_jobs.record.run_record import RunRecord

START_S = 30.0


class LocalBackend:
    """Starts and signals supervisors on this machine, for the store at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self, record: RunRecord) -> None:
        """Start an attempt in the background and wait until it has claimed its number."""
        before = record.newest_attempt()
        self._forget(record.attempts())
        process, said = self._launch(record.name)
        end = time.monotonic() + START_S
        while record.newest_attempt() == before:
            if process.poll() not in (None, 0) or time.monotonic() > end:
                text = said.read_text(errors="replace").strip()[-2000:] if said.exists() else ""
                raise LammpsJobsError("The attempt did not start.", where=text, remedy="Try again with --debug.")
            time.sleep(0.02)

    def _launch(self, name: str) -> tuple[subprocess.Popen[bytes], Path]:
        scratch = Path(tempfile.mkdtemp(prefix="lammps-jobs-"))
        job = {"store": self.url, "run": name, "scratch": str(scratch)}
        with (scratch / "supervisor.out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "lammps_jobs.supervisor", json.dumps(job)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        return process, scratch / "supervisor.out"

    def prefetch(self, records: Sequence[RunRecord]) -> contextlib.AbstractContextManager[None]:
        """Nothing to prepare: a process is looked up in no time."""
        return contextlib.nullcontext()

    def status(self, record: RunRecord) -> JobStatus:
        attempts = record.attempts()
        runs = not attempts or (self._is_alive(attempts[-1]) and not record.ended(attempts[-1].number))
        return JobStatus("running" if runs else "gone")

    def _is_alive(self, attempt: Attempt) -> bool:
        """Whether the attempt's supervisor still runs (a recycled process number is not it)."""
        import psutil

        try:
            process = psutil.Process(attempt.supervisor_pid)
            same = abs(process.create_time() - attempt.supervisor_started) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def tail(self, record: RunRecord, name: str) -> bytes:
        attempt = record.attempts()[-1]
        path = Path(attempt.scratch) / f"attempt-{attempt.number}" / name
        with contextlib.suppress(OSError):
            if attempt.host == socket.gethostname():
                return path.read_bytes()
        return b""

    def shell(self, record: RunRecord) -> list[str]:
        """A shell in the working folder of the attempt that runs."""
        attempt = record.attempts()[-1]
        folder = Path(attempt.scratch) / f"attempt-{attempt.number}" / "work"
        if attempt.host != socket.gethostname() or not folder.is_dir():
            raise WrongState(f"{record.name} does not run on this machine.", remedy=f"lammps-jobs status {record.name}")
        return ["sh", "-c", f'cd {shlex.quote(str(folder))} && exec "${{SHELL:-sh}}"']

    def _forget(self, attempts: list[Attempt]) -> None:
        """Remove what attempts that are gone left on this machine; their record is in the store."""
        for attempt in attempts:
            if attempt.host == socket.gethostname() and attempt.scratch and not self._is_alive(attempt):
                shutil.rmtree(attempt.scratch, ignore_errors=True)

    def interrupt(self, record: RunRecord) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.attempts()[-1].supervisor_pid, signal.SIGTERM)

    def kill(self, record: RunRecord) -> None:
        """SIGKILL to the supervisor and to the engine's process group."""
        attempt = record.attempts()[-1]
        progress = record.progress(attempt.number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(attempt.supervisor_pid, signal.SIGKILL)
        if progress and progress.engine_pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(progress.engine_pid, signal.SIGKILL)
