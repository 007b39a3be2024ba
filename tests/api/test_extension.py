"""A finished run goes on: as the run that the longer script would have been, for more steps or with other values."""

from __future__ import annotations

import pytest

from lammps_jobs import CannotResume, CutPlan, UsageError, WrongState
from tests.conftest import ENSEMBLES, START, WATCHED, assert_same, bare, outputs
from tests.waiting import finish

FIRST = f"variable T index 1.2\n{START}fix integrate all nvt temp $T $T 0.5\n{WATCHED}run 400\n"
MORE = "unfix integrate\nfix integrate all nvt temp $T ${T} 0.5\nrun 200\n"


@pytest.mark.engine
def test_extended_run_is_the_run_of_the_longer_script(cluster, script, tmp_path):
    """From the first checkpoint, though it lies in the middle, and from the beginning, where there is none."""
    path = script(f"{START}{ENSEMBLES['nve']}\n{WATCHED}run 400\n")
    (tmp_path / "longer").mkdir()
    (tmp_path / "longer" / "in.test").write_text(path.read_text() + "run 300\n")
    theirs = bare(tmp_path / "longer" / "in.test", tmp_path / "bare")
    run = finish(cluster.submit(path, cut_plan=CutPlan(cut_at=((1, 250),))))
    assert run.record.checkpoint_seqs()
    longer = finish(cluster.extend("test", steps=300))
    assert longer.name == "test-2"
    state = longer.status
    assert state.step == 700
    assert longer.resumed_at[0][1] == run.checkpoint.step  # not from the script's beginning
    if state.fidelity.as_if == "never cut":
        assert_same(theirs, outputs(longer, tmp_path / "got"))
    else:
        assert outputs(longer, tmp_path / "got").keys() == theirs.keys()
    assert list(longer.thermo()["Step"])[-1] == 700
    assert cluster.extend("test", steps=300, name="test-2").is_new is False
    assert run.status.step == 400
    whole = finish(cluster.extend(finish(cluster.submit(path, name="short")), steps=300, name="whole"))
    assert_same(theirs, outputs(whole, tmp_path / "whole"))


@pytest.mark.engine
def test_runs_branch_from_one_with_other_values_and_scripts(cluster, script, tmp_path):
    run = finish(cluster.submit(script(FIRST), cut_plan=CutPlan(cut_at=((1, 250),))))
    more = tmp_path / "in.more"
    more.write_text(MORE)
    hot = cluster.extend(run, script=more, variables={"T": 2.0}, name="hot")
    same = cluster.extend(run, script=more, name="same")
    assert "nvt temp 2.0 2.0" in finish(hot).logs()
    assert "nvt temp 1.2 1.2" in finish(same).logs()
    assert hot.status.step == same.status.step == 600
    old = list(run.thermo()["Temp"])
    assert list(hot.thermo()["Temp"])[: len(old)] == pytest.approx(old, rel=1e-6)

    with pytest.raises(CannotResume, match="no checkpoint 99"):
        cluster.extend(run, steps=10, checkpoint=99)
    with pytest.raises(UsageError, match="either steps or a script"):
        cluster.extend(run)
    with pytest.raises(UsageError, match="'X'"):
        cluster.extend(run, script=more, variables={"X": 1}, name="x")
    ended = finish(cluster.submit(script("units lj\nquit\n", name="in.quit")))
    with pytest.raises(UsageError, match="quit"):
        cluster.extend(ended, steps=10)
    failed = cluster.submit(script("nonsense\n", name="in.bad"))
    failed.wait(check=False)
    with pytest.raises(WrongState, match="failed"):
        cluster.extend(failed, steps=10)
    assert cluster.rename("hot", "warm").status.state == "finished"
    assert outputs(cluster.run("warm"), tmp_path / "warm")["frames.lammpstrj"]
