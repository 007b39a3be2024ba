"""The judgement of a rehearsal from findings alone: no LAMMPS, no processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lammps_jobs.record.documents import Event, Fidelity
from lammps_jobs.rehearsal.compare import Difference
from lammps_jobs.rehearsal.rehearse import MOST, draw
from lammps_jobs.rehearsal.render import text
from lammps_jobs.rehearsal.verdict import TOO_FEW_ROWS, Findings, LostSide, StageVerdict, judge, stage_verdict

STAGE = StageVerdict(1, "run 3000", (1000, 2000), "exact", "never cut", ())
LOST = LostSide("lost", Fidelity(as_if="never cut"), ((1, 1000), (1, 2000)), against_bare=())
CLEAN = Findings(script="in.melt", stages=(STAGE,), unusable={}, harm=(), lost=(LOST,), seconds={})


def row(step: int, relative: float | None, file: str = "log.lammps") -> Difference:
    return Difference(file, "run 1, row 3", "", "", relative, step)


def with_side(**changes: object) -> Findings:
    return replace(CLEAN, lost=(replace(LOST, **changes),))


def test_run_without_a_difference_keeps_its_grade_and_equals_bare_lammps():
    report = judge(CLEAN)
    assert (report.verdict, report.as_if, report.equals_bare, report.uncut) == ("exact", "never cut", True, ())
    assert "as if nothing had happened" in text(report)
    assert "not reached" not in text(report)


@pytest.mark.parametrize(
    ("grade", "difference", "verdict"),
    [
        ("exact", row(1100, 1e-15), "different"),
        ("faithful", row(1100, 1e-9), "faithful"),
        ("faithful", row(1100, 0.5), "different"),
        ("faithful", row(1100, None), "different"),
        ("statistical", row(1100, 0.5), "statistical"),
    ],
)
def test_difference_larger_than_the_grade_admits_is_found_out(grade, difference, verdict):
    found = with_side(fidelity=Fidelity(grade=grade), against_bare=(difference,), against_kept=(difference,))
    report = judge(found)
    assert (report.verdict, report.equals_bare) == (verdict, False)


def test_run_that_is_to_equal_the_kept_one_need_not_equal_the_one_that_was_never_cut():
    found = with_side(fidelity=Fidelity(), against_bare=(row(1100, 1e-9),), against_kept=())
    assert (judge(found).verdict, judge(found).as_if, judge(found).equals_bare) == ("exact", "set up again", False)
    assert "kept and lost: the same in every output" in text(judge(found))
    alone = with_side(fidelity=Fidelity(as_if="never cut"), against_bare=(row(1100, 1e-9),))
    assert judge(alone).verdict == "different"


@pytest.mark.parametrize(("step", "relative", "late"), [(1400, 0.5, False), (2501, 0.5, True), (2501, 1e-9, False)])
def test_difference_long_after_a_faithful_cut_is_no_proof_of_an_error(step, relative, late):
    difference = (row(step, relative),)
    report = judge(with_side(fidelity=Fidelity(grade="faithful"), against_bare=difference, against_kept=difference))
    assert any("too late to distinguish rounding" in reason for reason in report.reasons) == late
    assert report.verdict == ("different" if relative == 0.5 and not late else "faithful")


@pytest.mark.parametrize("grade", ["exact", "faithful", "statistical"])
def test_harm_to_a_run_that_nobody_interrupted_is_different_whatever_the_grade(grade):
    report = judge(replace(with_side(fidelity=Fidelity(grade=grade)), harm=(row(0, 1e-15),)))
    assert (report.verdict, report.equals_bare) == ("different", False)


NOISE = (row(400, 1e-12),)


@pytest.mark.parametrize("grade", ["exact", "faithful"])
def test_what_two_runs_of_bare_lammps_differ_in_is_not_held_against_a_resume(grade):
    found = with_side(fidelity=Fidelity(grade=grade, as_if="never cut"), against_bare=(row(1100, 0.5),))
    report = judge(replace(found, noise=NOISE, harm=(row(300, 1e-10),)))
    assert (report.verdict, report.harm, report.equals_bare) == ("faithful", (), False), "never more than bare keeps"
    assert "as reproducible as LAMMPS is here: two runs of bare LAMMPS differ in log.lammps" in report.reasons
    assert "bare and bare again" in text(report)
    assert judge(replace(found, noise=())).verdict == "different" or grade == "faithful"


@pytest.mark.parametrize("beyond", [row(1100, 0.5, "other.log"), Difference("log.lammps", "run 1", "5 rows", "4 rows"),
                                    Difference("log.lammps", "the file itself", "a file", "missing")])  # fmt: skip
def test_bare_lammps_that_does_not_repeat_itself_excuses_no_other_file_and_no_missing_row(beyond):
    found = with_side(fidelity=Fidelity(as_if="never cut"), against_bare=(beyond,))
    assert judge(replace(found, noise=NOISE)).verdict == "different"
    assert judge(replace(CLEAN, noise=NOISE, harm=(beyond,))).verdict == "different"


def test_means_that_contradict_the_physics_are_wrong_however_noisy_bare_lammps_is():
    wrong = with_side(fidelity=Fidelity(grade="faithful"), against_bare=(row(1100, 0.5),), means=(row(0, 1.0),))
    assert judge(replace(wrong, noise=NOISE)).verdict == "different"


def test_rows_that_differ_before_anything_was_cut_are_noise_where_bare_lammps_has_it():
    early = Difference("log.lammps", "run 1, row 4, before anything was cut", "1.5", "1.6")
    found = with_side(fidelity=Fidelity(grade="faithful"), against_bare=(row(1100, 0.5),), means=(early,))
    assert judge(replace(found, noise=NOISE)).verdict == "faithful"
    assert judge(found).verdict == "different"


def test_stage_that_was_run_again_without_cuts_is_refused_with_its_reason():
    report = judge(replace(CLEAN, unusable={1: "after a cut: ERROR: Lost atoms"}))
    assert (report.verdict, report.stages[0].grade) == ("refused", "refused")
    assert report.reasons == ("after a cut: ERROR: Lost atoms",)


# -- what was not cut ----------------------------------------------------------------------------------


def test_nothing_cut_is_untested_whatever_stages_claim_and_is_nowhere_called_exact():
    for grade in ("exact", None):
        stage = replace(STAGE, grade=grade, steps=() if grade is None else STAGE.steps)
        report = judge(replace(CLEAN, stages=(stage,), lost=(replace(LOST, cuts=()),)))
        assert (report.verdict, report.equals_bare, report.uncut) == ("untested", False, (1,))
        said = text(report)
        assert "exact" not in said
        assert "bit for bit" not in said
        assert "the same in every output" not in said.replace("bare and checkpointed: the same in every output", "")


def test_verdict_is_the_weakest_of_what_was_cut_and_of_what_could_have_been():
    other = StageVerdict(2, "run 500", (3100,), "statistical", "set up again", ("fix b (langevin): its stream",))
    report = judge(replace(CLEAN, stages=(STAGE, other)))
    assert (report.verdict, report.uncut) == ("statistical", (2,))
    assert "fix b (langevin): its stream" in report.reasons


def test_stages_that_no_cut_reached_are_named_and_not_called_exact():
    others = tuple(StageVerdict(n, f"run {n}", (4000,), "exact", "never cut", ()) for n in range(2, 9))
    report = judge(replace(CLEAN, stages=(STAGE, *others)))
    assert (report.verdict, report.uncut) == ("exact", (2, 3, 4, 5, 6, 7, 8))
    said = text(report)
    assert "not reached by any cut: stages 2, 3, 4, 5, 6 and 2 more" in said
    assert said.count("untested, no cut reached it") == 7
    assert "exact, cut at 1000, 2000; equal to the run that was never cut" in said


def test_stage_cut_at_its_beginning_only_is_not_called_bit_for_bit():
    edge = StageVerdict(2, "run 500", (3000,), "exact", "never cut", (), begins=3000)
    resumed = replace(LOST, cuts=((1, 1000), (2, 3000)))
    found = replace(CLEAN, stages=(replace(STAGE, begins=0), edge), lost=(resumed,), is_capped=True)
    report = judge(found)
    assert (report.verdict, report.uncut, report.not_inside) == ("exact", (), (2,))
    said = text(report)
    assert "exact where it was cut; not tried inside stage 2" in said
    assert "cut before its first step only (3000)" in said
    assert "bit for bit" not in said
    assert "bit for bit" in text(judge(replace(found, stages=(found.stages[0],))))


def test_statistical_script_in_whose_cuts_nothing_differed_says_both():
    said = text(judge(with_side(fidelity=Fidelity(grade="statistical"))))
    assert "statistical, by what may happen; in these 2 cuts nothing differed" in said


def test_refused_stage_is_called_refused_not_too_short():
    stage = StageVerdict(2, "run 500", (), "refused", "set up again", ("dump z writes one compressed file",))
    said = text(judge(replace(CLEAN, stages=(STAGE, stage))))
    assert "refused, no cut reached it" in said
    assert "too short" not in said
    nowhere = judge(replace(CLEAN, stages=(stage,), lost=()))
    assert nowhere.verdict == "refused"
    assert "resumed at no step" in text(nowhere)


def test_stage_without_a_checkpoint_has_no_grade_unless_it_is_refused():
    event = Event(attempt=1, kind="stage", text="run 5", stage=1, fidelity=Fidelity())
    assert stage_verdict(event, []).grade is None
    refused = event.model_copy(update={"fidelity": Fidelity(grade="refused", reasons=("gz",))})
    assert stage_verdict(refused, []).grade == "refused"


def test_stage_has_the_weakest_grade_of_its_cuts():
    event = Event(attempt=1, kind="stage", text="run 3000", stage=1, fidelity=Fidelity())
    cuts = [(1000, Fidelity(as_if="never cut")), (2000, Fidelity(grade="statistical", reasons=("a stream",)))]
    assert stage_verdict(event, cuts) == StageVerdict(
        1, "run 3000", (1000, 2000), "statistical", "set up again", ("a stream",)
    )
    assert stage_verdict(event, cuts[:1]).as_if == "never cut"


# -- what "statistical" claims ------------------------------------------------------------------------


def test_means_that_contradict_a_statistical_claim_are_different():
    fault = Difference("log.lammps", "column Temp, mean after the first cut", "mean 1", "mean 2")
    found = with_side(fidelity=Fidelity(grade="statistical"), against_bare=(row(1100, 0.5),), means=(fault,), rows=90)
    report = judge(found)
    assert (report.verdict, report.differences) == ("different", (fault,))
    assert "column Temp, mean" in text(report)


def test_missing_file_is_no_statistics():
    missing = Difference("out/a.txt", "the file itself", "a file", "missing")
    report = judge(with_side(fidelity=Fidelity(grade="statistical"), against_bare=(missing,), rows=90))
    assert (report.verdict, report.differences) == ("different", (missing,))


@pytest.mark.parametrize("rows", [0, 90])
def test_means_that_were_not_compared_are_said_to_be_unknown(rows):
    report = judge(with_side(fidelity=Fidelity(grade="statistical"), against_bare=(row(1100, 0.5),), rows=rows))
    assert report.verdict == "statistical"
    assert (TOO_FEW_ROWS in report.reasons) == (rows == 0)


def test_one_of_two_lost_runs_that_is_wrong_is_enough():
    again = replace(LOST, name="lost again", cuts=((1, 1000),), against_bare=(row(1100, 1e-15),))
    assert judge(replace(CLEAN, lost=(LOST, again))).verdict == "different"
    assert judge(replace(CLEAN, lost=(again, LOST))).verdict == "different"


# -- where it is cut -----------------------------------------------------------------------------------

POSSIBLE = [(stage, 1000 * stage + at) for stage in range(1, 8) for at in (0, 250, 600)]


@pytest.mark.parametrize("seed", range(20))
def test_every_stage_is_cut_and_numbers_of_cuts_are_odd_and_even(seed):
    first, second = draw(POSSIBLE, 5, seed)
    assert {stage for stage, _ in first} == set(range(1, 8))
    assert len(first) % 2 != len(second) % 2
    assert set(second) <= set(POSSIBLE)
    assert list(first) == sorted(first)


def test_as_many_cuts_as_asked_for_and_a_bound_where_there_are_very_many_stages():
    assert len(draw(POSSIBLE, 15, 0)[0]) == 15
    assert len(draw([(stage, 10 * stage) for stage in range(1, 400)], 5, 0)[0]) == MOST
    assert len(draw(POSSIBLE[:3], 5, 0)[0]) == 3
    assert draw(POSSIBLE[:1], 5, 0) == (((1, 1000),), ())
    assert draw([], 5, 0) == ((), ())
