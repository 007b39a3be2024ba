"""Forks supervisors that have been imported already: real processes, which can be killed, at no cost of starting them.

Reads jobs, one JSON a line, from its standard input, and answers each with the number of a process. Their engine is
`cheap_engine`. It never opens a store itself, whose threads would not outlive a fork.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from lammps_jobs.record import documents, object_store
from lammps_jobs.supervisor import __main__ as supervisor
from lammps_jobs.supervisor import engine_process

CHEAP = Path(__file__).with_name("cheap_engine.py")
PATIENCE_S = 20.0
"""Instead of minutes: an outage of seconds must not last a campaign."""


def _start_cheap(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-ISs", str(CHEAP), command[-1]], **how)


def _be_supervisor(job: str, out: str) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(out, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.argv = ["supervisor", job]
    code = 1
    try:
        code = supervisor.main()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _shift_clock(seconds: float) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=seconds)

    if seconds:
        vars(documents)["datetime"] = Shifted


def main() -> None:
    vars(engine_process)["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": _start_cheap})
    object_store.PATIENCE_S = PATIENCE_S
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _shift_clock(asked["shift_s"])
            _be_supervisor(asked["job"], asked["out"])
        print(pid, flush=True)


if __name__ == "__main__":
    main()
