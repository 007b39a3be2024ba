"""A box that was divided unevenly among the ranks, by the real LAMMPS: resumed as if it had never been cut."""

from __future__ import annotations

import numpy as np
import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.formats.thermo import sections
from lammps_jobs.record.documents import Fidelity
from tests.conftest import assert_same, bare, outputs
from tests.waiting import finish

SELDOM = Checkpoints(every_s=1e6)
HALF_FULL = """units lj
atom_style atomic
lattice fcc 0.8442
region box prism 0 10 0 5 0 5 1 0 0
create_box 1 box
region half block 0 3 0 5 0 5
create_atoms 1 region half
mass * 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff * * 1.0 1.0
neighbor 0.3 bin
neigh_modify every 5 delay 0 check yes
balance 1.05 shift x 10 1.05
fix 1 all nve
fix 2 all langevin 1.0 1.0 1.0 4242
thermo 50
thermo_modify format float %.16g
dump d all custom 50 frames.dump id x y z vx vy vz
dump_modify d sort id format float %.17g
run 100
{}
run 100
unfix 2
run 50
write_data end.data
"""
"""On two ranks: the box is cut where half of the atoms are, not in its middle."""


@pytest.mark.parametrize("again", ["balance 1.0 shift x 10 1.01", "fix 3 all balance 20 1.0 shift x 10 1.01"])
def test_parts_of_the_box_that_were_balanced_stay_as_they_are(cluster, script, tmp_path, again):
    """A restart file knows of none of it: whoever reads one has even parts, and the atoms in another order."""
    path = script(HALF_FULL.format(again))
    cuts = ((1, 38), (2, 100), (2, 131), (3, 200), (3, 231))
    run = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=2),
                                cut_plan=CutPlan(cut_at=cuts, then="stop")))  # fmt: skip
    assert run.status.fidelity == Fidelity(as_if="never cut")
    assert len(run.resumed_at) == len(cuts)
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", 2))


SLAB = """units lj
atom_style atomic
boundary p p s
lattice fcc 0.8442
region box block 0 5 0 5 0 10
create_box 1 box
region low block 0 5 0 5 0 3
create_atoms 1 region low
mass * 1.0
velocity all create 1.0 87287 loop geom
pair_style lj/cut 2.5
pair_coeff * * 1.0 1.0
neighbor 0.3 bin
neigh_modify every 5 delay 0 check yes
fix 1 all balance 20 1.0 shift z 5 1.01
fix 2 all nve
thermo 50
thermo_modify format float %.16g
run 100
"""


def test_process_that_sets_up_again_while_it_balances_goes_on_with_its_atoms_where_they_are(cluster, script, tmp_path):
    """It has no memory of a cut to come back to: as true as a resume without one, up to rounding."""
    path = script(SLAB)
    kept = finish(cluster.submit(path, checkpoints=SELDOM, resources=Resources(ranks=2),
                                 cut_plan=CutPlan(cut_at=((1, 38),), then="set up again")))  # fmt: skip
    ours, plain = outputs(kept, tmp_path / "kept"), bare(path, tmp_path / "bare", 2)
    rows = [sections(files["log.lammps"].decode())[-1].rows for files in (ours, plain)]
    assert np.allclose(*([[float(value) for value in row[1:5]] for row in one] for one in rows), rtol=1e-9)
