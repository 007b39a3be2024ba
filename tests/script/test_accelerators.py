"""Which switches LAMMPS gets: by GPU, force field, size and number of ranks, and never against the user."""

from __future__ import annotations

import pytest

from lammps_jobs.script.accelerators import Survey, Switches, survey, switches

LJ, REAX, HYBRID = Survey(("lj/cut",), None), Survey(("reaxff",), None), Survey(("eam", "snap"), None)
KOKKOS_FULL = ("-k", "on", "g", "1", "-sf", "kk", "-pk", "kokkos", "neigh", "full", "newton", "off")
KOKKOS_HALF = (*KOKKOS_FULL[:-4], "neigh", "half", "newton", "on")
KOKKOS_GRANULAR = (*KOKKOS_FULL[:-4], "neigh", "half", "newton", "off")
GPU = ("-sf", "gpu", "-pk", "gpu", "1")


@pytest.mark.parametrize(
    ("gpu", "script", "expected"),
    [
        ("Ampere80", LJ, KOKKOS_FULL),
        ("Hopper90", LJ, KOKKOS_FULL),
        ("Turing75", LJ, GPU),
        ("Ampere86", LJ, GPU),
        ("Ada89", LJ, GPU),
        ("Turing75", REAX, KOKKOS_HALF),
        ("Ada89", HYBRID, KOKKOS_HALF),
        ("", LJ, ()),
    ],
)
def test_package_suits_the_gpu_and_the_force_field(gpu, script, expected):
    assert switches(gpu, 1, 1, script).words == expected


def test_user_has_the_last_word():
    assert switches("Ampere80", 1, 1, LJ, chosen="none").words == ()
    assert switches("Ampere80", 1, 1, LJ, chosen="gpu").words == GPU
    assert switches("Turing75", 1, 1, LJ, chosen="kokkos").words == KOKKOS_FULL
    assert switches("Ampere80", 1, 1, Survey(("lj/cut",), 100), chosen="kokkos").words == KOKKOS_FULL


def test_small_systems_stay_on_the_cores_of_their_machine():
    small = switches("Ampere80", 1, 1, Survey((), 1999))
    assert small.words == ()
    assert "1999 atoms" in small.why
    assert switches("Ampere80", 1, 1, Survey((), 2000)) == Switches(KOKKOS_FULL)


def test_no_more_gpus_than_ranks():
    assert switches("Ampere80", 8, 2, LJ).words[3] == "2"
    assert switches("Ampere80", 2, 8, LJ).words[3] == "2"


FILES = {
    "reax.inc": "# the force field\npair_style reaxff NULL\n",
    "loop.inc": "jump in.test\ninclude loop.inc\n",
    "melt.data": "LAMMPS data file\n\n1200 atoms\n2 atom types\n",
    "empty.data": "",
}


@pytest.fixture
def surveyed(tmp_path):
    """The survey of a script beside FILES."""

    def look(text: str, **variables: str) -> Survey:
        for name, content in FILES.items():
            (tmp_path / name).write_text(content)
        (tmp_path / "in.test").write_text(text)
        return survey(tmp_path, "in.test", {name: (value,) for name, value in variables.items()})

    return look


@pytest.mark.parametrize(
    ("script", "styles"),
    [
        ("pair_style lj/cut 2.5\n#pair_style snap\n", ("lj/cut",)),
        ("  pair_style reaxff NULL # C H O\n", ("reaxff",)),
        ("pair_style &\n  reaxff NULL\n", ("reaxff",)),
        ("variable style string reaxff\npair_style ${style} NULL\n", ("reaxff",)),
        ("variable s index 'hybrid/overlay eam snap'\npair_style $s\n", ("eam", "snap")),
        ("include reax.inc\n", ("reaxff",)),
        ("variable what index reax lj\ninclude ${what}.inc\n", ("reaxff",)),
        ("jump reax.inc\n", ("reaxff",)),
        ("include loop.inc\npair_style sw\n", ("sw",)),
        ('if "${x} == 1" then "include reax.inc" else "pair_style lj/cut 2.5"\n', ("reaxff", "lj/cut")),
        ("if \"1 == 1\" then \"if '1 == 1' then 'pair_style snap'\"\n", ("snap",)),
        ('variable s string eam\nif "$x" then "variable s string snap"\npair_style $s\n', ("eam", "snap")),
        ("variable s getenv STYLE\npair_style $s\n", ()),
        ("pair_style hybrid/scaled v_f tersoff 0.5 sw\n", ("v_f", "tersoff", "sw")),
        ("print 'not closed\npair_style reaxff NULL\n", ()),
        ("include gone.inc\npair_style sw\n", ("sw",)),
        ("variable c equal 2.5\npair_style lj/cut ${c}\n", ("lj/cut",)),
        ("pair_style reaxff NULL safezone $(v_zone) mincap ${cap}\n", ("reaxff",)),
        ("pair_style hybrid/overlay zbl ${in} $(v_out + 1) snap\n", ("zbl", "snap")),
        ("pair_style hybrid ${what} snap\n", ("snap",)),
        ("variable s index 'reaxff NULL'\npair_style $s safezone ${zone}\n", ("reaxff",)),
        ("jump reax.inc ${label}\n", ("reaxff",)),
    ],
)
def test_pair_styles_are_found_by_reading_the_script(surveyed, script, styles):
    assert surveyed(script).pair_styles == styles


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("pair_style snap\n", KOKKOS_HALF),
        ("pair_style pace product\n", KOKKOS_HALF),
        ("pair_style meam\n", KOKKOS_HALF),
        ("pair_style dpd 1.0 1.0 34387\n", KOKKOS_HALF),
        ("pair_style gran/hooke/history 2e5 NULL 50 NULL 0.5 0\n", KOKKOS_GRANULAR),
        ("pair_style lj/charmm/coul/long 8 10\ndihedral_style charmm\n", KOKKOS_HALF),
        ("pair_style lj/cut 2.5\ndihedral_style hybrid harmonic charmmfsw\n", KOKKOS_HALF),
        ("newton on\npair_style lj/cut 2.5\n", KOKKOS_HALF),
        ("newton off\npair_style lj/cut 2.5\n", KOKKOS_FULL),
        ("pair_style lj/cut 2.5\ndihedral_style harmonic\n", KOKKOS_FULL),
    ],
)
def test_kokkos_gets_the_lists_that_it_takes_the_force_field_with(surveyed, script, expected):
    assert switches("Ampere80", 1, 1, surveyed(script)) == Switches(expected)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("min_style fire\nminimize 0 0 10 10\n", "min_style fire"),
        ("atom_style ellipsoid\n", "atom_style ellipsoid"),
        ("atom_style hybrid sphere line\n", "atom_style hybrid"),
        ("variable n index multi\nneighbor 0.3 $n\n", "neighbor multi"),
        ("run_style respa 2 2\n", "run_style respa"),
    ],
)
def test_script_that_kokkos_refuses_runs_without_it_and_that_is_said(surveyed, script, named):
    found = switches("Ampere80", 1, 1, surveyed(f"{script}pair_style lj/cut 2.5\n"))
    assert found.words == GPU
    assert named in found.why
    plain = switches("Ampere80", 1, 1, surveyed(f"{script}pair_style reaxff NULL\n"))
    assert plain.words == ()
    assert "without the GPU" in plain.why
    assert switches("Ampere80", 1, 1, surveyed(script), chosen="kokkos").words[:2] == ("-k", "on"), "asked for, given"


@pytest.mark.parametrize("script", ["min_style fire\n", "minimize 0 0 10 10\n", "atom_style hybrid sphere dipole\n",
                                    "neighbor 0.3 bin\n", "min_style cg\nminimize 0 0 9 9\n"])  # fmt: skip
def test_what_kokkos_takes_is_not_kept_from_it(surveyed, script):
    assert switches("Ampere80", 1, 1, surveyed(f"{script}pair_style lj/cut 2.5\n")) == Switches(KOKKOS_FULL)


@pytest.mark.parametrize(
    "script",
    [
        "pair_style &\n  reaxff NULL\n",
        "variable s string reaxff\npair_style ${s} NULL\n",
        "include reax.inc\n",
        "variable z equal 1.2+0.4\npair_style reaxff NULL safezone ${z}\n",
    ],
)
def test_reaxff_goes_to_kokkos_wherever_the_script_says_it(surveyed, script):
    assert switches("Turing75", 1, 1, surveyed(script)).words == KOKKOS_HALF


def test_callers_variable_names_the_pair_style(surveyed):
    script = "variable s index lj/cut\npair_style ${s} 2.5\n"
    assert surveyed(script, s="reaxff").pair_styles == ("reaxff",)
    assert surveyed(script).pair_styles == ("lj/cut",)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("read_data melt.data\n", 1200),
        ("read_data melt.data extra/atom/types 1\nreplicate 2 2 3\n", 14_400),
        ("variable n index 2\nread_data &\n melt.data\nreplicate $n $n 3 bbox\n", 14_400),
        ("variable n equal 2\nread_data melt.data\nreplicate $n $n 3\n", None),
        ("read_data melt.data extra/atom/types $(v_n)\n", 1200),
        ("variable f index melt\nread_data ${f}.data\n", 1200),
        ("variable f index melt empty\nread_data ${f}.data\n", None),
        ("create_atoms 1 box\n", None),
        ("read_data ${file}\nread_data melt.data\n", None),
        ("read_data gone.data\n", None),
        ("read_data empty.data\n", None),
    ],
)
def test_atoms_are_read_from_the_data_files_header(surveyed, script, expected):
    assert surveyed(script).atoms == expected
