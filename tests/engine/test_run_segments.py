"""A run in segments, by the real LAMMPS in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import START
from tests.waiting import scaled

pytestmark = pytest.mark.engine

LATE_HALT = """
import sys
from pathlib import Path
from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.interpreter import Interpreter
from lammps_jobs.engine.root import HALT_VARIABLE
from lammps_jobs.engine.session import open_session
from lammps_jobs.protocol.messages import EngineJob
from lammps_jobs.record.documents import CutPlan
from lammps_jobs.script.position import read_script

class Late(Communicator):
    '''Rank 0 has armed a halt that the run did not see: its end came before LAMMPS looked again.'''
    answers = [("go on", 0), "go on", ("go on", 0)]

    def from_root(self, answer):
        if len(self.answers) == 3:  # the first run just came back
            session.lmp.set_internal_variable(HALT_VARIABLE, 90.0)
        return self.answers.pop(0)

here = Path.cwd()
job = EngineJob(script="in.test", variables={}, inputs=(), ranks=1, lammps_args=(), scratch=here, socket=here / "none",
                alive=here / "none", every_s=1e9, no_checkpoint_stages=(), cut_plan=CutPlan(), is_rehearsed=False)
session = open_session(job, Late(1), None, print)
session.position.read = read_script
Interpreter(session).follow()
print("ended at", session.step)
"""


def test_halt_that_came_too_late_for_one_run_does_not_end_the_next(tmp_path):
    (tmp_path / "in.test").write_text(f"{START}\nfix 1 all nve\nthermo 100\nrun 100\nrun 500\n")
    done = subprocess.run(
        [sys.executable, "-c", LATE_HALT], cwd=tmp_path, capture_output=True, text=True, timeout=scaled(60), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ended at 600"
