"""A set-up that does not sort the atoms, on the real LAMMPS."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

CODE = """
import json
from contextlib import nullcontext
from lammps_jobs.engine.communicator import Communicator
Communicator(1)
from lammps_jobs.engine.memory.own_thread import open_lammps
from lammps_jobs.engine import atom_order
from lammps_jobs.script.journal import Sort
from tests.waiting import scaled
l = open_lammps(["-screen", "none", "-log", "none"])
ids = lambda: list(l.numpy.extract_atom("id")[: l.extract_setting("nlocal")])
found = {"sorted before": atom_order.is_sorted(l), "can": atom_order.can_be_kept(l)}
for command in ("lattice fcc 0.8", "region box block 0 5 0 5 0 5", "create_box 1 box", "create_atoms 1 box", "mass 1 1",
                "velocity all create 3 1", "pair_style lj/cut 2.5", "pair_coeff 1 1 1 1", "fix 1 all nve",
                "neigh_modify every 1 delay 0 check no", "atom_modify sort 100 0.0", "run 130"):
    l.command(command)
found["sorted after"] = atom_order.is_sorted(l)
before = ids()
with atom_order.kept(l, Sort(100, "0.0"), nullcontext):
    l.command("run 0")
found["kept"] = ids() == before
l.command("run 60 pre no")
found["still kept"] = ids() == before
l.command("run 20 pre no")  # a sort is due at 200
found["sorted again"] = ids() != before and sorted(ids()) == sorted(before)
atom_order.ATOM = 5
found["not there"] = atom_order.can_be_kept(l)
atom_order.ATOM, atom_order.LAY_OUT_BINS = 4, "no_such_method"
found["no method"] = atom_order.can_be_kept(l)
print(json.dumps(found))
"""


def test_set_up_keeps_the_order_and_later_sorts_go_on():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=scaled(60))
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "sorted before": False, "can": True, "sorted after": True, "kept": True, "still kept": True,
        "sorted again": True, "not there": False, "no method": False,
    }  # fmt: skip
