"""A rehearsal: whether a script is safe on machines that may vanish, found out here before anything is paid.

The sides of one script: *bare* (plain `lmp`), *checkpointed* (cuts that nobody notices), *lost* (cut, the process
gone, resumed from the store in a new one on another machine), *lost again* (an odd number of cuts where lost had an
even one, or the other way about), and, where a grade promises no more, *kept* (cut there, set up again, not lost).
Where any of them comes out different, bare LAMMPS runs again: with threads, on GPUs, or balanced by measured times it
gives other bits every time, and no resume can be truer than that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lammps_jobs.api.naming import Values
from lammps_jobs.api.run import Run
from lammps_jobs.formats.thermo import sections
from lammps_jobs.record.documents import Checkpoint, CutPlan, Resources
from lammps_jobs.rehearsal import statistics
from lammps_jobs.rehearsal.compare import STATE, compare
from lammps_jobs.rehearsal.logs import logs_in
from lammps_jobs.rehearsal.sides import Workspace, folder_for
from lammps_jobs.rehearsal.verdict import (
    Cut,
    Findings,
    LostSide,
    RehearsalReport,
    StageVerdict,
    judge,
    stage_verdict,
)

AT = (0.25, 0.6, 1.0)
BARE_AGAIN = ("bare again", "bare once more")
"""Runs of bare LAMMPS that are compared with the first when anything came out different: it may not repeat itself."""
MOST = 12
"""Cuts that are added at most so that every stage has one."""


def rehearse(
    script: str | Path,
    *,
    inputs: Iterable[str | Path] = (),
    variables: Mapping[str, Values] | None = None,
    resources: Resources = Resources(),
    at: tuple[float, ...] = AT,
    cuts: int = 5,
    steps: int | None = None,
    keep: str | Path | None = None,
    limit_s: float | None = None,
    seed: int = 0,
    kill: bool = False,
    on_side: Callable[[str], None] = lambda side: None,
    on_end: Callable[[Run, RehearsalReport], object] | None = None,
) -> RehearsalReport:
    """Run `script` on this machine on all sides, compare every output, and grade it.

    `at`: fractions of every run near which it is cut, 1 for the beginning of the next; of all these cuts `cuts`
    are drawn with `seed` for the side that loses its machine, more where there are more stages: each is cut.
    `steps` caps the steps of every `run`. `keep` names a folder for the outputs of all sides. `limit_s` bounds each
    side. `kill`: after every resume the lost side is also killed without notice (SIGKILL), at a random step before its
    next cut. `on_side` is called with the name of each side before it starts, `on_end` with the lost run and the
    answer while the run's record still exists.

    Raises ScriptError when bare LAMMPS rejects the script, TimeoutError after `limit_s`, NotInstalled without LAMMPS,
    UsageError when `keep` holds a rehearsal already, and what `Cluster.submit` raises.
    """
    with (
        folder_for(keep) as folder,
        Workspace(folder, Path(script), inputs, variables or {}, resources, steps, limit_s) as place,
    ):
        on_side("bare")
        place.bare()
        on_side("checkpointed")
        scout = place.side("checkpointed", CutPlan(at=at, then="go on"))
        plans = draw([(cut.stage, cut.step) for cut in _checkpoints(scout)], cuts, seed)
        runs, lost = [], []
        for again, plan in zip(("", " again"), plans, strict=True):
            if plan or not again:
                on_side(f"lost{again}")
                killer = random.Random(seed) if kill else None
                runs.append(place.side(f"lost{again}", CutPlan(cut_at=plan, then="stop"), killer))
                lost.append(_lost_side(place, runs[-1], again, on_side))
        findings = _findings(place, [scout, *runs], lost)
        report = judge(findings)
        for again in BARE_AGAIN if report.verdict == "different" else ():
            on_side(again)
            place.bare(again)
            findings = replace(findings, noise=tuple(compare(folder / "bare", folder / again)))
            if findings.noise:
                report = judge(findings)
                break
        if on_end:
            on_end(runs[0], report)
        return report


def draw(possible: Iterable[Cut], count: int, seed: int) -> tuple[tuple[Cut, ...], tuple[Cut, ...]]:
    """The cuts of both lost sides, of all that were found possible.

    The first side is cut `count` times, or more so that every stage is, but not more than `MOST` times; the second
    once where that number is even, else twice.
    """
    chance, cuts = random.Random(seed), sorted(set(possible))
    stages = sorted({stage for stage, _ in cuts})
    chosen = {chance.choice([cut for cut in cuts if cut[0] == stage])
              for stage in chance.sample(stages, min(len(stages), max(count, MOST)))}  # fmt: skip
    rest = [cut for cut in cuts if cut not in chosen]
    chosen |= set(chance.sample(rest, min(len(rest), max(0, count - len(chosen)))))
    if len(chosen) < 2:
        return tuple(sorted(chosen)), ()
    again = chance.sample(cuts, 1 + len(chosen) % 2)
    return tuple(sorted(chosen)), tuple(sorted(again))


def _lost_side(place: Workspace, run: Run, again: str, on_side: Callable[[str], None]) -> LostSide:
    """Compare a lost run with the one that nobody interrupted; with one that was kept where more is not promised."""
    folder = place.folder
    fidelity, cuts = run.status.fidelity, run.resumed_at
    against_bare = tuple(compare(folder / "checkpointed", folder / f"lost{again}"))
    side = LostSide(f"lost{again}", fidelity, cuts, against_bare)
    if not against_bare or not cuts:
        return side
    if fidelity.grade == "faithful" or (fidelity.grade == "exact" and fidelity.as_if == "set up again"):
        on_side(f"kept{again}")
        place.side(f"kept{again}", CutPlan(cut_at=cuts, then="set up again"))
        side = replace(side, against_kept=tuple(compare(folder / f"kept{again}", folder / f"lost{again}")))
    found = [means for name in logs_in(folder / "checkpointed") if (means := _means(folder, name, side))]
    return replace(side, means=tuple(fault for one in found for fault in one.faults),
                   rows=max((one.rows for one in found if one.rows >= statistics.FEWEST), default=0))  # fmt: skip


def _means(folder: Path, name: str, side: LostSide) -> statistics.Findings | None:
    paths = [folder / where / name for where in ("checkpointed", side.name)]
    if not paths[1].is_file():
        return None
    whole, cut = (sections(path.read_text(errors="replace")) for path in paths)
    return statistics.examine(name, whole, cut, side.cuts)


def _checkpoints(run: Run) -> list[Checkpoint]:
    return [cut for seq in run.record.checkpoint_seqs() if (cut := run.record.checkpoint(seq))]


def _findings(place: Workspace, runs: list[Run], lost: list[LostSide]) -> Findings:
    return Findings(
        script=place.script.name,
        stages=_stages(runs[0]),
        unusable={decision.stage: decision.why for run in runs for decision in run.record.decisions()
                  if decision.kind == "no checkpoints"},
        harm=tuple(
            compare(
                place.folder / "bare", place.folder / "checkpointed", frozenset({STATE, *place.outside(runs[0])})
            )
        ),
        lost=tuple(lost),
        seconds=place.seconds,
        is_capped=place.is_capped,
    )  # fmt: skip


def _stages(scout: Run) -> tuple[StageVerdict, ...]:
    cuts = _checkpoints(scout)
    return tuple(
        stage_verdict(event, [(cut.step, cut.fidelity) for cut in cuts if cut.stage == event.stage])
        for event in scout.events
        if event.kind == "stage"
    )
