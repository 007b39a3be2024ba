"""The promise itself, on the real LAMMPS: undisturbed, resumed, killed."""

from __future__ import annotations

import re

import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.script.seeds import derived
from tests.conftest import ENSEMBLES, FLOW, THREADED, assert_same, bare, outputs, script_of
from tests.waiting import finish

OFTEN = Checkpoints(every_s=0.1)
SELDOM = Checkpoints(every_s=1e6)
CUTS = ((1, 350), (1, 800), (1, 1000))


@pytest.mark.parametrize(("ensemble", "ranks"), [*((one, 1) for one in ENSEMBLES), ("npt", 2), ("langevin", 2)])
def test_uninterrupted_run_with_many_checkpoints_equals_bare_lmp(cluster, script, tmp_path, ensemble, ranks):
    path = script(script_of(ensemble))
    many = CutPlan(cut_at=tuple((1, step) for step in range(150, 1500, 150)), then="go on")
    run = finish(cluster.submit(path, checkpoints=OFTEN, resources=Resources(ranks=ranks), cut_plan=many))
    cuts = [event for event in run.events if event.kind == "checkpoint"]
    assert len(cuts) >= 9
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


@pytest.mark.parametrize(("ensemble", "ranks"), [("nve", 1), ("nvt", 1), ("npt", 1)])
def test_resumed_run_continues_bit_for_bit(cluster, script, tmp_path, ensemble, ranks):
    path = script(script_of(ensemble))
    given = {"checkpoints": SELDOM, "resources": Resources(ranks=ranks)}
    kept = finish(cluster.submit(path, name="kept", cut_plan=CutPlan(cut_at=CUTS, then="set up again"), **given))
    lost = finish(cluster.submit(path, name="lost", cut_plan=CutPlan(cut_at=CUTS, then="stop"), **given))
    assert [event.step for event in lost.events if event.kind == "resumed"] == [350, 800, 1000]
    assert lost.status.fidelity.grade == "exact"
    assert_same(outputs(lost, tmp_path / "lost"), outputs(kept, tmp_path / "kept"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_that_lost_its_machine_equals_the_run_that_was_never_cut(cluster, script, tmp_path, ranks):
    """The whole promise, bit for bit against bare `lmp`: cuts are taken where LAMMPS rebuilds its neighbour lists.

    Atoms are sorted every 1000 steps: before the first cut, between the cuts, and after the last one.
    """
    path = script(script_of("nve", 4000))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(at=(0.1, 0.5, 0.55), then="stop")))  # fmt: skip
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert [event.fidelity.as_if for event in resumed] == ["never cut"] * 3
    assert any(event.step % 50 for event in resumed), "no step that was sought: the test shows nothing new"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


def test_run_that_rebuilds_nothing_more_is_cut_at_its_end(cluster, script):
    path = script(script_of("nve", 60).replace("run 60", "neigh_modify delay 0 every 1000 check no\nrun 60\nrun 500"))
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(at=(0.5, 1.0), then="stop")))
    assert next((event.stage, event.step) for event in run.events if event.kind == "resumed") == (2, 60)


@pytest.mark.parametrize(("ensemble", "ranks"), [("nvt", 1), ("npt", 1), ("npt", 2), ("langevin", 1), ("langevin", 2)])
def test_thermostats_barostats_and_random_forces_go_on_as_if_never_cut(cluster, script, tmp_path, ensemble, ranks):
    path = script(script_of(ensemble))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(at=(0.2, 0.7), then="stop")))  # fmt: skip
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert [(event.fidelity.grade, event.fidelity.as_if) for event in resumed] == [("exact", "never cut")] * 2
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


def test_cut_off_a_rebuild_on_two_ranks_is_called_no_better_than_it_is(cluster, script):
    """There atoms may change ranks at the set-up: their order is another one, and nothing is given back."""
    run = finish(cluster.submit(script(script_of("nve")), checkpoints=SELDOM, resources=Resources(ranks=2),
                                cut_plan=CutPlan(cut_at=CUTS, then="stop")))  # fmt: skip
    assert [event.step for event in run.events if event.kind == "resumed"] == [350, 800, 1000]
    fidelity = run.status.fidelity
    assert fidelity.grade in ("exact", "faithful")
    assert (fidelity.grade == "exact") == (not fidelity.reasons)


@pytest.mark.parametrize("ranks", [1])
def test_stages_loops_conditions_and_includes_survive_cuts_in_every_stage(cluster, script, tmp_path, ranks):
    path = script(FLOW, settings__inc="neighbor 0.3 bin\nneigh_modify delay 0 every 10 check no\n")
    given = {"checkpoints": SELDOM, "resources": Resources(ranks=ranks), "variables": {"t": 1.2}}
    first = int(re.findall(r"\n +(\d+) .*\nLoop", finish(cluster.submit(path, name="plain", **given)).logs())[0])
    cuts = ((2, first + 120), (3, first + 400), (4, first + 600), (6, first + 1000), (7, first + 1350))
    kept = finish(cluster.submit(path, name="kept", cut_plan=CutPlan(cut_at=cuts, then="set up again"), **given))
    lost = finish(cluster.submit(path, name="lost", cut_plan=CutPlan(cut_at=cuts, then="stop"), **given))
    assert len([event for event in lost.events if event.kind == "resumed"]) == len(cuts)
    assert_same(outputs(lost, tmp_path / "lost"), outputs(kept, tmp_path / "kept"))


def test_script_with_flow_equals_bare_lmp_in_outputs_and_echo(cluster, script, tmp_path):
    path = script(FLOW, settings__inc="neighbor 0.3 bin\n")
    ours = outputs(finish(cluster.submit(path, checkpoints=OFTEN)), tmp_path / "ours")
    plain = bare(path, tmp_path / "bare")
    assert_same(ours, plain)
    assert without_times(ours["log.lammps"].decode()) == without_times(plain["log.lammps"].decode())


def without_times(log: str) -> list[str]:
    """Log lines but for what differs between any two runs of LAMMPS: times, speeds, the OpenMP remark."""
    timing = re.compile(r"Loop time|Performance|CPU|OMP_NUM|wall time|^\w+ +\||OpenMP|Per MPI rank")
    return [line for line in log.splitlines() if not timing.search(line)]


def test_random_stream_that_is_not_carried_on_is_not_drawn_again(cluster, script):
    """Given again with its seed, a thermostat would repeat the noise that it has made before."""
    plan = CutPlan(cut_at=((1, 500),), then="stop")
    run = finish(cluster.submit(script(THREADED + script_of("langevin")), checkpoints=SELDOM, cut_plan=plan))
    warnings = [event.text for event in run.events if event.kind == "warning"]
    seed = derived(4242, 500)
    assert f"fix bath (langevin) goes on with another seed from step 500 on: {seed}" in warnings
    assert run.status.fidelity.grade == "statistical"
