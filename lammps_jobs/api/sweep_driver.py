"""`python -m lammps_jobs.api.sweep_driver STORE SWEEP`: starts a sweep's runs on this machine as cores come free."""

from __future__ import annotations

import fcntl
import hashlib
import sys
import tempfile
from pathlib import Path

from lammps_jobs.api.cluster import connect
from lammps_jobs.api.sweep import drive


def main() -> int:
    store, name = sys.argv[1:3]
    known = hashlib.sha256(f"{store} {name}".encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"lammps-jobs-sweep-{known}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0  # another one is at it
        drive(connect(store=store), name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
