"""What every place where runs run promises: the same tests, on this machine and on AWS Batch, on a folder and on S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lammps_jobs
from lammps_jobs import Checkpoints, Cluster
from lammps_jobs.errors import NameTaken, NoSuchRun, ScriptError, WrongState
from lammps_jobs.record.documents import FULL_LOG
from tests.conftest import assert_same, bare, outputs, script_of
from tests.waiting import ended, wait_for_checkpoint, wait_until

pytestmark = pytest.mark.xdist_group("containers")
LONG = 400_000


@pytest.fixture(params=["this machine, folder", "this machine, S3", "AWS Batch"])
def place(request) -> Iterator[Cluster]:
    if request.param == "AWS Batch":
        request.getfixturevalue("cloud")
        made = lammps_jobs.connect("dev", pool="cpu")
    elif request.param == "this machine, S3":
        made = lammps_jobs.connect(store=request.getfixturevalue("bucket"))
    else:
        made = request.getfixturevalue("cluster")
    yield made
    for run in made.runs():
        if not run.status.is_ended:
            run.cancel(now=True)


@pytest.fixture
def name(request) -> str:
    """A name of its own for each test: they share the stack."""
    return request.node.originalname.removeprefix("test_")


def test_run_comes_out_as_bare_lammps_has_it(place, name, script, tmp_path):
    path = script(script_of("nvt"))
    run = place.submit(path, name=name)
    state = ended(run)
    assert (state.state, state.attempt, state.step) == ("finished", 1, 1500)
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))
    assert run.logs().count("Loop time") == 1
    assert run.thermo()["Step"].iloc[-1] == 1500


def test_interrupted_run_is_resumed_exactly(place, name, script, tmp_path):
    run = place.submit(script(script_of("nve", 20_000)), name=name, checkpoints=Checkpoints(every_s=0.5))
    wait_for_checkpoint(run)
    run.interrupt()
    state = ended(run)
    assert (state.state, state.exit_code) == ("interrupted", 75)
    assert 0 < state.checkpoint_step < 20_000
    run.resume()
    state = ended(run)
    assert (state.state, state.attempt, state.fidelity.grade) == ("finished", 2, "exact")
    assert list(run.thermo()["Step"]) == list(range(0, 20_001, 50))


def test_running_run_is_seen_and_not_resumed(place, name, script):
    run = place.submit(script(script_of("nve", LONG)), name=name)
    wait_until(lambda: run.status.state == "running", run, "the run to be running")
    wait_until(lambda: "Step" in run.logs() and len(run.thermo()) > 2, run, "rows in the log")
    assert run.progress.target == LONG
    assert run.status.name in [state.name for state in place.statuses() if state.state == "running"]
    assert run.shell()
    with pytest.raises(WrongState):
        run.resume()


def test_script_that_lammps_rejects_fails_in_its_words(place, name, script):
    run = place.submit(script("units lj\nno_such_command 1\n"), name=name)
    state = ended(run)
    assert (state.state, state.exit_code) == ("failed", ScriptError.exit_code)
    assert "Unknown command: no_such_command" in state.reason


def test_same_again_is_the_same_run_and_another_is_refused(place, name, script):
    path = script(script_of("nve", 100))
    first = place.submit(path, name=name)
    assert place.submit(path, name=name).spec == first.spec
    assert ended(first).attempt == 1
    with pytest.raises(NameTaken):
        place.submit(path, name=name, variables={"x": 1})
    with pytest.raises(NoSuchRun):
        place.run("another")
    for deed in (first.interrupt, first.cancel, first.resume, first.shell):
        with pytest.raises(WrongState):
            deed()


@pytest.mark.parametrize("now", [False, True], ids=["with a last checkpoint", "now"])
def test_cancelled_run_keeps_what_it_wrote(place, name, script, tmp_path, now):
    run = place.submit(script(script_of("nve", LONG)), name=f"{name}-{now}", checkpoints=Checkpoints(every_s=0.5))
    wait_for_checkpoint(run)
    run.cancel(now=now)
    assert run.status.state == "cancelled"
    assert outputs(run, tmp_path / "got")["frames.lammpstrj"]
    assert FULL_LOG not in outputs(run, tmp_path / "got")
    with pytest.raises(WrongState):
        run.interrupt()
