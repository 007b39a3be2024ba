"""Which switches LAMMPS gets: by GPU, force field, size and number of ranks, and never against the user."""

from __future__ import annotations

import pytest

from lammps_jobs.script.accelerators import atoms_of, pair_styles, switches

LJ, REAX, HYBRID = "pair_style lj/cut 2.5", "  pair_style reaxff NULL # C H O", "pair_style hybrid/overlay eam snap"
KOKKOS_FULL = ["-k", "on", "g", "1", "-sf", "kk", "-pk", "kokkos", "neigh", "full", "newton", "off"]
KOKKOS_HALF = [*KOKKOS_FULL[:-4], "neigh", "half", "newton", "on"]
GPU = ["-sf", "gpu", "-pk", "gpu", "1"]


@pytest.mark.parametrize(
    ("gpu", "script", "expected"),
    [
        ("Ampere80", LJ, KOKKOS_FULL),
        ("Hopper90", LJ, KOKKOS_FULL),
        ("Turing75", LJ, GPU),
        ("Ampere86", LJ, GPU),
        ("Ada89", LJ, GPU),
        ("Turing75", REAX, KOKKOS_HALF),
        ("Ada89", HYBRID, KOKKOS_FULL),
        ("", LJ, []),
    ],
)
def test_package_suits_the_gpu_and_the_force_field(gpu, script, expected):
    assert switches(gpu, 1, 1, script) == expected


def test_user_has_the_last_word():
    assert switches("Ampere80", 1, 1, LJ, chosen="none") == []
    assert switches("Ampere80", 1, 1, LJ, chosen="gpu") == GPU
    assert switches("Turing75", 1, 1, LJ, chosen="kokkos") == KOKKOS_FULL
    assert switches("Ampere80", 1, 1, LJ, atoms=100, chosen="kokkos") == KOKKOS_FULL


def test_small_systems_stay_on_the_cores_of_their_machine():
    assert switches("Ampere80", 1, 1, LJ, atoms=1999) == []
    assert switches("Ampere80", 1, 1, LJ, atoms=2000) == KOKKOS_FULL


def test_no_more_gpus_than_ranks():
    assert switches("Ampere80", 8, 2, LJ)[3] == "2"
    assert switches("Ampere80", 2, 8, LJ)[3] == "2"


def test_pair_styles_of_a_script():
    assert pair_styles(f"{LJ}\n#pair_style snap\n{REAX}\n{HYBRID}") == ["lj/cut", "reaxff", "eam", "snap"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("read_data melt.data", 1200),
        ("read_data melt.data\nreplicate 2 2 3", 14_400),
        ("create_atoms 1 box", None),
        ("read_data ${file}", None),
        ("read_data gone.data", None),
        ("read_data empty.data", None),
    ],
)
def test_atoms_are_read_from_the_data_files_header(tmp_path, script, expected):
    (tmp_path / "melt.data").write_text("LAMMPS data file\n\n1200 atoms\n2 atom types\n")
    (tmp_path / "empty.data").write_text("")
    assert atoms_of(script, tmp_path) == expected
