"""Processes told apart for good: by number, by when they began after the machine's start, by which start that was.

The wall clock is not asked: it is set now and then, and a living attempt must not look dead for it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Which start of the machine this is; empty where it does not say."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def began(pid: int) -> float | None:
    """When the process began: clock ticks since the machine's start, elsewhere than on Linux seconds of the wall clock.

    None when there is no such process, or only its corpse (a zombie).
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if _BOOT.exists() else _began_by_psutil(pid)
    return None if after_name[0] in "ZX" else float(after_name[19])


def _began_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def is_same(pid: int, began_at: float, boot: str) -> bool:
    """Whether the process that was described so still lives."""
    now = began(pid)
    return now is not None and boot == boot_id() and abs(now - began_at) < 1.0


def group_works_in(group: int, folder: Path) -> bool:
    """Whether a living process of the group was started with a file of `folder` among its arguments."""
    import psutil

    for process in psutil.process_iter(["status", "cmdline"]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) != group or process.info["status"] == psutil.STATUS_ZOMBIE:
                continue
            if any(word.startswith(f"{folder}/") for word in process.info["cmdline"] or ()):
                return True
    return False
