"""`python -m lammps_jobs.supervisor JOB`: one attempt on this machine; JOB is JSON with store, run and scratch."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
from pathlib import Path

from lammps_jobs.errors import INTERRUPTED, LammpsJobsError, StoreAway
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.loop import Supervisor

NOT_STARTED = "not-started.json"
"""The file in which an attempt says why it could not claim its number."""
LAST_WORD = "last-word.json"
"""The file in which it says how it ended, where the store did not take that."""


def main() -> int:
    job = json.loads(sys.argv[1])
    scratch = Path(job["scratch"])
    held = _hold(scratch)
    try:
        record = RunRecord(open_root(job["store"]), job["run"])
        supervisor = Supervisor.claim(record, scratch, JobEnvironment.from_variables())
    except LammpsJobsError as error:  # whoever started this process tells the user
        words = {"name": type(error).__name__, "what": error.what, "where": error.where, "remedy": error.remedy}
        (scratch / NOT_STARTED).write_text(json.dumps(words))
        return INTERRUPTED if isinstance(error, StoreAway) else error.exit_code
    code = supervisor.run()
    if supervisor.unheard:
        with contextlib.suppress(OSError):
            (scratch / LAST_WORD).write_text(supervisor.unheard.model_dump_json())
    else:
        shutil.rmtree(scratch, ignore_errors=True)  # all that is worth keeping is on record
    os.close(held)
    return code


def _hold(folder: Path) -> int:
    """Lock the folder as long as this process lives: whatever tidies /tmp up by age passes by what is locked
    (tmpfiles.d(5), "Age"). A run may take weeks."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return held


if __name__ == "__main__":
    sys.exit(main())
