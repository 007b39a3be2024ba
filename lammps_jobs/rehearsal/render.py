"""The answer of a rehearsal as text for people."""

from __future__ import annotations

from lammps_jobs.rehearsal.verdict import RehearsalReport, StageVerdict, Verdict

AS_IF = {
    "never cut": "equal to the run that was never cut",
    "set up again": "equal to the run cut there and set up again",
}

MEANING: dict[Verdict, str] = {
    "exact": "A resumed run continues bit for bit.",
    "faithful": "A resumed run continues up to rounding.",
    "statistical": "A resumed run continues the physics, not the numbers.",
    "refused": "Some stage cannot be cut: an interruption there repeats that stage from its beginning.",
    "different": "A resumed or checkpointed run came out different. Please report this.",
}


def text(report: RehearsalReport) -> str:
    """The verdict, what was found about each stage, where the run was resumed, and the differences."""
    lines = [f"{report.script}: {report.verdict}. {MEANING[report.verdict]}"]
    for stage in report.stages:
        lines += _stage(stage)
    resumed = ", ".join(f"{step} (stage {stage})" for stage, step in report.cuts)
    lines.append(f"  lost and resumed at {resumed or 'no step: the script is too short to be cut'}")
    shown = {reason for stage in report.stages for reason in stage.reasons}
    lines += [f"  {reason}" for reason in report.reasons if reason not in shown]
    for title, differences in (("bare and checkpointed", report.harm), ("kept and lost", report.differences)):
        lines.append(f"  {title}: " + ("the same in every output" if not differences else ""))
        lines += [f"    {line}" for difference in differences for line in str(difference).splitlines()]
    if report.equals_bare and report.cuts:
        lines.append("  bare and lost: the same in every output, as if nothing had happened")
    return "\n".join(lines)


def _stage(stage: StageVerdict) -> list[str]:
    cut = f"cut at {', '.join(map(str, stage.steps))}" if stage.steps else "not cut"
    as_if = f"; {AS_IF[stage.as_if]}" if stage.grade == "exact" and stage.steps else ""
    return [
        f"  stage {stage.stage}  {stage.command}",
        f"    {stage.grade or 'too short to be cut'}, {cut}{as_if}",
        *(f"    {reason}" for reason in stage.reasons),
    ]
