"""The judgement of a rehearsal from findings alone: no LAMMPS, no processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lammps_jobs.record.documents import Event, Fidelity
from lammps_jobs.rehearsal.compare import Difference
from lammps_jobs.rehearsal.render import text
from lammps_jobs.rehearsal.verdict import Findings, StageVerdict, judge, stage_verdict

STAGE = StageVerdict(1, "run 3000", (1000, 2000), "exact", "never cut", ())
CLEAN = Findings(
    script="in.melt", fidelity=Fidelity(as_if="never cut"), stages=(STAGE,), unusable={}, cuts=((1, 1000), (1, 2000)),
    harm=(), differences=(), is_as_checkpointed=True, seconds={},
)  # fmt: skip


def row(step: int, relative: float | None, file: str = "log.lammps") -> Difference:
    return Difference(file, "run 1, row 3", "", "", relative, step)


def test_run_without_a_difference_keeps_its_grade_and_equals_bare_lammps():
    report = judge(CLEAN)
    assert (report.verdict, report.as_if, report.equals_bare) == ("exact", "never cut", True)
    assert "as if nothing had happened" in text(report)


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
    found = replace(CLEAN, fidelity=Fidelity(grade=grade), differences=(difference,), is_as_checkpointed=False)
    report = judge(found)
    assert (report.verdict, report.equals_bare) == (verdict, False)


@pytest.mark.parametrize(("step", "relative", "late"), [(1400, 0.5, False), (2501, 0.5, True), (2501, 1e-9, False)])
def test_difference_long_after_a_faithful_cut_is_no_proof_of_an_error(step, relative, late):
    found = replace(CLEAN, fidelity=Fidelity(grade="faithful"), differences=(row(step, relative),))
    report = judge(found)
    assert any("too late to distinguish rounding" in reason for reason in report.reasons) == late
    assert report.verdict == ("different" if relative == 0.5 and not late else "faithful")


@pytest.mark.parametrize("grade", ["exact", "faithful", "statistical"])
def test_harm_to_a_run_that_nobody_interrupted_is_different_whatever_the_grade(grade):
    report = judge(replace(CLEAN, fidelity=Fidelity(grade=grade), harm=(row(0, 1e-15),)))
    assert (report.verdict, report.equals_bare) == ("different", False)


def test_stage_that_was_run_again_without_cuts_is_refused_with_its_reason():
    report = judge(replace(CLEAN, unusable={1: "after a cut: ERROR: Lost atoms"}))
    assert (report.verdict, report.stages[0].grade) == ("refused", "refused")
    assert report.reasons == ("after a cut: ERROR: Lost atoms",)


def test_stage_has_the_weakest_grade_of_its_cuts():
    event = Event(attempt=1, kind="stage", text="run 3000", stage=1, fidelity=Fidelity())
    cuts = [(1000, Fidelity(as_if="never cut")), (2000, Fidelity(grade="statistical", reasons=("a stream",)))]
    assert stage_verdict(event, cuts) == StageVerdict(
        1, "run 3000", (1000, 2000), "statistical", "set up again", ("a stream",)
    )
    assert stage_verdict(event, cuts[:1]).as_if == "never cut"


def test_stage_without_a_cut_has_no_grade_unless_it_is_refused():
    event = Event(attempt=1, kind="stage", text="run 5", stage=1, fidelity=Fidelity())
    assert stage_verdict(event, []).grade is None
    refused = event.model_copy(update={"fidelity": Fidelity(grade="refused", reasons=("gz",))})
    assert stage_verdict(refused, []).grade == "refused"
