"""Is a script safe on machines that may vanish? Answered on this machine before anything is paid.

Four sides of one script: *bare* (plain `lmp`), *checkpointed* (cuts that nobody notices), *kept* (cut, set up
again, not lost) and *lost* (cut, the process gone, resumed from the store in a new one).
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lammps_jobs.api.cluster import Run, Values, connect
from lammps_jobs.errors import LammpsJobsError, NotInstalled, ScriptError, UsageError, WrongState
from lammps_jobs.record.documents import GRADES, Checkpoints, CutPlan, Event, Fidelity, Grade, Resources
from lammps_jobs.rehearsal.compare import Difference, compare
from lammps_jobs.script.inputs import depth_of, gather

AT = (0.25, 0.6, 1.0)
ROUNDING = 1e-3
"""Largest relative difference of the first thermo row that differs, of a resume that is called faithful."""
CHAOS = 500
"""Timesteps after a cut from which on a first difference of any size may have grown out of rounding (a sheared
Lennard-Jones fluid, examples/nemd: from the last bit to 7e-8 in 500 steps, to 9e-2 in 1000)."""
STATE = "final.state"
"""Last positions and velocities in full precision, kept beside the outputs of our three sides."""
KILLED_WITHIN_S = 1.5
NEVER_S = 1e9
SIDES = ("bare", "checkpointed", "kept", "lost")
Verdict = Literal["exact", "faithful", "statistical", "refused", "different"]


@dataclass(frozen=True)
class StageVerdict:
    """What was found about one `run`, `minimize` or the like. `steps` are the timesteps it was cut at."""

    stage: int
    command: str
    steps: tuple[int, ...]
    grade: Grade | None
    as_if: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RehearsalReport:
    """The answer. `verdict` is the weakest grade of all cuts, or that the outputs are not what they should be."""

    script: str
    verdict: Verdict
    as_if: str
    reasons: tuple[str, ...]
    stages: tuple[StageVerdict, ...]
    cuts: tuple[tuple[int, int], ...]
    harm: tuple[Difference, ...]
    """Where the run with checkpoints that nobody interrupted differs from bare LAMMPS: must be nothing."""
    differences: tuple[Difference, ...]
    """Where the run that lost its machine differs from the one that kept it."""
    equals_bare: bool
    """Whether even bare LAMMPS, which was never cut, gave the same outputs as the run that lost its machine."""
    seconds: dict[str, float]


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
    report: Callable[[Run, RehearsalReport], object] | None = None,
    tell: Callable[[str], None] = lambda side: None,
) -> RehearsalReport:
    """Run `script` on all four sides and compare.

    `at`: fractions of every run near which it is cut, 1 for the beginning of the next; of all these cuts `cuts`
    are drawn for the sides that set up again. `steps` caps the steps of every `run`. `keep` names a folder for
    the outputs of all sides. `limit_s` bounds each side. `tell` is called with the name of each side before it
    starts, `report` with the lost run and the answer at the end, while the run's record still exists. `kill`: after
    every resume the lost side is also killed without notice (SIGKILL), at a random moment before its next cut.
    Raises ScriptError when bare LAMMPS rejects the script, TimeoutError after `limit_s`, and what submitting raises.
    """
    with _folder(keep) as folder:
        ground = _Workspace(folder, Path(script), inputs, dict(variables or {}), resources, steps, limit_s)
        tell("bare")
        ground.bare()
        tell("checkpointed")
        scout = ground.side("checkpointed", CutPlan(at=at, then="go on"))
        tell("lost")
        killer = random.Random(seed) if kill else None
        lost = ground.side("lost", CutPlan(cut_at=_draw(scout, cuts, seed), then="stop"), killer)
        tell("kept")
        ground.side("kept", CutPlan(cut_at=_resumed_at(lost), then="set up again"))
        found = _judge(ground, scout, lost)
        if report:
            report(lost, found)
        return found


class _Workspace:
    """The folders and runs of one rehearsal."""

    def __init__(
        self, folder: Path, script: Path, inputs: Iterable[str | Path], variables: dict[str, Values],
        resources: Resources, steps: int | None, limit_s: float | None,
    ) -> None:  # fmt: skip
        self.folder, self.resources, self.limit_s = folder, resources, limit_s
        self.variables = {k: (str(v),) if isinstance(v, str | float | int) else tuple(map(str, v))
                          for k, v in variables.items()}  # fmt: skip
        files = gather(script, inputs, self.variables)
        self.source = folder / "source" / "/".join("d" * depth_of(files))
        self.source.mkdir(parents=True)
        for name, file in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, self.source / name)
        if steps is not None:
            for name in files:
                _shorten(self.source / name, steps)
        self.script = self.source / script.name
        self.inputs = {name: (self.source / name).read_bytes() for name in files}
        self.cluster = connect(store=folder / "store")
        self.seconds: dict[str, float] = {}

    def bare(self) -> None:
        """Plain `lmp` in a folder of its own."""
        shutil.copytree(self.folder / "source", self.folder / "tree")
        work = self.folder / "tree" / self.source.relative_to(self.folder / "source")
        command = [_beside("lmp"), "-in", self.script.name, "-screen", "none"]
        for name, values in self.variables.items():
            command += ["-var", name, *values]
        if (ranks := self.resources.ranks or 1) > 1:
            command = [_beside("mpirun"), "-n", str(ranks), *command]
        started = time.monotonic()
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.resources.threads)}
        with (self.folder / "bare.out").open("wb") as out:
            process = subprocess.Popen(command, cwd=work, stdin=subprocess.DEVNULL, stdout=out, env=environment,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            code = _wait(process, self.limit_s)
        self.seconds["bare"] = time.monotonic() - started
        if code:
            raise ScriptError(
                f"Bare LAMMPS cannot run this script (exit code {code}).", where=_last_error(work, self.folder),
                remedy="Mend the script first: lmp -in " + self.script.name,
            )  # fmt: skip
        self._forget_inputs(work)
        work.rename(self.folder / "bare")

    def side(self, name: str, cut_plan: CutPlan, killer: random.Random | None = None) -> Run:
        """Our own run, resumed as often as it stops, its outputs under `name`."""
        started = time.monotonic()
        beside = [self.source / file for file in self.inputs if not file.startswith("..")]
        run = self.cluster.submit(
            self.script, inputs=beside, name=name, variables=self.variables, resources=self.resources,
            checkpoints=Checkpoints(every_s=NEVER_S, keep=10_000), cut_plan=cut_plan,
        )  # fmt: skip
        try:
            while True:
                left = None if self.limit_s is None else self.limit_s - (time.monotonic() - started)
                state = run.wait(left)
                if state.state not in ("interrupted", "lost"):
                    break
                run.resume()
                if killer and state.state == "interrupted":
                    time.sleep(killer.uniform(0.0, KILLED_WITHIN_S))
                    with contextlib.suppress(WrongState):  # it may be done already
                        run.kill()
        except BaseException:
            with contextlib.suppress(LammpsJobsError, TimeoutError):
                run.kill()
                run.wait(10)
            raise
        self.seconds[name] = time.monotonic() - started
        if state.state != "finished":
            raise LammpsJobsError(f"The side '{name}' {state.state}: {state.reason}", where=state.where)
        run.download(self.folder / name)
        (self.folder / name / STATE).write_bytes(run.final_state())
        return run

    def _forget_inputs(self, work: Path) -> None:
        for name, content in self.inputs.items():
            if (work / name).is_file() and (work / name).read_bytes() == content:
                (work / name).unlink()


def _draw(scout: Run, count: int, seed: int) -> tuple[tuple[int, int], ...]:
    """Some of the cuts that were tried, as (stage, timestep)."""
    cuts = sorted({(event.stage or 0, event.step or 0) for event in scout.events if event.kind == "checkpoint"})
    return tuple(sorted(random.Random(seed).sample(cuts, min(count, len(cuts)))))


def _resumed_at(run: Run) -> tuple[tuple[int, int], ...]:
    """The cuts that the finished run really went on from, as (stage, timestep); it may have fallen back."""
    path: list[tuple[int, int]] = []
    before: list[tuple[int, int]] = []
    for event in run.events:
        if event.kind == "started":
            before, path = path, []
        elif event.kind == "resumed":
            here = (event.stage or 0, event.step or 0)
            path = [*(cut for cut in before if cut < here), here]
    return tuple(path)


def _judge(ground: _Workspace, scout: Run, lost: Run) -> RehearsalReport:
    folder, fidelity = ground.folder, weakest_of(lost)
    harm = tuple(compare(folder / "bare", folder / "checkpointed", frozenset({STATE})))
    differences = tuple(compare(folder / "kept", folder / "lost"))
    unusable = {event.stage: event.text for run in (scout, lost) for event in run.events if event.kind == "unusable"}
    stages = tuple(_refused_if(stage, unusable.get(stage.stage)) for stage in _stages(scout))
    refused = [stage for stage in stages if stage.grade == "refused"]
    grade: Verdict = "refused" if refused else fidelity.grade
    cuts = _resumed_at(lost)
    late = [found for d in differences if (found := _late(d, cuts))] if fidelity.grade == "faithful" else []
    if harm or not (late or _within(fidelity.grade, differences)):
        grade = "different"
    reasons = dict.fromkeys((*(r for stage in refused for r in stage.reasons), *fidelity.reasons, *late))
    return RehearsalReport(
        script=ground.script.name, verdict=grade, as_if=fidelity.as_if, reasons=tuple(reasons), stages=stages,
        cuts=cuts, harm=harm, differences=differences, seconds=ground.seconds,
        equals_bare=not harm and not compare(folder / "checkpointed", folder / "lost"),
    )  # fmt: skip


def weakest_of(run: Run) -> Fidelity:
    """The grade that the run claims for itself."""
    return run.status.fidelity


def _within(grade: Grade, differences: tuple[Difference, ...]) -> bool:
    """Whether the differences are no larger than the grade admits. Rounding grows: the first of it must be small."""
    if grade == "exact":
        return not differences
    if grade == "faithful" and differences:
        logs = [d for d in differences if "log" in d.file]
        return all(d.relative is not None and d.relative < ROUNDING for d in logs or differences[:1])
    return True


def _late(difference: Difference, cuts: tuple[tuple[int, int], ...]) -> str:
    """In words, that a difference came too long after its cut to be told from rounding; "" when it did not."""
    before = [step for _, step in cuts if difference.step is not None and step <= difference.step]
    if not before or (difference.step or 0) - before[-1] <= CHAOS or (difference.relative or 1) < ROUNDING:
        return ""
    return (f"{difference.file} differs at step {difference.step} first, {(difference.step or 0) - before[-1]} steps "
            "after the cut: too late to tell rounding from an error; rehearse with a smaller thermo")  # fmt: skip


def _refused_if(stage: StageVerdict, why: str | None) -> StageVerdict:
    return replace(stage, grade="refused", reasons=(why,)) if why else stage


def _stages(scout: Run) -> tuple[StageVerdict, ...]:
    events = scout.events
    cuts = [found for seq in scout.record.checkpoint_seqs() if (found := scout.record.checkpoint(seq))]
    return tuple(
        _stage(event, [(c.step, c.fidelity) for c in cuts if c.stage == event.stage])
        for event in events if event.kind == "stage"
    )  # fmt: skip


def _stage(event: Event, cuts: list[tuple[int, Fidelity]]) -> StageVerdict:
    told = event.fidelity or Fidelity()
    all_told = [told, *(fidelity for _, fidelity in cuts)]
    grade = max((c.grade for c in all_told), key=GRADES.index) if cuts or told.grade == "refused" else None
    never = bool(cuts) and all(c.as_if == "never cut" for _, c in cuts)
    return StageVerdict(
        stage=event.stage or 0, command=event.text, steps=tuple(step for step, _ in cuts), grade=grade,
        as_if="never cut" if never else "set up again",
        reasons=tuple(dict.fromkeys(reason for c in all_told for reason in c.reasons)),
    )  # fmt: skip


def _shorten(path: Path, steps: int) -> None:
    """Cap the literal or variable number of every `run N` in a script."""
    if path.stat().st_size > 1_000_000:
        return
    text = path.read_text(errors="surrogateescape")

    def capped(found: re.Match[str]) -> str:
        number = found[2]
        if number.isdigit():
            return f"{found[1]}{min(int(number), steps)}"
        name = number.strip("${}")
        return f"{found[1]}$(ternary(v_{name}<{steps},v_{name},{steps}):%.0f)"

    pattern = re.compile(r"^(\s*run\s+)(\d+|\$\{\w+\}|\$\w)(?=\s|$)(?!.*\bupto\b)", re.MULTILINE)
    path.write_text(pattern.sub(capped, text), errors="surrogateescape")


def _wait(process: subprocess.Popen[bytes], limit_s: float | None) -> int:
    import signal

    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"Bare LAMMPS was not done within {limit_s:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_error(work: Path, folder: Path) -> str:
    lines: list[str] = []
    for file in (work / "log.lammps", folder / "bare.out"):
        with contextlib.suppress(OSError):
            lines += file.read_text(errors="replace").splitlines()
    found = [at for at, line in enumerate(lines) if line.startswith("ERROR")]
    return "\n".join(lines[found[0] : found[0] + 3]) if found else "\n".join(lines[-3:])


AS_IF = {
    "never cut": "equal to the run that was never cut",
    "set up again": "equal to the run cut there and set up again",
}

MEANING: dict[str, str] = {
    "exact": "A resumed run continues bit for bit.",
    "faithful": "A resumed run continues up to rounding.",
    "statistical": "A resumed run continues the physics, not the numbers.",
    "refused": "Some stage cannot be cut: an interruption there repeats that stage from its beginning.",
    "different": "A resumed or checkpointed run came out different. Please report this.",
}


def text(found: RehearsalReport) -> str:
    """The answer for people."""
    lines = [f"{found.script}: {found.verdict}. {MEANING[found.verdict]}"]
    for stage in found.stages:
        cut = f"cut at {', '.join(map(str, stage.steps))}" if stage.steps else "not cut"
        lines.append(f"  stage {stage.stage}  {stage.command}\n    {stage.grade or 'too short to be cut'}, {cut}")
        if stage.grade == "exact" and stage.steps:
            lines[-1] += f"; {AS_IF[stage.as_if]}"
        lines += [f"    {reason}" for reason in stage.reasons]
    resumed = ", ".join(f"{step} (stage {stage})" for stage, step in found.cuts)
    lines.append(f"  lost and resumed at {resumed or 'no step: the script is too short to be cut'}")
    told = {reason for stage in found.stages for reason in stage.reasons}
    lines += [f"  {reason}" for reason in found.reasons if reason not in told]
    for title, differences in (("bare and checkpointed", found.harm), ("kept and lost", found.differences)):
        lines.append(f"  {title}: " + ("the same in every output" if not differences else ""))
        lines += [f"    {line}" for difference in differences for line in str(difference).splitlines()]
    if found.equals_bare and found.cuts:
        lines.append("  bare and lost: the same in every output, as if nothing had happened")
    return "\n".join(lines)


def _beside(program: str) -> str:
    path = Path(sys.executable).with_name(program)
    found = str(path) if path.exists() else shutil.which(program)
    if not found:
        raise NotInstalled(
            f"{program} is not on this machine.", remedy='Install it with: pip install "lammps-jobs[local]"'
        )
    return found


@contextlib.contextmanager
def _folder(keep: str | Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="lammps-jobs-rehearsal-") as made:
            yield Path(made)
        return
    folder = Path(keep)
    taken = [side for side in SIDES if (folder / side).exists()]
    if taken:
        raise UsageError(f"{folder} holds a rehearsal already ({', '.join(taken)}).", remedy="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        for rest in ("source", "store", "tree"):
            shutil.rmtree(folder / rest, ignore_errors=True)
