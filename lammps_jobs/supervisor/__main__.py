"""`python -m lammps_jobs.supervisor JOB`: one attempt on this machine; JOB is JSON with store, run and scratch."""

from __future__ import annotations

import json
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


def main() -> int:
    job = json.loads(sys.argv[1])
    scratch = Path(job["scratch"])
    try:
        record = RunRecord(open_root(job["store"]), job["run"])
        supervisor = Supervisor.claim(record, scratch, JobEnvironment.from_variables())
    except LammpsJobsError as error:  # whoever started this process tells the user
        words = {"name": type(error).__name__, "what": error.what, "where": error.where, "remedy": error.remedy}
        (scratch / NOT_STARTED).write_text(json.dumps(words))
        return INTERRUPTED if isinstance(error, StoreAway) else error.exit_code
    code = supervisor.run()
    shutil.rmtree(scratch, ignore_errors=True)  # all that is worth keeping is on record
    return code


if __name__ == "__main__":
    sys.exit(main())
