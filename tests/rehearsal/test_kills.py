"""Kill -9 at random moments, and the result is that of the same run cut at the same steps and not lost."""

from __future__ import annotations

import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from tests.conftest import FLOW, START, assert_same, outputs, script_of
from tests.replay import kill_at_some_step
from tests.waiting import finish

SCRIPTS = {"nvt": script_of("nvt", 20_000), "flow": FLOW.replace("run             300", "run             12000")
           .replace("run             200", "run             3000")}  # fmt: skip


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", SCRIPTS)
def test_killed_run_equals_the_run_that_was_cut_there_and_kept(cluster, script, tmp_path, name, ranks, chance):
    path = script(SCRIPTS[name], settings__inc="neighbor 0.3 bin\n")
    given = {"resources": Resources(ranks=ranks)}
    run = cluster.submit(path, name="killed", checkpoints=Checkpoints(every_s=0.2), **given)
    for _ in range(5):
        if kill_at_some_step(run, chance, within=4000).state == "finished":
            break
        run.resume()
    finish(run)
    cuts = run.resumed_at
    assert cuts, "never resumed from a checkpoint: the test shows nothing"
    never = Checkpoints(every_s=1e6)
    kept = cluster.submit(path, name="kept", checkpoints=never, cut_plan=CutPlan(cut_at=cuts, then="set up again"),
                          **given)  # fmt: skip
    assert_same(outputs(run, tmp_path / "killed"), outputs(finish(kept), tmp_path / "kept"))


@pytest.mark.parametrize("style", ["thermo_style one", "thermo_style multi", "thermo_style yaml",
                                   "thermo_style custom step temp\nthermo_modify line yaml", "thermo 37"])  # fmt: skip
def test_thermo_table_of_every_style_is_whole(cluster, script, style):
    text = f"{START}\nfix 1 all nve\nthermo 50\n{style}\nrun 3000\n"
    run = finish(cluster.submit(script(text), cut_plan=CutPlan(at=(0.1, 0.4, 0.7), then="stop")))
    assert len([event for event in run.events if event.kind == "resumed"]) == 3
    every = 37 if "37" in style else 50
    assert list(run.thermo()["Step"]) == [*range(0, 3000, every), 3000]
