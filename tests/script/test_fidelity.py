"""The grade of a resume, and what forbids a cut: from the journal alone."""

from __future__ import annotations

import pytest

from lammps_jobs.record.documents import worst
from lammps_jobs.script import fidelity
from tests.script.test_journal import recorded


def grade_of(*lines: str, used: bool = True) -> tuple[str, int]:
    made = recorded(*lines)
    if used:
        made.use()
    grade, reasons = fidelity.grade_of(made)
    return grade, len(reasons)


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("fix 1 all nve", "exact"),
        ("fix 1 all langevin 1 1 1 4", "statistical"),
        ("fix 1 all langevin/kk 1 1 1 4", "statistical"),
        ("fix 1 all rigid single", "exact"),
        ("fix 1 all poems molecule", "faithful"),
        ("fix 1 all rigid single langevin 1 1 1 7", "statistical"),
        ("fix 1 all ave/time 1 10 10 v_x ave running file x", "statistical"),
        ("fix 1 all ave/time 1 10 10 v_x ave one file x", "exact"),
        ("fix 1 all nvt/uef temp 1 1 1 erate 0 0", "exact"),
        ("fix s all store/state 0 xu yu", "exact"),
        ("fix s all store/state 0 x c_pe", "statistical"),
        ("fix s all store/state 0 v_t", "statistical"),
        ("fix 1 all made/up", "statistical"),
        ("made_up 1", "statistical"),
        ("pair_style dpd 1 1 1", "statistical"),
        ("pair_style hybrid/overlay lj/cut 2.5 gran/hooke 1 1", "statistical"),
        ("pair_style lj/cut 2.5", "exact"),
        ("compute c all chunk/atom bin/1d x lower 0.1 units reduced", "faithful"),
        ("compute c all chunk/atom bin/1d x lower 0.1", "exact"),
    ],
)
def test_grade(line, grade):
    assert grade_of(line) == (grade, 0 if grade == "exact" else 1)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("pair_style dpd 1 1 1", "pair_style dpd: "),
        ("pair_style hybrid lj/cut 2.5 dpd 1 1 1", "pair_style hybrid, of it dpd: "),
        ("pair_style hybrid/overlay dpd 1 1 1 gran/hooke 1 1", "pair_style hybrid/overlay, of it dpd, gran/hooke: "),
    ],
)
def test_part_of_a_hybrid_style_that_is_not_exact_is_named(line, named):
    _, (reason,) = fidelity.grade_of(recorded(line))
    assert reason.startswith(named)


def test_worst_grade_counts_and_all_reasons_are_named():
    assert grade_of("fix 1 all nve", "fix 2 all poems molecule", "fix 3 all langevin 1 1 1 4") == ("statistical", 2)
    assert worst([]) == "exact"
    assert worst(["faithful", "refused", "exact"]) == "refused"


def test_fix_that_has_just_been_made_has_no_past_to_lose_but_an_unknown_one_may():
    lines = ("fix r all box/relax x 1.0", "fix t all langevin 1 1 1 7")
    assert grade_of(*lines, used=False) == ("exact", 0)
    assert grade_of(*lines) == ("statistical", 2)
    assert grade_of("fix 1 all made/up", used=False) == ("statistical", 1)


@pytest.mark.parametrize(
    ("fix", "boundary", "reneighboured", "as_if"),
    [
        ("nve", False, True, "never cut"),
        ("nve", False, False, "set up again"),
        ("nvt", False, True, "set up again"),
        ("nvt/kk", False, True, "set up again"),
        ("made/up", False, True, "set up again"),
        ("nvt", True, False, "never cut"),
    ],
)
def test_resume_is_as_if(fix, boundary, reneighboured, as_if):
    made = recorded(f"fix 1 all {fix}")
    assert fidelity.of_resume(made, is_boundary=boundary, reneighboured=reneighboured).as_if == as_if


@pytest.mark.parametrize(
    ("lines", "triclinic", "ranks", "grade"),
    [
        ([], False, 2, "exact"),
        ([], True, 1, "faithful"),
        (["balance 1.1 shift x 5 1.1"], False, 1, "exact"),
        (["balance 1.1 shift x 5 1.1"], False, 2, "faithful"),
        (["fix 1 all langevin 1 1 1 4"], True, 1, "statistical"),
    ],
)
def test_rounding_makes_a_resume_faithful(lines, triclinic, ranks, grade):
    made = recorded(*lines)
    made.use()
    found = fidelity.of_resume(made, is_boundary=False, reneighboured=True, is_triclinic=triclinic, ranks=ranks)
    assert found.grade == grade
    assert bool(found.reasons) == (grade != "exact")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("fix 1 all npt/uef temp 1 1 1", "npt/uef"),
        ("dump 1 all cfg 10 out.cfg mass type xs ys zs", "cannot be joined"),
        ("dump 1 all atom 10 out.gz", "compressed"),
        ("dump_modify 1 maxfiles 5", "maxfiles"),
        ("run_style respa/omp 2 2", "respa"),
    ],
)
def test_cut_inside_a_run_is_refused(line, named):
    (reason,) = fidelity.uncuttable_because(recorded(line))
    assert named in reason


@pytest.mark.parametrize(
    "line",
    ["dump 1 all cfg 10 out.*.cfg mass type xs ys zs", "dump 1 all custom/gz 10 out.*.gz id", "dump 1 all dcd 10 x.dcd",
     "run_style verlet", "fix 1 all npt temp 1 1 1"],
)  # fmt: skip
def test_cut_inside_a_run_is_allowed(line):
    assert fidelity.uncuttable_because(recorded(line)) == []


def test_fix_without_its_reference_and_region_made_again_forbid_a_checkpoint():
    made = recorded("region r block 0 1 0 1 0 1", "fix w all wall/region r lj93 1 1 1")
    assert not fidelity.is_half_made(made)
    made.use()
    made.record(["region", "r", "block", "0", "2", "0", "1", "0", "1"], "region r block 0 2 0 1 0 1")
    assert fidelity.is_half_made(made)
    referring = recorded("fix 1 all msst x 1")
    assert fidelity.is_half_made(referring)
    referring.use()
    assert not fidelity.is_half_made(referring)


@pytest.mark.parametrize(
    ("lines", "moves"),
    [
        (["compute t all temp", "fix_modify 1 temp t"], False),
        (["compute t all temp/com", "fix_modify 1 temp t"], True),
        (["fix_modify 1 temp thermo_temp"], False),
        (["compute t all temp/com", "fix_modify 1 energy yes"], False),
    ],
)
def test_thermo_row_that_moves_a_bias(lines, moves):
    assert fidelity.thermo_moves_bias(recorded(*lines)) is moves


@pytest.mark.parametrize(
    ("lines", "reads"),
    [(["thermo 10"], False), (["thermo 10", "thermo_style custom step f_a"], True), (["thermo v_every"], True)],
)
def test_thermo_row_that_needs_a_fix(lines, reads):
    assert fidelity.thermo_reads_fixes(recorded(*lines)) is reads
