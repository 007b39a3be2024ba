"""A rehearsal: whether a script is safe on machines that may vanish, found out here before anything is paid.

Four sides of one script: *bare* (plain `lmp`), *checkpointed* (cuts that nobody notices), *kept* (cut, set up
again, not lost) and *lost* (cut, the process gone, resumed from the store in a new one).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lammps_jobs.api.cluster import Values
from lammps_jobs.api.run import Run
from lammps_jobs.record.documents import Checkpoint, CutPlan, Resources
from lammps_jobs.rehearsal.compare import compare
from lammps_jobs.rehearsal.sides import STATE, Workspace, folder_for
from lammps_jobs.rehearsal.verdict import Cut, Findings, RehearsalReport, StageVerdict, judge, stage_verdict

AT = (0.25, 0.6, 1.0)


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
    """Run `script` on this machine on all four sides, compare every output, and grade it.

    `at`: fractions of every run near which it is cut, 1 for the beginning of the next; of all these cuts `cuts`
    are drawn with `seed` for the sides that set up again. `steps` caps the steps of every `run`. `keep` names a
    folder for the outputs of all sides. `limit_s` bounds each side. `kill`: after every resume the lost side is also
    killed without notice (SIGKILL), at a random moment before its next cut. `on_side` is called with the name of
    each side before it starts, `on_end` with the lost run and the answer while the run's record still exists.

    Raises ScriptError when bare LAMMPS rejects the script, TimeoutError after `limit_s`, NotInstalled without LAMMPS,
    UsageError when `keep` holds a rehearsal already, and what `Cluster.submit` raises.
    """
    with folder_for(keep) as folder:
        place = Workspace(folder, Path(script), inputs, variables or {}, resources, steps, limit_s)
        try:
            on_side("bare")
            place.bare()
            on_side("checkpointed")
            scout = place.side("checkpointed", CutPlan(at=at, then="go on"))
            on_side("lost")
            killer = random.Random(seed) if kill else None
            lost = place.side("lost", CutPlan(cut_at=_draw(scout, cuts, seed), then="stop"), killer)
            on_side("kept")
            place.side("kept", CutPlan(cut_at=lost.resumed_at, then="set up again"))
            report = judge(_findings(place, scout, lost))
            if on_end:
                on_end(lost, report)
            return report
        finally:
            place.settle()


def _draw(scout: Run, count: int, seed: int) -> tuple[Cut, ...]:
    """Some of the cuts that were tried."""
    cuts = sorted({(cut.stage, cut.step) for cut in _checkpoints(scout)})
    return tuple(sorted(random.Random(seed).sample(cuts, min(count, len(cuts)))))


def _checkpoints(run: Run) -> list[Checkpoint]:
    return [cut for seq in run.record.checkpoint_seqs() if (cut := run.record.checkpoint(seq))]


def _findings(place: Workspace, scout: Run, lost: Run) -> Findings:
    folder = place.folder
    return Findings(
        script=place.script.name,
        fidelity=lost.status.fidelity,
        stages=_stages(scout),
        unusable={decision.stage: decision.why for run in (scout, lost) for decision in run.record.decisions()
                  if decision.kind == "no checkpoints"},
        cuts=lost.resumed_at,
        harm=tuple(compare(folder / "bare", folder / "checkpointed", frozenset({STATE, *place.outside(scout)}))),
        differences=tuple(compare(folder / "kept", folder / "lost")),
        is_as_checkpointed=not compare(folder / "checkpointed", folder / "lost"),
        seconds=place.seconds,
    )  # fmt: skip


def _stages(scout: Run) -> tuple[StageVerdict, ...]:
    cuts = _checkpoints(scout)
    return tuple(
        stage_verdict(event, [(cut.step, cut.fidelity) for cut in cuts if cut.stage == event.stage])
        for event in scout.events
        if event.kind == "stage"
    )
