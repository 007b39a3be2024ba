"""`python -m lammps_jobs.supervisor JOB`: one attempt on this machine; JOB is JSON with store, run and scratch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.loop import Supervisor


def main() -> int:
    job = json.loads(sys.argv[1])
    record = RunRecord(open_root(job["store"]), job["run"])
    return Supervisor.claim(record, Path(job["scratch"]), JobEnvironment.from_variables()).run()


if __name__ == "__main__":
    sys.exit(main())
