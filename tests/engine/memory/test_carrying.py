"""LAMMPS's objects given back to a new process, by the real LAMMPS: bit for bit as never cut, and every damage seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lammps_jobs.protocol.engine_environment import ENGINE_ENVIRONMENT
from tests.waiting import scaled

pytestmark = pytest.mark.engine

REGION = "lattice fcc 0.8442\nregion b block 0 4 0 4 0 4\n"
BOX = (
    REGION
    + """
create_box 1 b
create_atoms 1 box
{}
velocity all create 1.44 87287
"""
)
BEFORE = "units lj\natom_style {}\ncomm_modify vel yes\n"
ONCE = "change_box "
"""A command whose effect a restart file holds."""
NEAR = "neighbor 0.3 bin\nneigh_modify every 5 delay 0 check yes\nthermo 50\n"
LJ = "pair_style lj/cut 2.5\npair_coeff * * 1 1\n"
KINDS = {
    "nose-hoover with a ramp": f"{LJ}fix 1 all nvt temp 1.0 2.0 0.1",
    "barostat with a ramp": f"{LJ}fix 1 all npt temp 1.0 1.5 0.1 iso 0 1 1",
    "random forces": f"{LJ}fix 1 all nve\nfix 2 all langevin 1 1 0.1 12345",
    "random forces of a pair style": "pair_style dpd 1 1 34387\npair_coeff * * 25 4.5\nfix 1 all nve",
    "coefficients that a fix changes": f"{LJ}fix 1 all nve\nvariable e equal ramp(1.0,1.5)\n"
    "fix 2 all adapt 10 pair lj/cut epsilon 1 1 v_e",
    "a step that a fix chooses": f"{LJ}fix 1 all nve\nfix 2 all dt/reset 10 NULL NULL 0.01 units lattice",
    "averages with a window": f"{LJ}fix 1 all nve\nfix 2 all ave/time 1 90 100 c_thermo_temp ave window 2",
    "a running mean": f"{LJ}fix 1 all nve\ncompute m all msd average yes\nfix 2 all ave/time 1 1 10 c_m[4]",
    "a barostat of a tilted box": f"change_box all triclinic\n{LJ}fix 1 all npt temp 1.0 1.5 0.1 tri 0 1 1",
    "lists that are not built again": f"{LJ}neighbor 1.0 bin\nneigh_modify delay 1000\nfix 1 all nve",
    "contacts, by their place in a neighbour list": "pair_style gran/hooke/history 2000 NULL 50 NULL 0.5 1\n"
    "pair_coeff * *\nfix 1 all nve/sphere\ntimestep 0.001",
    "charges that a fix changes, which ghosts learn when lists are built": "variable q equal ramp(0,4)\n"
    "pair_style lj/cut/coul/cut 2.5\npair_coeff * * 1 1\nfix 1 all nve\nfix 2 all adapt 50 atom charge v_q",
    "a metal": "pair_style eam/alloy\npair_coeff * * metal.eam A\nfix 1 all nph iso 0 0 1",
    "a property of atoms": f"{LJ}fix 0 all property/atom d_a ghost yes\nfix 1 all nve",
    "averages on a grid": f"{LJ}fix 1 all nve\nfix 2 all ave/grid 5 10 50 4 4 4 vx density/number ave running",
    "a time that begins with the fix": f"{LJ}fix 1 all nve\nfix 2 all ti/spring 10.0 100 50",
}


def run(folder: Path, *args: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.memory.carrying", str(folder), *args], capture_output=True, text=True,
        timeout=scaled(90), env={**os.environ, **ENGINE_ENVIRONMENT}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lay_out(folder: Path, kind: str) -> None:
    style, mass = ("sphere", "set group all diameter 1.2") if "gran" in KINDS[kind] else ("charge", "mass 1 1.0")
    before = BEFORE.format(style)
    again = [line for line in KINDS[kind].splitlines() if not line.startswith(ONCE)]
    (folder / "metal.eam").write_text(made_up_metal())
    (folder / "script").write_text(f"{before}{BOX.format(mass)}{NEAR}{KINDS[kind]}\n")
    (folder / "again").write_text("\n".join([f"{before}{REGION}read_restart restart\n{NEAR}", *again, ""]))


def made_up_metal(points: int = 500, cutoff: float = 2.5) -> str:
    """A potential file of `pair_style eam/alloy` in LJ units: a repulsion, held together by the root of a density."""
    r, density = np.linspace(0, cutoff, points), np.linspace(0, 50, points)
    tables = (-np.sqrt(density), (cutoff - r) ** 2, 4 * (cutoff - r) ** 2 * r)
    head = f"made\nup\nmetal\n1 A\n{points} {density[1]} {points} {r[1]} {cutoff}\n1 1.0 1.0 fcc\n"
    return head + "".join(f"{value:.12g}\n" for table in tables for value in table)


@pytest.mark.parametrize("kind", KINDS)
def test_new_process_goes_on_bit_for_bit_as_if_never_cut(kind, tmp_path):
    lay_out(tmp_path, kind)
    kept = run(tmp_path, "cut")
    resumed = run(tmp_path, "resume")
    assert resumed["differing"] == []
    assert resumed["end"] == kept["end"]
    assert "Update" in resumed["repaired"]  # the run that LAMMPS believes to be in


@pytest.fixture(scope="module")
def was_cut(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    lay_out(folder, "random forces")
    run(folder, "cut")
    return folder


@pytest.mark.parametrize(
    "damage", ["x", "v", "f", "image", "fix 1", "fix 2", "compute thermo_temp", "Update", "Output", "lists"]
)
def test_every_damage_of_what_was_given_back_is_seen(damage, was_cut):
    named = f"atoms' {damage}" if len(damage) == 1 or damage == "image" else damage
    assert run(was_cut, "resume", damage)["differing"] == [named]


@pytest.mark.parametrize("array", ["d_a", "d_a of ghosts", "type of ghosts"])
def test_arrays_of_the_users_own_and_of_ghosts_are_compared(array, tmp_path):
    lay_out(tmp_path, "a property of atoms")
    run(tmp_path, "cut")
    assert run(tmp_path, "resume", array)["differing"] == [f"atoms' {array}"]


@pytest.mark.seeds(1)
def test_bits_that_are_drawn_by_lot_are_seen_when_they_change(chance, was_cut):
    assert run(was_cut, "resume", f"many{chance.of}")["unnoticed"] == []
