"""How every rank of the engine learns that its supervisor is gone, however it went.

The supervisor keeps a file locked (flock); the kernel gives the lock up when the process ends. Every rank waits for
the lock in a thread. Unlike an inherited pipe this passes through any `mpirun`, unlike PR_SET_PDEATHSIG it does not
depend on who is whose parent.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO


def hold(path: Path) -> IO[bytes]:
    """Create and lock the file; the lock lasts until what is returned is closed, or the process ends."""
    file = path.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def watch(path: Path, on_gone: Callable[[], None]) -> threading.Thread:
    """Call `on_gone` from a thread as soon as nobody holds the lock; at once when there is no such file."""

    def wait() -> None:
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
        except OSError:
            pass
        on_gone()

    thread = threading.Thread(target=wait, daemon=True, name="alive")
    thread.start()
    return thread
