"""No engine outlives its supervisor, and no rank another one: within seconds, on one rank and on two."""

from __future__ import annotations

import os
import signal

import pytest

from lammps_jobs.protocol import alive
from lammps_jobs.protocol.messages import EngineJob, Failed, Moved, Started
from tests.conftest import START
from tests.engine.hand_made import (
    Supervised,
    command_for,
    job_in,
    mpirun,
    processes_of,
    started,
    supervised,
    wait_until,
)

pytestmark = pytest.mark.engine

SOON_S = 30.0
LONG = f"{START}\nfix 1 all nve\nthermo 100\nrun 100000000\n"


def assert_gone(job: EngineJob) -> None:
    wait_until(lambda: not processes_of(job), f"the end of the engine of {job.scratch}", SOON_S)


@pytest.mark.parametrize("ranks", [1, 2])
def test_engine_that_cannot_connect_ends_on_every_rank(tmp_path, ranks):
    job = job_in(tmp_path, LONG, ranks=ranks)
    with alive.hold(job.alive), started(job, [*mpirun(job), *command_for(job)]) as process:
        assert process.wait(SOON_S) == 3
        assert_gone(job)
    assert "FileNotFoundError" in (tmp_path / "printed").read_text()


@pytest.mark.parametrize("ranks", [1, 2])
def test_engine_whose_supervisor_died_before_it_started_ends_on_every_rank(tmp_path, ranks):
    job = job_in(tmp_path, LONG, ranks=ranks)
    ours = Supervised(job)
    ours.lock.close()
    with started(job, [*mpirun(job), *command_for(job)]) as process:
        assert process.wait(SOON_S) != 0
        assert_gone(job)
    ours.close()


@pytest.mark.parametrize("ranks", [1, 2])
def test_engine_whose_supervisor_dies_during_a_run_ends_on_every_rank(tmp_path, ranks):
    """The connection stays open: every rank sees it by the lock alone."""
    job = job_in(tmp_path, LONG, ranks=ranks)
    with supervised(job) as ours:
        while not ours.hear(Moved).step:
            pass
        ours.lock.close()
        assert_gone(job)


def test_ranks_that_outlive_their_mpirun_and_their_supervisor_end(tmp_path):
    job = job_in(tmp_path, LONG, ranks=2)
    with supervised(job) as ours:
        while not ours.hear(Moved).step:
            pass
        launchers = [p for p in processes_of(job) if "mpirun" in p.cmdline()[0] or "hydra" in p.cmdline()[0]]
        assert launchers
        for launcher in launchers:
            launcher.send_signal(signal.SIGSTOP)
        ranks = [p for p in processes_of(job) if p not in launchers]
        ours.lock.close()
        wait_until(lambda: not any(p.is_running() and p.status() != "zombie" for p in ranks), "the ranks' end", SOON_S)


@pytest.mark.parametrize("fails", [0, 1])
def test_failure_of_one_rank_while_lammps_opens_ends_every_rank(tmp_path, fails):
    """One of the two ranks finds a Python module of LAMMPS that cannot be imported."""
    job = job_in(tmp_path / "job", LONG, ranks=2)
    broken = tmp_path / "broken" / "lammps"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no LAMMPS on this rank')\n")
    path = os.pathsep.join([str(broken.parent), os.environ.get("PYTHONPATH", "")])
    one = ["-n", "1", *command_for(job)]
    other = ["-n", "1", "-env", "PYTHONPATH", path, *command_for(job)]
    ours = Supervised(job)
    with started(
        job, [mpirun(job)[0], *(other if fails == 0 else one), ":", *(one if fails == 0 else other)]
    ) as engine:
        ours.accept()
        if fails == 0:
            failed = ours.hear(Failed)
            assert (failed.cause, failed.text) == ("internal", "ImportError: no LAMMPS on this rank")
            assert "Traceback" in failed.traceback
        assert engine.wait(SOON_S) != 0
        assert_gone(job)
    ours.close()
    assert "no LAMMPS on this rank" in (tmp_path / "job" / "printed").read_text()


def test_rank_0_says_what_made_all_ranks_fail(tmp_path):
    with supervised(job_in(tmp_path, f"{START}\nnonsense 1 2\n", ranks=2)) as ours:
        ours.hear(Started)
        failed = ours.hear(Failed)
        assert (failed.cause, failed.where.command) == ("script", "nonsense 1 2")
        assert "Unknown command: nonsense 1 2" in failed.text
