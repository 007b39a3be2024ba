"""This machine as a place where runs run: the contract of all backends, and its own part."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from lammps_jobs.api.run import Run
from lammps_jobs.backends import local
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.errors import StoreError, WrongState
from lammps_jobs.record.documents import Attempt, AttemptEnd, Blob, Progress, RunSpec, Submission, now
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import __main__ as supervisor
from lammps_jobs.supervisor import process
from lammps_jobs.supervisor.__main__ import LAST_WORD
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


@pytest.fixture
def record(tmp_path) -> RunRecord:
    return RunRecord(open_root(str(tmp_path / "store")), "melt")


def claimed(record: RunRecord, scratch: Path, **fields) -> Attempt:
    given = {"number": 1, "host": socket.gethostname(), "supervisor_pid": os.getpid(), "scratch": str(scratch),
             "supervisor_started": process.began(os.getpid()), "boot": process.boot_id()}  # fmt: skip
    attempt = Attempt(**(given | fields))
    assert record.claim(attempt)
    return attempt


@pytest.mark.engine
def test_settling_waits_for_an_engine_that_outlives_its_supervisor(record, tmp_path):
    url, scratch = str(tmp_path / "store"), tmp_path / "lammps-jobs-x"
    scratch.mkdir()
    (scratch / local.OWNER).write_text(LocalBackend(url)._mark("melt"))
    claimed(record, scratch, supervisor_started=0.0)
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", f"{scratch}/attempt-1/job.json"]
    with subprocess.Popen(sleep, start_new_session=True) as engine:
        record.publish_progress(Progress(attempt=1, step=0, target=0, stage=0, engine_pid=engine.pid))
        has_settled = LocalBackend(url).settle(record, 0.2)
        engine.kill()
    assert not has_settled
    assert scratch.exists()
    assert LocalBackend(url).settle(record, scaled(120))
    assert not scratch.exists()


@pytest.mark.engine
def test_kill_spares_processes_that_a_record_names_and_that_are_not_its_own(record, tmp_path):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        claimed(record, tmp_path, supervisor_pid=other.pid, supervisor_started=0.0)
        record.publish_progress(Progress(attempt=1, step=0, target=0, stage=0, engine_pid=other.pid))
        LocalBackend(str(tmp_path / "store")).kill(record)
        LocalBackend(str(tmp_path / "store")).interrupt(record)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("name", ["precious", "lammps-jobs-another"])
def test_folder_that_a_record_names_is_left_alone_unless_we_made_it_for_this_run(record, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / local.OWNER).write_text('{"store": "elsewhere", "run": "melt"}')
    claimed(record, folder, supervisor_started=0.0)
    assert LocalBackend(str(tmp_path / "store")).settle(record, 0.0)
    assert folder.exists()


def test_living_attempt_is_running_whatever_the_wall_clock_says(record, tmp_path, monkeypatch):
    """The start of a process in seconds of the wall clock moves when that is set; ticks since the boot do not."""
    import psutil

    claimed(record, tmp_path)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)
    assert LocalBackend("x").status(record).phase == "running"


def test_attempt_of_another_start_of_the_machine_is_gone(record, tmp_path):
    claimed(record, tmp_path, boot="another")
    assert LocalBackend("x").status(record).phase == "gone"


def test_attempt_on_another_machine_is_told_by_its_signs_of_life(record, tmp_path, monkeypatch):
    claimed(record, tmp_path, host="elsewhere")
    backend = LocalBackend("x")
    assert backend.status(record).phase == "running"
    old = Progress(attempt=1, step=0, target=0, stage=0, updated=now() - timedelta(hours=1))
    record.publish_progress(old)
    assert backend.status(record).phase == "gone"
    monkeypatch.setattr(time, "sleep", lambda _: record.publish_progress(old.model_copy(update={"step": 9})))
    with pytest.raises(WrongState, match="running on elsewhere"):
        backend.start(record)


def test_run_whose_first_attempt_died_before_its_claim_can_be_resumed(record, monkeypatch):
    started = []
    monkeypatch.setattr(LocalBackend, "start", lambda _, one: started.append(one.name))
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    Run(record, LocalBackend("x")).resume()
    assert started == ["melt"]


def test_run_whose_first_attempt_never_claimed_is_cancelled_and_interrupting_it_harms_nothing(record):
    """It has no attempt that anything could be asked of."""
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    run = Run(record, LocalBackend("x"))
    assert run.status.state == "waiting"
    run.interrupt()
    run.cancel()
    assert Run(RunRecord(record.root, "melt"), LocalBackend("x")).status.state == "cancelled"


def ours(record: RunRecord, tmp_path: Path) -> Path:
    scratch = tmp_path / "lammps-jobs-x"
    scratch.mkdir()
    (scratch / local.OWNER).write_text(LocalBackend("x")._mark(record.name))
    return scratch


def test_end_that_the_store_did_not_take_is_told_from_the_attempts_folder(record, tmp_path):
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    scratch = ours(record, tmp_path)
    claimed(record, scratch, supervisor_started=0.0)
    end = AttemptEnd(number=1, outcome="failed", reason="The store may not be written.", where="/mnt/full")
    (scratch / LAST_WORD).write_text(end.model_dump_json())
    state = Run(record, LocalBackend("x")).status
    assert state.state == "lost"
    assert "The store may not be written. /mnt/full" in state.reason
    (scratch / local.OWNER).write_text("somebody else's")
    assert "may not be written" not in Run(record, LocalBackend("x")).status.reason


def test_attempt_whose_end_the_store_does_not_take_leaves_it_in_its_folder(record, tmp_path, monkeypatch):
    """Here the store refuses the end alone: the reason it was, an input that is not there, must not be lost."""
    gone = Blob(sha256="0" * 64, size=1)
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={"in.melt": gone})))
    scratch = ours(record, tmp_path)

    def refuse(self, end):
        raise StoreError("The store may not be written.")

    monkeypatch.setattr(RunRecord, "end", refuse)
    job = {"store": str(tmp_path / "store"), "run": "melt", "scratch": str(scratch)}
    monkeypatch.setattr(sys, "argv", ["supervisor", json.dumps(job)])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert supervisor.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert json.loads((scratch / LAST_WORD).read_text())["error"] == "InputMissing"
