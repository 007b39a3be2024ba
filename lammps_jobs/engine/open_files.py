"""The files that this process, that is LAMMPS, holds open."""

from __future__ import annotations

import contextlib
import fcntl
import os

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
