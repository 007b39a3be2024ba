"""The judgement of a rehearsal: from what its four sides showed to one grade and its reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lammps_jobs.record.documents import Event, Fidelity, Grade, weakest
from lammps_jobs.rehearsal.compare import Difference

ROUNDING = 1e-3
"""Largest relative difference of the first thermo row that differs, of a resume that is called faithful."""
CHAOS = 500
"""Timesteps after a cut from which on a first difference of any size may have grown out of rounding (a sheared
Lennard-Jones fluid, examples/nemd: from the last bit to 7e-8 in 500 steps, to 9e-2 in 1000)."""

Verdict = Literal["exact", "faithful", "statistical", "refused", "different"]
"""The weakest grade of all cuts, or `different`: the outputs are not what the grade promises."""

Cut = tuple[int, int]
"""Where a run was cut: (stage, timestep)."""


@dataclass(frozen=True)
class StageVerdict:
    """What was found about one `run`, `minimize` or the like. `steps` are the timesteps it was cut at."""

    stage: int
    command: str
    steps: tuple[int, ...]
    grade: Grade | None
    """None for a stage that is too short to be cut."""
    as_if: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RehearsalReport:
    """The answer of a rehearsal. `verdict` is the weakest grade of all cuts, or `different`."""

    script: str
    verdict: Verdict
    as_if: str
    """Of an exact verdict: equal to the run that was `never cut`, or to one that was cut there and `set up again`."""
    reasons: tuple[str, ...]
    stages: tuple[StageVerdict, ...]
    cuts: tuple[tuple[int, int], ...]
    """(stage, timestep) of the checkpoints that the lost run was resumed from."""
    harm: tuple[Difference, ...]
    """Where the run with checkpoints that nobody interrupted differs from bare LAMMPS: must be nothing."""
    differences: tuple[Difference, ...]
    """Where the run that lost its machine differs from the one that kept it."""
    equals_bare: bool
    """True when even bare LAMMPS, which was never cut, gave the same outputs as the run that lost its machine."""
    seconds: dict[str, float]
    """Wall time of each side."""


@dataclass(frozen=True)
class Findings:
    """What the four sides of a rehearsal showed."""

    script: str
    fidelity: Fidelity
    """The grade that the lost run claims for itself."""
    stages: tuple[StageVerdict, ...]
    unusable: Mapping[int, str]
    """Why stages were run again without cuts, by stage."""
    cuts: tuple[Cut, ...]
    harm: tuple[Difference, ...]
    differences: tuple[Difference, ...]
    is_as_checkpointed: bool
    """True when the lost run gave the same outputs as the one that was never interrupted."""
    seconds: dict[str, float]


def judge(findings: Findings) -> RehearsalReport:
    """The answer that follows from the findings."""
    stages = tuple(_refused_if(stage, findings.unusable.get(stage.stage)) for stage in findings.stages)
    refused = [stage for stage in stages if stage.grade == "refused"]
    claimed = findings.fidelity.grade
    late = [text for d in findings.differences if (text := _late(d, findings.cuts))] if claimed == "faithful" else []
    verdict: Verdict = "refused" if refused else claimed
    if findings.harm or not (late or _within(claimed, findings.differences)):
        verdict = "different"
    reasons = (*(reason for stage in refused for reason in stage.reasons), *findings.fidelity.reasons, *late)
    return RehearsalReport(
        script=findings.script,
        verdict=verdict,
        as_if=findings.fidelity.as_if,
        reasons=tuple(dict.fromkeys(reasons)),
        stages=stages,
        cuts=findings.cuts,
        harm=findings.harm,
        differences=findings.differences,
        equals_bare=not findings.harm and findings.is_as_checkpointed,
        seconds=findings.seconds,
    )


def stage_verdict(event: Event, cuts: Sequence[tuple[int, Fidelity]]) -> StageVerdict:
    """What the scouting run showed about one stage: its `stage` event, and step and fidelity of each cut in it."""
    claimed = event.fidelity or Fidelity()
    whole = weakest([claimed, *(fidelity for _, fidelity in cuts)])
    never = bool(cuts) and all(fidelity.as_if == "never cut" for _, fidelity in cuts)
    return StageVerdict(
        stage=event.stage or 0,
        command=event.text,
        steps=tuple(step for step, _ in cuts),
        grade=whole.grade if cuts or claimed.grade == "refused" else None,
        as_if="never cut" if never else "set up again",
        reasons=whole.reasons,
    )


def _refused_if(stage: StageVerdict, why: str | None) -> StageVerdict:
    return replace(stage, grade="refused", reasons=(why,)) if why else stage


def _within(grade: Grade, differences: tuple[Difference, ...]) -> bool:
    """True if the differences are no larger than the grade admits. Rounding grows: the first of it must be small."""
    if grade == "exact":
        return not differences
    if grade == "faithful" and differences:
        logs = [d for d in differences if "log" in d.file]
        return all(d.relative is not None and d.relative < ROUNDING for d in logs or differences[:1])
    return True


def _late(difference: Difference, cuts: tuple[Cut, ...]) -> str:
    """Why a difference proves nothing: it came too long after its cut; "" when it did not."""
    before = [step for _, step in cuts if difference.step is not None and step <= difference.step]
    if not before or (difference.step or 0) - before[-1] <= CHAOS or (difference.relative or 1) < ROUNDING:
        return ""
    after = (difference.step or 0) - before[-1]
    return (
        f"{difference.file} differs at step {difference.step} first, {after} steps after the cut: "
        "too late to distinguish rounding from an error; rehearse with a smaller thermo"
    )
