"""The promise itself, on the real LAMMPS: undisturbed, resumed, killed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.formats.thermo import sections
from lammps_jobs.record.documents import Fidelity
from lammps_jobs.script.seeds import derived
from tests.conftest import ENSEMBLES, FLOW, START, THREADED, assert_same, bare, outputs, script_of
from tests.waiting import ended, finish

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


def test_resume_equals_the_same_process_set_up_again(cluster, script, tmp_path):
    path = script(script_of("npt"))
    kept = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(cut_at=CUTS, then="set up again")))
    assert_same(outputs(kept, tmp_path / "kept"), bare(path, tmp_path / "bare"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_that_lost_its_machine_equals_the_run_that_was_never_cut(cluster, script, tmp_path, ranks):
    """The whole promise, bit for bit against bare `lmp`.

    Atoms are sorted every 1000 steps: before the first cut, between the cuts, and after the last one.
    """
    path = script(script_of("nve", 4000))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(at=(0.1, 0.5, 0.55), then="stop")))  # fmt: skip
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert [event.fidelity.as_if for event in resumed] == ["never cut"] * 3
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


@pytest.mark.parametrize("ranks", [1, 2])
def test_interruptions_amid_averaging_windows_lose_no_row(cluster, script, tmp_path, ranks):
    """Each stop falls between two samples of open windows, the last one also right before a row."""
    text = script_of("nve").replace("dump ", "fix wide all ave/time 10 10 100 c_thermo_press file wide.dat\ndump ", 1)
    path, stops = script(text), ((1, 343), (1, 748), (1, 1049))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(cut_at=stops, then="stop")))  # fmt: skip
    assert tuple((event.stage, event.step) for event in run.events if event.kind == "resumed") == stops
    got, plain = outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks)
    for name, rows in (("averages.dat", 30), ("wide.dat", 15)):
        steps = [line.split()[0] for line in got[name].decode().splitlines() if not line.startswith("#")]
        assert steps == [str(1500 // rows * row) for row in range(1, rows + 1)]
        assert steps == [line.split()[0] for line in plain[name].decode().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("ranks", [1, 2])
def test_sums_on_a_grid_go_on_as_if_never_cut(cluster, script, tmp_path, ranks):
    """Cut amid a window. Each rank's part of the grid is counted from its own first cell."""
    text = """
fix     integrate all nve
fix     cells all ave/grid 5 10 50 4 4 4 vx density/number ave running
dump    cells all grid 50 cells.txt f_cells:grid:data[*] f_cells:grid:count
thermo  100
run     400
"""
    path = script(START + text)
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(cut_at=((1, 128), (1, 283)), then="stop")))  # fmt: skip
    assert run.status.fidelity.as_if == "never cut"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


def test_cut_between_replicate_and_the_next_run_leaves_the_atoms_in_their_order(cluster, script, tmp_path):
    path = script(f"{START}fix 1 all nve\nthermo 50\nrun 100\nreplicate 1 1 2\nrun 200\nwrite_data end.data\n")
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(cut_at=((2, 100),), then="stop")))
    assert run.status.fidelity.as_if == "never cut"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))


def dimers(side: int = 6) -> str:
    """A data file of dimers on a grid, with the coefficients of hybrid styles, which no restart file holds."""
    places = [(1.5 * i, 1.5 * j, 1.5 * k) for i in range(side) for j in range(side) for k in range(side)]
    atoms = [f"{n + 1} {n // 2 + 1} 1 {x} {y} {z}" for n, (x, y, z) in enumerate(places)]
    bonds = [f"{n + 1} 1 {2 * n + 1} {2 * n + 2}" for n in range(len(places) // 2)]
    box = "\n".join(f"0 {1.5 * side} {axis}lo {axis}hi" for axis in "xyz")
    coefficients = {"Pair Coeffs # hybrid": ["1 lj/cut 1 1"], "Bond Coeffs # hybrid": ["1 harmonic 50 1.4"]}
    parts = {"Masses": ["1 1.0"], **coefficients, "Atoms # bond": atoms, "Bonds": bonds}
    sections = "".join(f"\n{name}\n\n" + "\n".join(rows) + "\n" for name, rows in parts.items())
    return f"dimers\n\n{len(atoms)} atoms\n{len(bonds)} bonds\n1 atom types\n1 bond types\n\n{box}\n{sections}"


def test_coefficients_of_hybrid_styles_that_the_data_file_gave_are_there_again(cluster, script, tmp_path):
    text = """units lj
atom_style bond
pair_style hybrid lj/cut 2.5
bond_style hybrid harmonic
read_data dimers.data
velocity all create 1.0 4711
neighbor 0.4 bin
fix 1 all nve
thermo 50
run 300
write_data end.data
"""
    path = script(text, dimers__data=dimers())
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(cut_at=((1, 128),), then="stop")))
    assert run.status.fidelity.as_if == "never cut"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))


WATER = """three sites

3 atoms
2 bonds
1 angles

Coords

1 0 0 0
2 0.8 0.6 0
3 -0.8 0.6 0

Types

1 1
2 2
3 2

Charges

1 -0.8
2 0.4
3 0.4

Bonds

1 1 1 2
2 1 1 3

Angles

1 1 2 1 3

Special Bond Counts

1 2 0 0
2 1 1 0
3 1 1 0

Special Bonds

1 2 3
2 1 3
3 1 2
"""


def test_atom_style_with_a_template_is_cut(cluster, script, tmp_path):
    text = """units real
molecule water water.mol
atom_style hybrid template water charge
region b block 0 16 0 16 0 16
create_box 2 b bond/types 1 angle/types 1
mass 1 16
mass 2 1
pair_style lj/cut/coul/cut 6
pair_coeff * * 0.1 3.0
bond_style harmonic
bond_coeff 1 450 1.0
angle_style harmonic
angle_coeff 1 55 104.5
lattice sc 4
create_atoms 0 box mol water 4711
velocity all create 300 4711
fix 1 all nve
timestep 0.5
thermo 50
run 200
write_data end.data
"""
    path = script(text, water__mol=WATER)
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(cut_at=((1, 88),), then="stop")))
    assert run.status.fidelity.as_if == "never cut"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))


GRAINS = """units lj
atom_style sphere
boundary p p f
comm_modify vel yes
region box block 0 8 0 8 0 8
create_box 1 box
region inside block 1 7 1 7 1 7
create_atoms 1 random 300 4321 inside overlap 0.8 maxtry 200
set type 1 density 1.0
set type 1 diameter 1.0
velocity all create 1.0 4233 loop geom
neighbor 0.5 bin
neigh_modify delay 0 every 1 check yes
pair_style gran/hooke/history 2000.0 NULL 50.0 NULL 0.5 1
pair_coeff * *
timestep 0.001
fix 1 all nve/sphere
fix 2 all gravity 1.0 vector 0 0 -1
fix 3 all wall/gran hooke/history 2000.0 NULL 50.0 NULL 0.5 1 zplane 0 8
thermo_style custom step temp ke pxx nbuild ndanger elapsed
thermo 10
run 400
"""
COLD = """units lj
lattice fcc 0.8442
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 0.05 87287 loop geom
pair_style lj/cut 2.5
pair_coeff * * 1.0 1.0 2.5
neighbor 0.8 bin
neigh_modify every 10 delay 50 check yes
fix 1 all nve
thermo_style custom step temp pe press nbuild
thermo 10
run 400
"""
CONTACTS = (
    COLD.replace("create 0.05", "create 1.44")
    .replace("lj/cut 2.5", "hybrid/overlay lj/cut 2.5 tracker t 100 id1 id2 time/created time/total time/min 5")
    .replace("* * 1.0", "* * lj/cut 1.0")
    .replace("every 10 delay 50", "every 5")
    .replace(
        "thermo 10", "pair_coeff * * tracker 1.15\ndump d all local 100 contacts.txt f_t[1] f_t[2] f_t[3]\nthermo 10"
    )
)
CHAIN = """# four beads

4 atoms
3 bonds

Coords

1 0 0 0
2 1 0 0
3 2 0 0
4 3 0 0

Types

1 1
2 1
3 1
4 1

Bonds

1 1 1 2
2 1 2 3
3 1 3 4
"""
SWITCHED_OFF = """units lj
atom_style bond
special_bonds fene
region box block 0 8 0 8 0 8
create_box 1 box bond/types 1 extra/bond/per/atom 2 extra/special/per/atom 6
molecule m chain.txt
create_atoms 0 random 40 3322 NULL mol m 9981 overlap 0.7 maxtry 500
mass 1 1.0
bond_style harmonic
bond_coeff 1 100 1.0
pair_style lj/cut 2.0
pair_coeff * * 0.5 0.8
minimize 1e-4 1e-6 200 1000
velocity all create 1.0 333
timestep 0.004
group odd id 1:80
delete_bonds odd bond 1
fix 1 all nve
fix 2 all langevin 1 1 1 83
thermo 20
dump d all custom 20 frames.dump id x y z vx
dump_modify d sort id format float %.17g
run 200
"""
BETWEEN = {
    "contacts with a history": GRAINS,
    "lists that are never rebuilt, atoms that have left the box": COLD,
    "contacts that are followed": CONTACTS,
}


@pytest.mark.parametrize(("kind", "ranks"), [(kind, ranks) for kind in BETWEEN for ranks in (1, 2)])
def test_cut_between_two_rebuilds_of_the_neighbour_lists_leaves_no_trace(cluster, script, tmp_path, kind, ranks):
    path = script(BETWEEN[kind])
    cuts = ((1, 103), (1, 217), (1, 331))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(cut_at=cuts, then="stop")))  # fmt: skip
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert [event.step for event in resumed] == [step for _, step in cuts]
    assert run.status.fidelity == Fidelity(grade="exact", as_if="never cut")
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


@pytest.mark.parametrize("ranks", [1, 2])
def test_bonds_that_are_switched_off_stay_off_and_respa_goes_on(cluster, script, tmp_path, ranks):
    """A restart file holds no sign of a bond's type (`delete_bonds`)."""
    path = script(SWITCHED_OFF.replace("timestep", "run_style respa 2 4 bond 1 pair 2\ntimestep"))
    (path.parent / "chain.txt").write_text(CHAIN)
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(at=(0.4, 0.7), then="stop")))  # fmt: skip
    assert len(run.resumed_at) == 2
    assert run.status.fidelity == Fidelity(grade="exact", as_if="never cut")
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


def test_run_with_files_of_a_rigid_fix_beside_those_of_the_ranks_goes_on(cluster, script, tmp_path):
    """LAMMPS writes `restart.%.rigid`, with the percent sign, in an open box."""
    atoms = "region middle block 1 7 1 7 3 5\ncreate_atoms 0 random 20 3322 middle"
    rigid = SWITCHED_OFF.replace("create_atoms 0 random 40 3322 NULL", atoms)
    rigid = rigid.replace("fix 1 all nve", "fix 1 all rigid/small molecule mol m")
    for line in ("minimize 1e-4 1e-6 200 1000", "delete_bonds odd bond 1", "fix 2 all langevin 1 1 1 83"):
        rigid = rigid.replace(line, "")
    rigid = "boundary p p f\n" + rigid.replace("create 1.0 333", "create 0.1 333")
    path = script(rigid)
    (path.parent / "chain.txt").write_text(CHAIN)
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(at=(0.5,), then="stop")))
    assert len(run.resumed_at) == 1
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_without_a_set_up_goes_on_with_the_lists_of_the_run_before(cluster, script, tmp_path, ranks):
    """Cut just before it, steps after the last rebuild."""
    path = script(COLD.replace("create 0.05", "create 1.44").replace("run 400", "run 103 post no\nrun 297 pre no"))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=ranks),
                                cut_plan=CutPlan(cut_at=((2, 103),), then="stop")))  # fmt: skip
    assert [(event.stage, event.step) for event in run.events if event.kind == "resumed"] == [(2, 103)]
    assert run.status.fidelity == Fidelity(grade="exact", as_if="never cut")
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))


def test_without_the_places_of_the_last_rebuild_no_checkpoint_comes_before_a_run_without_a_set_up(cluster, script):
    text = script_of("nve", 60).replace("run 60", "neigh_modify delay 0 every 50 check no\nrun 60\nrun 60 pre no")
    run = finish(cluster.submit(script(text), checkpoints=SELDOM, cut_plan=CutPlan(cut_at=((2, 60),), then="go on")))
    assert not any(event.kind == "checkpoint" for event in run.events)


def test_a_compressed_dump_that_goes_on_is_in_no_checkpoint_between_two_runs(cluster, script, tmp_path):
    text = script_of("nve", 100).replace(
        "dump            frames", "dump z all custom/gz 20 z.gz id x\ndump            frames"
    )
    path = script(text.replace("run 100", "run 100\nrun 100\nundump z\nrun 100"))
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(at=(1.0,), then="stop")))
    assert [event.stage for event in run.events if event.kind == "resumed"] == [3]
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_resume_without_memory_differs_by_no_more_than_rounding(cluster, script, tmp_path, ranks):
    """Cut on two ranks, where atoms have left their rank's part of the box, and resumed on as many, and on one."""
    text = script_of("nvt", 200).replace("run 200", "thermo_modify format float %.15g\nthermo 10\nrun 200")
    path = script(f"package omp 1\nsuffix omp\n{text}")
    run = cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=2),
                         cut_plan=CutPlan(cut_at=((1, 123),), then="stop"))  # fmt: skip
    assert ended(run).state == "interrupted"
    run.resume(resources=Resources(ranks=ranks))
    finish(run)
    assert run.status.fidelity.grade == "faithful"
    bare(path, tmp_path / "bare", 2)
    expected = sections((tmp_path / "bare" / "log.lammps").read_text())[-1]
    found = run.thermo()[expected.columns].to_numpy()
    assert np.allclose(found, expected.rows, rtol=1e-8, atol=1e-8)


def test_where_lists_cannot_be_made_again_nothing_is_given_back_and_the_run_is_counted_on(cluster, script):
    path = script(script_of("nve", 400).replace("run 400", "neigh_modify delay 0 every 50 check no\nthermo_style "
                                                "custom step temp elapsed nbuild\nrun 400"))  # fmt: skip
    run = finish(cluster.submit(path, checkpoints=SELDOM, cut_plan=CutPlan(cut_at=((1, 130),), then="stop")))
    assert run.status.fidelity.grade == "faithful"
    assert "last rebuild" in run.status.fidelity.reasons[0]
    assert list(run.thermo()["Elapsed"])[-1] == 400


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
