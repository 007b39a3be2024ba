"""LAMMPS's objects given back to a new process, by the real LAMMPS: bit for bit as never cut, and every damage seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs.protocol.engine_environment import ENGINE_ENVIRONMENT
from tests.waiting import scaled

pytestmark = pytest.mark.engine

REGION = "lattice fcc 0.8442\nregion b block 0 4 0 4 0 4\n"
BOX = f"""{REGION}
create_box 1 b
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
"""
BEFORE = "units lj\natom_style atomic\n"
NEAR = "neighbor 0.3 bin\nneigh_modify every 5 delay 0 check yes\nthermo 50\n"
LJ = "pair_style lj/cut 2.5\npair_coeff * * 1 1\n"
KINDS = {
    "nose-hoover with a ramp": f"{LJ}fix 1 all nvt temp 1.0 2.0 0.1",
    "barostat with a ramp": f"{LJ}fix 1 all npt temp 1.0 1.5 0.1 iso 0 1 1",
    "random forces": f"{LJ}fix 1 all nve\nfix 2 all langevin 1 1 0.1 12345",
    "random forces of a pair style": "comm_modify vel yes\npair_style dpd 1 1 34387\npair_coeff * * 25 4.5\n"
    "fix 1 all nve",
    "coefficients that a fix changes": f"{LJ}fix 1 all nve\nvariable e equal ramp(1.0,1.5)\n"
    "fix 2 all adapt 10 pair lj/cut epsilon 1 1 v_e",
    "a step that a fix chooses": f"{LJ}fix 1 all nve\nfix 2 all dt/reset 10 NULL NULL 0.01 units lattice",
    "averages with a window": f"{LJ}fix 1 all nve\nfix 2 all ave/time 1 90 100 c_thermo_temp ave window 2",
    "a running mean": f"{LJ}fix 1 all nve\ncompute m all msd average yes\nfix 2 all ave/time 1 1 10 c_m[4]",
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
    (folder / "script").write_text(f"{BEFORE}{BOX}{KINDS[kind]}\n{NEAR}")
    (folder / "again").write_text(f"{BEFORE}{REGION}read_restart restart\n{KINDS[kind]}\n{NEAR}")


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
    "damage", ["x", "v", "f", "image", "fix 1", "fix 2", "compute thermo_temp", "Update", "Output"]
)
def test_every_damage_of_what_was_given_back_is_seen(damage, was_cut):
    named = f"atoms' {damage}" if len(damage) == 1 or damage == "image" else damage
    assert run(was_cut, "resume", damage)["differing"] == [named]
