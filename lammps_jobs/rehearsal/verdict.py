"""The judgement of a rehearsal: from what its sides showed to one grade and its reasons. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lammps_jobs.record.documents import Event, Fidelity, Grade, weakest
from lammps_jobs.rehearsal.compare import STATE, Difference
from lammps_jobs.rehearsal.statistics import EARLY

ROUNDING = 1e-3
"""Largest relative difference of the first thermo row that differs, of a resume that is called faithful."""
CHAOS = 500
"""Timesteps after a cut from which on a first difference of any size may have grown out of rounding (a sheared
Lennard-Jones fluid, examples/nemd: from the last bit to 7e-8 in 500 steps, to 9e-2 in 1000)."""
NAMED = 5
"""Stages without a cut that are named one by one."""

Verdict = Literal["exact", "faithful", "statistical", "refused", "untested", "different"]
"""The weakest grade of all that was cut and of all that could have been, `untested` when nothing was cut, or
`different`: the outputs are not what the grade promises."""

Cut = tuple[int, int]
"""Where a run was cut: (stage, timestep)."""


@dataclass(frozen=True)
class StageVerdict:
    """What was found about one `run`, `minimize` or the like."""

    stage: int
    command: str
    steps: tuple[int, ...]
    """Timesteps at which it can be cut: there the run with checkpoints took one."""
    grade: Grade | None
    """None for a stage in which no checkpoint was taken: nothing is known of it."""
    as_if: str
    reasons: tuple[str, ...]
    resumed: tuple[int, ...] = ()
    """Timesteps in it from which a lost run was resumed: there the grade was put to the test."""
    begins: int | None = None
    """The timestep before its first one; None where that is not known."""

    @property
    def is_tried_inside(self) -> bool:
        """Whether a lost run was resumed from its middle: at its beginning LAMMPS sets everything up anyway."""
        return any(self.begins is None or step > self.begins for step in self.resumed)


@dataclass(frozen=True)
class LostSide:
    """A run that lost its machine, and how it compares with the runs that did not."""

    name: str
    fidelity: Fidelity
    """The grade that it claims for itself."""
    cuts: tuple[Cut, ...]
    """(stage, timestep) of the checkpoints that it was resumed from."""
    against_bare: tuple[Difference, ...]
    """Where it differs from the run that nobody interrupted."""
    against_kept: tuple[Difference, ...] | None = None
    """Where it differs from the run that was cut there and kept; None when that was not run."""
    means: tuple[Difference, ...] = ()
    """Where means, fluctuations or rows of its thermo output contradict that the physics went on."""
    rows: int = 0
    """Thermo rows after its first cut in which means could be compared."""


@dataclass(frozen=True)
class RehearsalReport:
    """The answer of a rehearsal."""

    script: str
    verdict: Verdict
    """The weakest grade of what was cut and of what could have been cut, `untested`, or `different`."""
    as_if: str
    """Of an exact verdict: equal to the run that was `never cut`, or to one that was cut there and `set up again`."""
    reasons: tuple[str, ...]
    stages: tuple[StageVerdict, ...]
    cuts: tuple[tuple[int, int], ...]
    """(stage, timestep) of the checkpoints that the lost runs were resumed from, of the first run first."""
    uncut: tuple[int, ...]
    """Stages in which no lost run was resumed: the rehearsal shows nothing about them."""
    not_inside: tuple[int, ...]
    """Stages that can be cut, and in whose middle no lost run was resumed: there the grade is not put to the test."""
    is_capped: bool
    """Whether it ran fewer steps than the script asks for, so that a real run can be cut where this one could not."""
    harm: tuple[Difference, ...]
    """Where the run with checkpoints that nobody interrupted differs from bare LAMMPS beyond `noise`."""
    noise: tuple[Difference, ...]
    """Where two runs of bare LAMMPS differ, as far as that was looked at: no resume can be truer."""
    differences: tuple[Difference, ...]
    """Where the run that lost its machine differs from what its grade promises to equal."""
    equals_bare: bool
    """True when even bare LAMMPS, which was never cut, gave the same outputs as the runs that lost their machines."""
    seconds: dict[str, float]
    """Wall time of each side."""


@dataclass(frozen=True)
class Findings:
    """What the sides of a rehearsal showed."""

    script: str
    stages: tuple[StageVerdict, ...]
    unusable: Mapping[int, str]
    """Why stages were run again without cuts, by stage."""
    harm: tuple[Difference, ...]
    lost: tuple[LostSide, ...]
    seconds: dict[str, float]
    is_capped: bool = False
    noise: tuple[Difference, ...] = ()
    """Where two runs of bare LAMMPS differ."""


def judge(findings: Findings) -> RehearsalReport:
    """The answer that follows from the findings."""
    noise = findings.noise
    harm = _beyond(noise, findings.harm)
    lost = [side for side in findings.lost if side.cuts]
    stages = tuple(_completed(stage, findings.unusable.get(stage.stage), lost) for stage in findings.stages)
    found = [_of_side(_without(noise, side)) for side in lost]
    claimed = weakest([side.fidelity for side in lost])
    whole = weakest([claimed, *(Fidelity(grade=s.grade, reasons=s.reasons) for s in stages if s.grade),
                     *([Fidelity(grade="faithful", reasons=(_not_repeated(noise),))] if noise else [])])  # fmt: skip
    verdict: Verdict = whole.grade
    if not lost and verdict != "refused":
        verdict = "untested"
    if harm or any(is_wrong for is_wrong, _, _ in found):
        verdict = "different"
    uncut = tuple(stage.stage for stage in stages if not stage.resumed)
    refused = [reason for stage in stages if stage.grade == "refused" for reason in stage.reasons]
    notes = [note for _, _, notes in found for note in notes]
    return RehearsalReport(
        script=findings.script,
        verdict=verdict,
        as_if="never cut" if lost and not any(side.against_bare for side in lost) else claimed.as_if,
        reasons=tuple(dict.fromkeys([*refused, *whole.reasons, *notes])),
        stages=stages,
        cuts=tuple(cut for side in lost for cut in side.cuts),
        uncut=uncut,
        not_inside=tuple(s.stage for s in stages if s.grade != "refused" and not s.is_tried_inside),
        is_capped=findings.is_capped,
        harm=harm,
        noise=noise,
        differences=tuple(difference for _, differences, _ in found for difference in differences),
        equals_bare=bool(lost) and not findings.harm and not any(side.against_bare for side in lost),
        seconds=findings.seconds,
    )


def _not_repeated(noise: Sequence[Difference]) -> str:
    files = ", ".join(difference.file for difference in noise[:NAMED])
    return f"as reproducible as LAMMPS is here: two runs of bare LAMMPS differ in {files}"


def _beyond(noise: Sequence[Difference], found: Sequence[Difference]) -> tuple[Difference, ...]:
    """What bare LAMMPS that does not repeat itself does not explain: other files, and rows, lines or files missing."""
    numbers = {difference.file for difference in noise if difference.relative is not None}
    bytes_ = {difference.file for difference in noise if difference.relative is None and difference.left != "missing"}
    return tuple(d for d in found if d.file not in bytes_ and (d.file not in numbers or d.relative is None))


def _without(noise: Sequence[Difference], side: LostSide) -> LostSide:
    """The side without the differences that bare LAMMPS has from itself, and those in the positions at the end."""
    if not noise:
        return side
    bare, kept = side.against_bare, side.against_kept
    return replace(
        side,
        against_bare=_beyond((*noise, *_of_ours(bare)), bare),
        against_kept=None if kept is None else _beyond((*noise, *_of_ours(kept)), kept),
        means=tuple(d for d in side.means if not (d.where.endswith(EARLY) and d.file in {one.file for one in noise})),
    )


def _of_ours(found: Sequence[Difference]) -> list[Difference]:
    """Differences in files that bare LAMMPS does not write: the last positions of our sides."""
    return [difference for difference in found if difference.file == STATE]


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
        begins=event.step,
    )


def names_of(stages: Sequence[int]) -> str:
    """Stages in words: all of a few, of many the first and how many more."""
    shown = ", ".join(map(str, stages[:NAMED]))
    more = f" and {len(stages) - NAMED} more" if len(stages) > NAMED else ""
    return f"stage{'s' * (len(stages) != 1)} {shown}{more}"


def _completed(stage: StageVerdict, why: str | None, lost: Sequence[LostSide]) -> StageVerdict:
    resumed = sorted({step for side in lost for number, step in side.cuts if number == stage.stage})
    stage = replace(stage, resumed=tuple(resumed))
    return replace(stage, grade="refused", reasons=(why,)) if why else stage


def _of_side(side: LostSide) -> tuple[bool, tuple[Difference, ...], list[str]]:
    """Whether a lost run is not what it claims, what it differs in, and what is to be said of that."""
    if not side.against_bare:  # or only what bare LAMMPS has from itself
        return bool(side.means), side.means, []
    grade = side.fidelity.grade
    reference = side.against_bare if side.against_kept is None else side.against_kept
    if grade in ("exact", "refused"):
        return bool(reference), reference, []
    missing = tuple(d for d in side.against_bare if "missing" in (d.left, d.right))
    if side.means or missing:
        return True, (*missing, *side.means), []
    notes = [] if side.rows else [TOO_FEW_ROWS]
    if grade == "statistical":
        return False, reference, notes
    late = [text for d in reference if (text := _late(d, side.cuts))]
    return not (late or _is_rounding(reference)), reference, late + notes * bool(late)


TOO_FEW_ROWS = (
    "means were not compared: there are too few thermo rows after the first cut; rehearse with a smaller thermo"
)


def _is_rounding(differences: tuple[Difference, ...]) -> bool:
    """True if the differences may have grown out of rounding: the first of it must be small."""
    logs = [d for d in differences if "log" in d.file]
    return all(d.relative is not None and d.relative < ROUNDING for d in logs or differences[:1])


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
