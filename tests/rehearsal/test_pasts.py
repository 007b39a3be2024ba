"""Fixes that refer to their own past: what is known of it is kept, what is not is never made up."""

from __future__ import annotations

from lammps_jobs.rehearsal.rehearse import rehearse
from tests.conftest import START

SHOCK = (
    START.replace("units           lj", "units lj\ntimestep 0.002")
    + """
fix     2 all nve
thermo  10
run     100
unfix   2
fix     shock all msst z 28.0 q 200 mu 3e2 tscale 0.01
thermo_style custom step temp pe lz f_shock[1] f_shock[2]
run     100
"""
)

BIAS = (
    START
    + """
compute profile all temp/profile 1 1 1 z 4
fix     bath all nvt temp 1.0 1.0 0.1
fix_modify bath temp profile
thermo_style custom step temp c_profile press
thermo  100
run     1500
"""
)

POUR = """
units           lj
atom_style      sphere
boundary        f f f
comm_modify     vel yes
region          box block -10 10 -10 10 -10 10
create_box      1 box
pair_style      gran/hooke/history 4000.0 NULL 100.0 NULL 0.5 1
pair_coeff      * *
region          container block -6 6 -6 6 -6 6
fix             wall all wall/gran/region hooke/history 4000.0 NULL 100.0 NULL 0.5 1 region container
fix             move all nve/sphere
fix             down all gravity 1.0 vector 0 0 -1
region          slab block -2 2 -2 2 -2 2
fix             ins all pour 60 1 4767548 vol 0.4 10 region slab
timestep        0.005
thermo          100
thermo_modify   lost ignore
compute_modify  thermo_temp dynamic/dof yes
run             1500
region          container delete
variable        theta equal (step-1500)*0.001
region          container block -6 6 -6 6 -6 6 rotate v_theta 0 0 0 0 0 1
run             1500
"""


def test_no_checkpoint_before_a_fix_has_taken_its_reference(script):
    found = rehearse(script(SHOCK))
    assert (found.verdict, found.harm, found.differences) == ("exact", (), ())
    assert 100 not in found.stages[1].steps
    assert found.stages[1].steps


def test_row_of_a_temperature_that_a_thermostat_uses_is_not_asked_for_between(script):
    """A compute's bias is of the moment it was last asked at: a row more would change the bare run too."""
    assert rehearse(script(BIAS), cuts=1).harm == ()


def test_region_made_anew_under_its_wall_and_particles_poured_so_far(script, tmp_path):
    found = rehearse(script(POUR), keep=tmp_path / "sides")
    assert (found.verdict, found.harm, found.differences) == ("exact", (), ())
    assert {stage for stage, _ in found.cuts} == {1, 2}
    assert 1500 not in found.stages[1].steps  # there the wall still holds the region that is gone
    for side in ("checkpointed", "lost"):
        lines = (tmp_path / "sides" / side / "final.state").read_text().splitlines()
        assert int(lines[3]) == 60


def test_death_in_going_on_costs_the_cut_and_not_the_run(script):
    """A region of regions, made anew from one that is younger than its wall: LAMMPS dies of it when going on."""
    older, rest = POUR.split("region          container block -6 6 -6 6 -6 6\n", 1)
    rest = rest.split("region          container delete")[0]
    found = rehearse(script(
        f"{older}region a block -6 6 -6 6 -6 6\nregion container union 2 a a\n{rest}"
        "region container delete\nregion b block -6 6 -6 6 -6 6\nregion container union 2 b b\nrun 1500\n"
    ))  # fmt: skip
    assert (found.verdict, found.harm) == ("refused", ())
    assert any("after a cut: ERROR: " in reason and "region" in reason for reason in found.reasons)


def test_atoms_of_a_group_first(script):
    """`atom_modify first` is not in a restart file, and `comm_modify group` is not accepted without it."""
    solvent = """
units       lj
dimension   2
atom_modify first empty
lattice     sq 0.4
region      box block 0 10 0 10 -0.5 0.5
create_box  2 box
lattice     sq 40.0
region      plane block 0 10 0 10 -0.001 0.001
create_atoms 1 region plane
group       empty type 2
mass        * 0.01
velocity    all create 1.0 593849 loop geom
comm_modify group empty
neigh_modify delay 1 every 1 check no
timestep    0.02
fix         1 all nve
fix         2 all enforce2d
thermo      100
run         1200
"""
    found = rehearse(script(solvent))
    assert (found.verdict, found.harm, found.differences) == ("exact", (), ())
    assert found.cuts


def test_writers_made_between_two_stages_begin_with_the_frame_of_the_boundary(script):
    text = START + (
        "fix 1 all nve\nthermo 100\ndump 0 all custom 100 old.lammpstrj id x y z\nrun 1000\n"
        "dump 1 all custom 500 new.lammpstrj id x y z\ndump_modify 1 sort id\ndump 2 all xtc 100 new.xtc\n"
        "fix a all ave/time 1 1 100 c_thermo_temp file a.txt\nfix p all print 100 '$(step)' file p.txt\nrun 1500\n"
    )
    found = rehearse(script(text))
    assert (found.verdict, found.harm, found.differences) == ("exact", (), ())
    assert (2, 1000) in found.cuts
