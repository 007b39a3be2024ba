"""What happens to machines in a rehearsal: another environment, other folders, kills at drawn steps."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lammps_jobs import CutPlan
from lammps_jobs.errors import WrongState
from lammps_jobs.rehearsal import machines
from tests.conftest import script_of
from tests.waiting import ended, wait_for_progress


def test_each_machine_has_another_home_user_and_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMMPS_POTENTIALS", "/potentials")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    found = [dict(os.environ), *(machines.other(number, tmp_path) for number in (1, 2, 3))]
    for name in ("HOME", "TMPDIR", "USER", "HOSTNAME", "PWD"):
        assert len({one.get(name) for one in found}) == 4, name
    for one in found[1:]:
        assert Path(one["HOME"]).is_dir()
        assert Path(one["TMPDIR"]).is_dir()
        assert one["PATH"] == os.environ["PATH"]
        assert not {"LAMMPS_POTENTIALS", "XDG_CACHE_HOME"} & one.keys()
    assert len({len(one["TMPDIR"]) for one in found[1:]}) == 3


def test_resumed_run_works_in_the_folder_and_environment_of_the_other_machine(cluster, script, tmp_path):
    run = cluster.submit(script(script_of("nve", 200_000)), cut_plan=CutPlan(cut_at=((1, 100),), then="stop"))
    ended(run)
    elsewhere = machines.other(3, tmp_path)
    cluster._backend.environment = elsewhere
    run.resume()
    wait_for_progress(run, 101)
    assert Path(run.record.attempts()[-1].scratch).is_relative_to(elsewhere["TMPDIR"])
    engine = psutil.Process(run.progress.engine_pid)
    assert Path(engine.cwd()).is_relative_to(elsewhere["TMPDIR"])
    assert {name: engine.environ()[name] for name in ("HOME", "USER")} == {
        name: elsewhere[name] for name in ("HOME", "USER")
    }


class HandMade:
    """A run that gets on by 10 steps whenever it is looked at, to its end at step 1000."""

    def __init__(self, step: int) -> None:
        self.checkpoint = SimpleNamespace(stage=1, step=step)
        self.step, self.killed_at = step, None

    @property
    def status(self) -> SimpleNamespace:
        self.step += 10
        return SimpleNamespace(step=self.step, is_ended=self.step >= 1000)

    def kill(self) -> None:
        if self.step >= 1000:
            raise WrongState("it is finished")
        self.killed_at = self.step


@pytest.mark.parametrize("seed", range(30))
def test_kill_comes_at_once_or_at_a_drawn_step_before_the_next_cut(seed, monkeypatch):
    monkeypatch.setattr(machines, "LOOK_S", 0.0)
    plan = CutPlan(cut_at=((1, 100), (1, 500), (1, 700)))
    runs = [HandMade(100) for _ in range(2)]
    for run in runs:
        machines.kill_at_some_step(run, random.Random(seed), plan)
    assert runs[0].killed_at == runs[1].killed_at, "the same seed is the same kill"
    assert 100 < runs[0].killed_at <= 500 + 10


def test_kills_are_spread_and_a_run_that_ends_before_is_left_alone(monkeypatch):
    monkeypatch.setattr(machines, "LOOK_S", 0.0)
    killed = []
    for seed in range(40):
        run = HandMade(800)
        machines.kill_at_some_step(run, random.Random(seed), CutPlan())
        killed.append(run.killed_at)
    assert None in killed
    assert len(set(killed)) > 5
