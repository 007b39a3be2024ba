"""This machine as a place where runs run: the contract of all backends, on a folder and on S3, and its own part."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import lammps_jobs
from lammps_jobs import Cluster
from lammps_jobs.testing import BackendTests
from tests.conftest import WAIT_S, script_of, wait_for_progress


class TestFolder(BackendTests):
    wait_s = WAIT_S


class TestS3(BackendTests):
    wait_s = WAIT_S

    @pytest.fixture
    def cluster(self, bucket: str) -> Iterator[Cluster]:
        return lammps_jobs.connect(store=bucket)


def processes_of(run) -> list[psutil.Process]:
    """The supervisor and the engine's processes of the newest attempt."""
    supervisor = psutil.Process(run.record.attempts()[-1].supervisor_pid)
    return [supervisor, *supervisor.children(recursive=True)]


def test_nothing_writes_to_the_store_after_a_run_has_settled(cluster, script):
    run = cluster.submit(script(script_of("nve", 300)))
    run.wait(WAIT_S)
    scratch = Path(run.record.attempts()[-1].scratch)
    assert run.settle(WAIT_S)
    assert not scratch.exists()
    assert run.record.log(1, "lammps.raw.log"), "the last thing that an attempt saves"


def test_settling_waits_for_an_engine_that_outlives_its_supervisor(cluster, script):
    run = cluster.submit(script(script_of("nve", 2_000_000)))
    wait_for_progress(run)
    supervisor, *engines = processes_of(run)
    group = run.progress.engine_pid
    os.killpg(group, signal.SIGSTOP)  # so that it cannot see that its supervisor is gone
    supervisor.kill()
    assert not run.settle(0.5)
    os.killpg(group, signal.SIGKILL)
    assert run.settle(WAIT_S)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in engines)
