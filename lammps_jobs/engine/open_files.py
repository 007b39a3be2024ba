"""The files that this process, that is LAMMPS, holds open."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from lammps_jobs.engine.output_tracker import Grown

FDS = "/proc/self/fd"


def follow(grown: Grown) -> None:
    """Have whoever writes to a file that has grown in front go on at the same place of what it wrote itself.

    LAMMPS's buffers must have been written: then its next write goes where the file descriptor is.
    """
    for name in os.listdir(FDS):
        with contextlib.suppress(OSError):  # the one that lists them is gone by now
            descriptor, status = int(name), os.fstat(int(name))
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            if (status.st_dev, status.st_ino) == (grown.device, grown.inode) and not flags & os.O_APPEND:
                os.lseek(descriptor, grown.by, os.SEEK_CUR)


def is_written_to(path: Path) -> bool:
    """Whether this process holds the file open for writing."""
    wanted = path.stat()
    for name in os.listdir(FDS):
        with contextlib.suppress(OSError):
            status = os.fstat(int(name))
            mode = fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE
            if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino) and mode != os.O_RDONLY:
                return True
    return False
