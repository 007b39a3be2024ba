"""Work that a copy of this process does aside, while the process itself goes on: looking at what it held then.

A copy costs the time in which the kernel notes which pages are shared (fork); what the process writes to afterwards,
the copy still sees as it was. Only the calling thread lives on in it, so it calls LAMMPS itself. It never computes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lammps_jobs.engine.memory import process

MOST_S = 600
"""Seconds after which a copy that has not ended is ended."""
_PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the signal that a process gets when the thread that made it is gone."""


@dataclass
class Aside:
    """A copy at work. `wait`, from any thread, once it is to be known how it ended."""

    pid: int
    started: float = field(default_factory=time.monotonic)

    def wait(self) -> str:
        """Why the work was not done; empty when it was."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return ""
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return (
            f"the process that was to look at LAMMPS's memory ended {how} after {time.monotonic() - self.started:.1f} s"
        )


def begin(lmp: Any, work: Callable[[], object]) -> Aside | None:
    """Have a copy of this process do `work`; None where the system makes no copy, so that the caller has to.

    To be called from the main thread, which outlives the copy; LAMMPS must be at rest.
    """
    assert threading.current_thread() is threading.main_thread()
    parent = os.getpid()
    try:
        with warnings.catch_warnings():  # of threads that are not there in the copy (Python 3.12)
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:  # no memory, or no more processes
        return None
    if pid:
        return Aside(pid)
    code = 1
    try:
        _settle_in(lmp, parent)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _settle_in(lmp: Any, parent: int) -> None:
    """In the copy: end with the process that it was made of, and see its own memory."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(MOST_S)
    process.look_at_own_memory()
    lmp.thread.move_here()
