"""Signals that come close together, at any instruction of the supervisor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import scaled

STORM = """
import signal, sys
from lammps_jobs.record.documents import Attempt, RunSpec, Submission
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.loop import Supervisor
from pathlib import Path

record = RunRecord(open_root(sys.argv[1]), "melt")
record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
supervisor = Supervisor.claim(record, Path(sys.argv[1]), JobEnvironment())
signal.signal(signal.SIGALRM, supervisor._on_signal)
signal.setitimer(signal.ITIMER_REAL, 1e-3, 2e-4)
heard = 0
while heard < 2_000:
    supervisor._inbox.put(None)
    heard += supervisor._inbox.get(timeout=1) is not None
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print("enough")
"""


@pytest.mark.engine
def test_signals_in_the_middle_of_taking_one_from_the_inbox_stop_nothing(tmp_path):
    """A queue whose lock the interrupted code holds would wait for ever for itself."""
    told = subprocess.run(
        [sys.executable, "-c", STORM, str(tmp_path)], capture_output=True, text=True, timeout=scaled(120), check=True
    )
    assert told.stdout == "enough\n"
