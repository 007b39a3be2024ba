"""The grade of a resume, and what forbids a cut: from the journal alone."""

from __future__ import annotations

import pytest

from lammps_jobs.record.documents import Fidelity, worst
from lammps_jobs.script import fidelity
from tests.script.test_journal import recorded


def grade_of(*lines: str, used: bool = True) -> tuple[str, int]:
    made = recorded(*lines)
    if used:
        made.use()
    found = fidelity.of_tables(made)
    return worst(grade for grade, _ in found), len(found)


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
        ("pair_style lj/cut/omp 2.5", "exact"),
        ("pair_style reaxff NULL", "exact"),
        ("pair_style tracker f 100 id1", "statistical"),
        ("pair_style made/up 1.0", "statistical"),
        ("compute r all rdf 100", "exact"),
        ("compute m all msd", "exact"),
        ("compute m all msd average yes", "statistical"),
        ("compute v all voronoi/atom occupation", "statistical"),
        ("compute m all made/up", "statistical"),
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
    ((_, reason),) = fidelity.of_tables(recorded(line))
    assert reason.startswith(named)


def test_part_of_a_hybrid_style_of_which_nothing_is_known_is_named():
    lines = (
        "pair_style hybrid/overlay lj/cut 2.5 tracker f 100 id1",
        "pair_coeff * * lj/cut 1 1",
        "pair_coeff * * tracker",
    )
    ((grade, reason),) = fidelity.of_tables(recorded(*lines))
    assert (grade, reason.split(":")[0]) == ("statistical", "pair_style tracker")


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
    ("unseen", "grade", "as_if"),
    [
        ([], "exact", "never cut"),
        (["fix 1"], "faithful", "set up again"),
        (["fix 2"], "statistical", "set up again"),
        (["compute c"], "statistical", "set up again"),
        (["neighbour lists"], "statistical", "set up again"),
    ],
)
def test_expectation_of_a_resume(unseen, grade, as_if):
    made = recorded("fix 1 all nvt temp 1 1 1", "fix 2 all made/up")
    found = fidelity.of_resume(made, step=0, missing="", unseen=unseen)
    assert (found.grade, found.as_if) == (grade, as_if)
    assert len(found.reasons) == len(unseen)


def test_what_is_proven_needs_no_table_and_what_is_not_is_named_and_never_exact():
    made = recorded("fix 1 all nve", "fix 2 all langevin 1 1 1 4", "fix 3 all made/up", "made_up 1")
    made.use()
    assert fidelity.of_proof(made, [], [], 0) == Fidelity(as_if="never cut")
    known = fidelity.of_proof(made, [], ["fix 1"], 0)
    assert (known.grade, known.as_if) == ("faithful", "set up again")
    assert known.reasons[0].startswith("not proven: fix 1")
    assert fidelity.of_proof(made, [], ["atoms' x"], 0).grade == "statistical"


def test_where_nothing_could_be_compared_the_tables_speak():
    made = recorded("fix 1 all nve", "fix 2 all langevin 1 1 1 4")
    made.use()
    found = fidelity.of_proof(made, ["the number of ranks"], [], 0)
    assert found.grade == "statistical"
    assert "the number of ranks" in found.reasons[0]
    assert "fix 2 (langevin)" in found.reasons[1]
    alone = recorded("fix 1 all nve")
    alone.use()
    assert fidelity.of_proof(alone, ["the number of ranks"], [], 0).grade == "faithful"


@pytest.mark.parametrize(("line", "softly"), [
    ("fix h all halt 10 v_s >= 1 error soft", True), ("fix h all halt 10 v_s >= 1 error continue", False),
    ("fix h all halt 10 v_s >= 1", False), ("fix h all nve", False),
])  # fmt: skip
def test_soft_halt_is_known(line, softly):
    assert fidelity.halts_softly(recorded(line)) is softly


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("fix 1 all npt/uef temp 1 1 1", "npt/uef"),
        ("dump 1 all cfg 10 out.cfg mass type xs ys zs", "cannot be joined"),
        ("dump 1 all atom 10 out.gz", "compressed"),
        ("dump_modify 1 maxfiles 5", "maxfiles"),
        ("fix 1 all colvars in.cv output out", "library of its own"),
    ],
)
def test_cut_inside_a_run_is_refused(line, named):
    (reason,) = fidelity.uncuttable_because(recorded(line))
    assert named in reason


@pytest.mark.parametrize(
    "line",
    ["dump 1 all cfg 10 out.*.cfg mass type xs ys zs", "dump 1 all custom/gz 10 out.*.gz id", "dump 1 all dcd 10 x.dcd",
     "run_style verlet", "run_style respa 2 2", "fix 1 all npt temp 1 1 1"],
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
    ("step", "others", "grade"),
    [
        (100, (), "faithful"),
        (130, (), "faithful"),
        (165, (), "statistical"),
        (199, (), "statistical"),
        (200, (), "faithful"),
        (130, ("variable mean equal f_a",), "statistical"),
        (130, ("variable mean equal f_an",), "faithful"),
    ],
)
def test_average_under_way_or_read_by_others_is_lost_without_memory(step, others, grade):
    made = recorded("fix a all ave/time 10 5 100 c_thermo_temp", *others)
    made.use()
    assert fidelity.of_proof(made, ["an accelerator"], [], step).grade == grade
