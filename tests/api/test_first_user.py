"""What a first user met: runs that begin at a high timestep, folders for outputs, errors that nobody was told of."""

from __future__ import annotations

import pytest

from lammps_jobs import Checkpoints, ScriptError
from tests.conftest import START, bare, outputs
from tests.waiting import ended, wait_until

HIGH = 50_000_000


def test_speed_and_checkpoints_are_those_of_any_run_where_the_first_timestep_is_high(cluster, script):
    """Steps that were never run are neither speed, nor put a checkpoint off; in a resumed attempt as in the first."""
    path = script(f"{START}reset_timestep {HIGH}\nfix 1 all nve\nthermo 1000\nrun 100000000\n")
    run = cluster.submit(path, checkpoints=Checkpoints(every_s=0.5))
    for attempt in (1, 2):
        before = run.status.checkpoint_step or 0
        speeds: list[float] = []

        def has_another(before=before, speeds=speeds, attempt=attempt) -> bool:
            if run.progress and run.progress.attempt == attempt:
                speeds.append(run.progress.steps_per_s)
            return any(speeds) and (run.status.checkpoint_step or 0) > before

        wait_until(has_another, run, f"a speed and a checkpoint of attempt {attempt}")
        taken = run.status.checkpoint_step
        assert max(HIGH, before) < taken < max(HIGH, before) + 2_000_000
        assert max(speeds) < 1e6, "steps per second of 256 atoms"
        run.kill()
        assert ended(run).state == "lost"
        run.resume()
        wait_until(lambda attempt=attempt: run.status.attempt > attempt, run, "the next attempt")
    run.cancel(now=True)


def test_outputs_in_a_folder_beside_the_script_are_written_as_lmp_writes_them(cluster, script, tmp_path):
    path = script(f"{START}fix 1 all nve\ndump 1 all atom 50 out/deep/frames.lammpstrj\nrun 100\n")
    (path.parent / "out" / "deep").mkdir(parents=True)
    run = cluster.submit(path)
    assert run.wait().state == "finished"
    outputs(run, tmp_path / "ours")
    bare(path, tmp_path / "bare")
    name = "out/deep/frames.lammpstrj"
    assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "bare" / name).read_bytes()


def test_waiting_for_a_run_that_fails_raises_in_lammps_words_unless_it_is_told_not_to(cluster, script):
    run = cluster.submit(script("units lj\nfrobnicate 1\n"))
    with pytest.raises(ScriptError, match="Unknown command: frobnicate 1") as error:
        run.wait()
    assert error.value.where == "in.test:2: frobnicate 1"
    assert run.wait(check=False).state == "failed"


def test_report_of_a_run_that_began_anew_does_not_say_that_it_was_never_interrupted(cluster, script, tmp_path):
    path = script(f"{START}fix 1 all nve\nrun 100000000\n")
    run = cluster.submit(path)
    assert "never interrupted" in run.report(tmp_path / "first.html").read_text()
    run.kill()
    assert ended(run).state == "lost"
    run.resume()
    assert "never interrupted" not in run.report(tmp_path / "second.html").read_text()
    run.cancel(now=True)
