"""This machine as a place where runs run: the contract of all backends, and its own part."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.record.documents import Attempt, Progress
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.testing import BackendTests
from tests.conftest import script_of
from tests.waiting import scaled


class TestFolder(BackendTests):
    wait_s = scaled(240)


def test_nothing_writes_to_the_store_after_a_run_has_settled(cluster, script):
    run = cluster.submit(script(script_of("nve", 300)))
    end = time.monotonic() + scaled(120)
    while not run.record.result() and time.monotonic() < end:
        time.sleep(0.001)  # closer than `wait` looks
    scratch = Path(run.record.attempts()[-1].scratch)
    assert run.settle(scaled(120))
    assert not scratch.exists()
    assert run.record.log(1, "lammps.raw.log"), "the last thing that an attempt saves"


@pytest.mark.engine
def test_settling_waits_for_an_engine_that_outlives_its_supervisor(tmp_path):
    url, scratch = str(tmp_path / "store"), tmp_path / "scratch"
    scratch.mkdir()
    record = RunRecord(open_root(url), "melt")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as supervisor:
        pass
    record.claim(Attempt(number=1, host=socket.gethostname(), supervisor_pid=supervisor.pid,
                         supervisor_started=time.time(), scratch=str(scratch)))  # fmt: skip
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as engine:
        record.publish_progress(Progress(attempt=1, step=0, target=0, stage=0, engine_pid=engine.pid))
        has_settled = LocalBackend(url).settle(record, 0.2)
        engine.kill()
    assert not has_settled
    assert scratch.exists()
    assert LocalBackend(url).settle(record, scaled(120))
    assert not scratch.exists()
