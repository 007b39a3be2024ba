"""Which submissions are this user's own, made on this machine: only what those ask for is done without asking again.

A record says what it wants, and whoever may write to a store may write a record. To start a command of its user, or to
start a run when others have finished, takes a mark of the submission's content in a folder of this user's, outside of
any store.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from pathlib import Path

from lammps_jobs.record import layout
from lammps_jobs.record.run_record import RunRecord


def folder() -> Path:
    """Where the marks are: in the user's folder of state."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "lammps-jobs" / "own"


def mark(record: RunRecord) -> None:
    """Note that this user has made the submission as it is on record. Warns where that cannot be written."""
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / _name(record)).touch(mode=0o600)
    except OSError as error:
        warnings.warn(
            f"{place} cannot be written ({error.strerror}): nobody will be told of the run's end by a command, and one "
            "that follows others is not started for you. Set XDG_STATE_HOME.", stacklevel=4,
        )  # fmt: skip


def is_own(record: RunRecord) -> bool:
    """Whether this user has made the submission here, and nobody has changed a byte of it since."""
    with contextlib.suppress(OSError):
        found = (folder() / _name(record)).stat()
        return found.st_uid == os.getuid()
    return False


def _name(record: RunRecord) -> str:
    content = record.content(layout.SPEC) or b""
    return hashlib.sha256(record.name.encode() + b"\0" + content).hexdigest()
