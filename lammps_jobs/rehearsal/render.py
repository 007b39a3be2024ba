"""The answer of a rehearsal as text for people."""

from __future__ import annotations

from lammps_jobs.rehearsal.verdict import RehearsalReport, StageVerdict, Verdict, names_of

AS_IF = {
    "never cut": "equal to the run that was never cut",
    "set up again": "equal to the run cut there and set up again",
}

MEANING: dict[Verdict, str] = {
    "exact": "A resumed run continues bit for bit.",
    "faithful": "A resumed run continues up to rounding.",
    "statistical": "A resumed run continues the physics, not the numbers.",
    "refused": "Some stage cannot be cut: an interruption there repeats that stage from its beginning.",
    "untested": "Nothing was cut, so this says nothing about a resume.",
    "different": "A resumed or checkpointed run came out different. Please report this.",
}
GOOD = ("exact", "faithful", "statistical")
MORE = "give it more steps or --cuts, or other places with --at"


def text(report: RehearsalReport) -> str:
    """The verdict, what was found about each stage, where the run was resumed, and the differences."""
    lines = [f"{report.script}: {_verdict(report)}"]
    for stage in report.stages:
        lines += _stage(stage)
    resumed = ", ".join(f"{step} (stage {stage})" for stage, step in report.cuts)
    lines.append(f"  lost and resumed at {resumed or 'no step'}")
    if report.uncut:
        lines.append(f"  not reached by any cut: {names_of(report.uncut)}; to test them, {MORE}")
    shown = {reason for stage in report.stages for reason in stage.reasons}
    lines += [f"  {reason}" for reason in report.reasons if reason not in shown]
    for title, differences in (("bare and checkpointed", report.harm), (_compared(report), report.differences)):
        if title:
            lines.append(f"  {title}: " + ("the same in every output" if not differences else ""))
            lines += [f"    {line}" for difference in differences for line in str(difference).splitlines()]
    if report.noise:
        lines.append("  bare and bare again: ")
        lines += [f"    {line}" for difference in report.noise for line in str(difference).splitlines()]
    if report.equals_bare:
        lines.append("  bare and lost: the same in every output, as if nothing had happened")
    return "\n".join(lines)


def _verdict(report: RehearsalReport) -> str:
    """The verdict with what it means, and no more than was tried."""
    if report.verdict in GOOD and report.not_inside:
        capped = " A run of all its steps can be cut there." if report.is_capped else ""
        return f"{report.verdict} where it was cut; not tried inside {names_of(report.not_inside)}.{capped}"
    if report.verdict == "statistical" and report.equals_bare:
        return f"statistical, by what may happen; in these {len(report.cuts)} cuts nothing differed."
    return f"{report.verdict}. {MEANING[report.verdict]}"


def _compared(report: RehearsalReport) -> str:
    if not report.cuts or report.equals_bare:
        return ""
    return "kept and lost" if report.verdict in ("exact", "faithful") else "not lost and lost"


def _stage(stage: StageVerdict) -> list[str]:
    tested = f"cut at {', '.join(map(str, stage.resumed))}" if stage.resumed else "no cut reached it"
    if stage.resumed and not stage.is_tried_inside:
        tested = f"cut before its first step only ({', '.join(map(str, stage.resumed))})"
    as_if = f"; {AS_IF[stage.as_if]}" if stage.grade == "exact" and stage.resumed else ""
    is_known = stage.grade and (stage.resumed or stage.grade != "exact")
    return [
        f"  stage {stage.stage}  {stage.command}",
        f"    {stage.grade if is_known else 'untested'}, {tested}{as_if}",
        *(f"    {reason}" for reason in stage.reasons),
    ]
