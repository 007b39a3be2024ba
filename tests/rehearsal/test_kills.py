"""Kill -9 at random moments, and the result is that of the same run cut at the same steps and not lost."""

from __future__ import annotations

import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from tests.conftest import FLOW, START, assert_complete, assert_same, outputs, script_of
from tests.replay import kill_at_some_step
from tests.waiting import finish

STEPS = 16_000
SCRIPTS = {"nvt": script_of("nvt", STEPS), "flow": FLOW.replace("run             300", "run             10000")
           .replace("run             200", "run             1500")}  # fmt: skip
KILLS = 4


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", SCRIPTS)
def test_killed_run_lacks_doubles_and_loses_nothing_and_equals_the_run_that_was_kept(
    cluster, script, tmp_path, name, ranks, chance
):
    """SIGKILL to supervisor and engine, wherever they are; the other run is cut where this one was resumed."""
    path = script(SCRIPTS[name], settings__inc="neighbor 0.3 bin\n")
    given = {"resources": Resources(ranks=ranks)}
    run = cluster.submit(path, name="killed", checkpoints=Checkpoints(every_s=0.15), **given)
    kills, committed = 0, 0
    while kills < KILLS:
        state = kill_at_some_step(run, chance, within=3000)
        kills += 1
        assert state.state in ("lost", "finished")
        newest = state.checkpoint_step or 0
        assert newest >= committed
        committed = newest
        if state.state == "finished":
            break
        run.resume()
        assert max([step for _, step in run.resumed_at], default=0) <= committed
    assert kills >= KILLS - 1
    finish(run)
    assert run.status.fidelity.grade == "exact"
    cuts = run.resumed_at
    assert cuts, "never resumed from a checkpoint: the test shows nothing"
    ours = outputs(run, tmp_path / "killed")
    if name == "nvt":
        assert_complete(ours, range(0, STEPS + 1, 50))
    never = Checkpoints(every_s=1e6)
    kept = cluster.submit(path, name="kept", checkpoints=never, cut_plan=CutPlan(cut_at=cuts, then="set up again"),
                          **given)  # fmt: skip
    assert_same(ours, outputs(finish(kept), tmp_path / "kept"))


STYLES = ("one", "multi", "yaml", "custom step temp\nthermo_modify line yaml", "one\nthermo 37")


def test_thermo_table_of_every_style_is_whole(cluster, script):
    """One stage a style, each of which is cut."""
    stages = "".join(f"thermo 50\nthermo_modify line one\nthermo_style {style}\nrun 1000\n" for style in STYLES)
    run = finish(cluster.submit(script(f"{START}\nfix 1 all nve\n{stages}"),
                                cut_plan=CutPlan(at=(0.6,), then="stop")))  # fmt: skip
    assert [event.stage for event in run.events if event.kind == "resumed"] == [1, 2, 3, 4, 5]
    table = run.thermo()
    for number, style in enumerate(STYLES):
        first, every = 1000 * number, 37 if "37" in style else 50
        steps = sorted({first, *range(first + -first % every, first + 1000, every), first + 1000})
        assert list(table[table["Stage"] == number + 1]["Step"]) == steps, style
