"""A run in the hands of its user: failed in LAMMPS's words, resumed, cancelled, done twice alike."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lammps_jobs import Checkpoints, Resources
from lammps_jobs.errors import (
    WrongState,
)
from tests.conftest import START, assert_same, outputs, script_of
from tests.waiting import ended, finish, scaled, wait_for_progress


def test_lammps_error_says_file_line_and_lammps_own_words(cluster, script):
    run = cluster.submit(script(f"{START}\ninclude more.inc\n", more__inc="fix 1 all nve\nfix 2 all nosuchfix\n"))
    state = ended(run)
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "nosuchfix" in state.reason
    assert state.where.startswith("more.inc:2:")


def test_lost_atoms_fail_with_lammps_words_and_keep_the_checkpoint(cluster, script):
    explode = f"{START}\nfix 1 all nve\nthermo 10\nrun 1000\ntimestep 50\nrun 1000\n"
    state = ended(cluster.submit(script(explode), checkpoints=Checkpoints(every_s=0.01)))
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "ERROR" in state.reason
    assert "in.test:" in state.where
    assert state.checkpoint_step is not None


def test_error_on_one_rank_only_is_reported_too(cluster, script):
    state = ended(cluster.submit(script("units lj\nnonsense 1 2\n"), resources=Resources(ranks=2)))
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "nonsense" in state.where


def test_failing_quit_is_a_failure(cluster, script):
    state = ended(cluster.submit(script(f"{START}\nquit 4\n")))
    assert state.state == "failed"
    assert "quit 4" in state.reason


def test_running_run_is_not_resumed_and_finished_one_not_interrupted(cluster, script):
    run = cluster.submit(script(script_of("nve", 3000)))
    with pytest.raises(WrongState):
        run.resume()
    finish(run)
    with pytest.raises(WrongState):
        run.interrupt()


def test_cancelled_run_keeps_its_outputs(cluster, script, tmp_path):
    run = cluster.submit(script(script_of("nve", 200_000)))
    wait_for_progress(run)
    run.cancel()
    assert run.status.state == "cancelled"
    assert "frames.lammpstrj" in outputs(run, tmp_path / "ours")


def test_lammps_not_installed_says_what_to_install(script, tmp_path):
    """An interpreter that sees our package and its light core, but no LAMMPS."""
    path = script(START)
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\nclass No:\n  def find_spec(s, name, *a):\n"
        "    if name == 'lammps': raise ModuleNotFoundError(name)\nsys.meta_path.insert(0, No())\n"
        "import importlib.util as u\nold = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'lammps' else old(name, *a)\n"
    )
    command = [sys.executable, "-m", "lammps_jobs.cli", "--store", str(tmp_path / "s"), "run", str(path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(hide)}, capture_output=True, text=True,
                          timeout=scaled(120), check=False)  # fmt: skip
    assert done.returncode == 10
    assert 'pip install "lammps-jobs[local]"' in done.stdout


def test_outputs_of_two_equal_runs_are_equal(cluster, script, tmp_path):
    path = script(script_of("nve", 300))
    first, second = (finish(cluster.submit(path, name=name)) for name in ("a", "b"))
    assert_same(outputs(first, tmp_path / "a"), outputs(second, tmp_path / "b"))


def test_resume_with_other_ranks_and_interval_is_that_of_the_same_run(stopped, cluster):
    spec = stopped.spec
    stopped.resume(resources=Resources(ranks=2), checkpoints=Checkpoints(every_s=30.0))
    state = finish(stopped).status
    assert "on 2 procs" in stopped.logs()
    assert state.fidelity.grade == "faithful"
    assert (stopped.spec.checkpoints.every_s, stopped.spec.inputs) == (30.0, spec.inputs)
    assert cluster.run("test").record.submission().spec == spec  # the same submission finds it again
