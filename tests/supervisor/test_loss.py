"""Attempts that are killed, signalled, overtaken or out of disk: the record is whole and the run resumable."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lammps_jobs
from lammps_jobs import Checkpoints, Run, WrongState
from lammps_jobs.record.documents import Attempt
from lammps_jobs.record.run_record import RunRecord
from tests.conftest import script_of
from tests.waiting import Patience, ended, finish, scaled, until, wait_for_checkpoint, wait_for_progress


def test_killed_engine_leaves_the_record_and_a_resumable_run(cluster, script):
    run = cluster.submit(script(script_of("nve", 60_000)), checkpoints=Checkpoints(every_s=0.2))
    wait_for_checkpoint(run)
    os.killpg(run.progress.engine_pid, signal.SIGKILL)
    state = ended(run)
    assert (state.state, state.exit_code) == ("failed", 11)
    assert "SIGKILL" in state.reason
    reached = run.status.checkpoint_step
    run.resume()
    wait_for_progress(run, reached + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_with_a_checkpoint(cluster, script, number):
    run = cluster.submit(script(script_of("nve", 200_000)))
    wait_for_progress(run)
    os.kill(run.record.attempts()[-1].supervisor_pid, number)
    state = ended(run)
    assert (state.state, state.exit_code) == ("interrupted", 75)
    assert state.checkpoint_step > 0
    assert number.name in state.reason


def test_signals_do_not_spoil_the_exit_code_of_an_attempt_that_ends(cluster, script):
    """By its code AWS Batch decides whether to go on; SIGTERM may come while Python already shuts down."""
    run = cluster.submit(script(script_of("nve", 200_000)))
    wait_for_progress(run)
    run.kill()
    assert run.settle()
    command = [sys.executable, "-m", "lammps_jobs.backends.aws_batch.container"]
    attempt = subprocess.Popen([*command, "--store", str(cluster.store), "--run", run.name])
    until(lambda: run.record.newest_attempt() == 2 and run.status.step > 0, "the second attempt", lambda: run.status)
    wait_for_progress(run)
    patience = Patience("the end of the attempt")
    while attempt.poll() is None:
        patience.see("signalled")
        attempt.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    assert attempt.returncode == 75
    assert run.record.ended(2).outcome == "interrupted"


def test_overtaken_attempt_stops_and_commits_nothing_more(cluster, script):
    run = cluster.submit(script(script_of("nve", 2_000_000)))  # its next checkpoint is 10 minutes away
    wait_for_progress(run)
    claim = Attempt(number=2, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch="")
    assert run.record.claim(claim)
    until(lambda: run.record.ended(1) is not None, "the end of the attempt that was overtaken")
    assert run.record.ended(1).outcome == "fenced"


needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="needs root to mount a small tmpfs: run `make test` as root"
)


@needs_mount
def test_full_disk_of_the_store_loses_nothing_and_ends_nothing(script, tmp_path):
    """The attempt computes on; the first checkpoint after somebody made room records all."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=True)
    cluster = lammps_jobs.connect(store=str(small / "store"))
    try:
        run = cluster.submit(script(script_of("nve", 10_000_000)), checkpoints=Checkpoints(every_s=0.1, keep=50))
        until(lambda: os.statvfs(small).f_bavail < 20, "the disk to be full", lambda: os.statvfs(small).f_bavail)
        full = run.status.checkpoint
        for seq in run.record.checkpoint_seqs():
            run.record.verify(run.record.checkpoint(seq))
        subprocess.run(["mount", "-o", "remount,size=400m", str(small)], check=True)
        until(lambda: run.status.checkpoint > full, "the next checkpoint", lambda: run.status)
        assert (run.status.state, run.status.attempt) == ("running", 1)
        frames = run.record.outputs()["frames.lammpstrj"]
        run.record.write_file(frames.segments, tmp_path / "frames")
        steps = re.findall(r"ITEM: TIMESTEP\n(\d+)", (tmp_path / "frames").read_text())
        assert list(map(int, steps)) == list(range(0, 50 * len(steps), 50))
    finally:
        for run in cluster.runs():
            run.kill()
            assert run.settle()
        subprocess.run(["umount", "-l", str(small)], check=True)


def remove_under_its_writers(folder: Path) -> None:
    """Once more as long as a living engine puts something into it between its being emptied and its being removed."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def test_removed_working_folder_costs_what_came_since_the_checkpoint_and_no_later_ones(cluster, script):
    """As systemd-tmpfiles does it with folders in /tmp that it takes for old."""
    run = cluster.submit(script(script_of("nve", 12_000)), checkpoints=Checkpoints(every_s=0.2))
    wait_for_checkpoint(run)
    remove_under_its_writers(Path(run.record.attempt(1).scratch))
    assert finish(run).status.attempt == 1
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert resumed
    assert any(event.kind == "checkpoint" and event.at > resumed[0].at for event in run.events)
    assert run.settle(scaled(30))
    assert not Path(run.record.attempt(1).scratch).exists()


def test_of_two_that_resume_at_the_same_time_one_does(stopped):
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(Run(RunRecord(stopped.record.root, "test"), stopped._backend).resume) for _ in range(2)]
        refused = [done.exception() for done in tries if done.exception()]
    assert [type(error) for error in refused] == [WrongState]
    assert finish(stopped).status.attempt == 3
