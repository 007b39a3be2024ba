"""The report: one self-contained page about a run, readable on a phone and in the dark."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lammps_jobs.errors import Damaged, LammpsJobsError, NotInstalled, writing
from lammps_jobs.formats.thermo import sections
from lammps_jobs.formats.units import per_day, time_label
from lammps_jobs.record.documents import Attempt, AttemptEnd, Checkpoints, Event, Progress
from lammps_jobs.report.thermodynamics import averages, charts

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus
    from lammps_jobs.rehearsal.verdict import RehearsalReport

MARKS = {"started": "start", "resumed": "start", "checkpoint": "cut", "notice": "notice", "ended": "end"}
TAIL = 20
"""Lines of the log that are shown of a failure."""
LONGEST_SCRIPT = 200_000

OUTCOMES = {
    "finished": "finished",
    "interrupted": "stopped in order, with a checkpoint",
    "failed": "failed",
    "fenced": "stopped: another attempt had taken over",
}
EQUAL_TO = {
    "never cut": "equal, bit for bit, to the run that nobody interrupted",
    "set up again": "equal, bit for bit, to a run that LAMMPS set up anew where this one was resumed",
}
FIDELITY = {
    "faithful": "the same up to rounding",
    "statistical": "the physics goes on; a random stream or an accumulator began anew",
    "refused": "some stage had to be repeated as a whole",
}

NOT_RESUMED = {False: "it was never interrupted", True: "no attempt went on from a checkpoint: each began anew"}


def write(run: Run, path: Path, rehearsed: RehearsalReport | None = None) -> Path:
    """Write the page for `run` to `path`, complete or not at all, with what a rehearsal found; to `NAME.html` in it
    where that is a folder.

    Raises NotInstalled without the extra `analysis`, StoreError where the file cannot be written.
    """
    try:
        import jinja2
    except ImportError as error:
        raise NotInstalled(
            f"The report needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
        ) from None
    path = path / f"{run.name}.html" if path.is_dir() else path
    partial = path.with_name(path.name + ".part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # what cannot be written is said at once
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["moment"], environment.filters["took"] = _moment, _took
    template = environment.from_string(files("lammps_jobs.report").joinpath("report.html.j2").read_text())
    with writing(path):
        partial.write_text(template.render(**_content(run), rehearsed=rehearsed, style=style()))
        partial.replace(path)
    return path


def style() -> str:
    """The style sheet of all pages: light and dark, wide and narrow."""
    return files("lammps_jobs.report").joinpath("style.css").read_text()


def _content(run: Run) -> dict[str, Any]:
    state, spec, events, log = run.status, run.spec, run.events, run.logs()
    attempts = [(attempt, run.record.ended(attempt.number)) for attempt in run.record.attempts()]
    rows = [_attempt_row(a, end, events, _last_step(run, a.number)) for a, end in attempts]
    progress = run.progress
    found = sections(log)
    units = progress.units if progress else ""
    of_runs, of_minimizations = charts(found, units, progress.timestep if progress else None)
    resumes = [event for event in events if event.kind == "resumed"]
    return {
        "state": state,
        "spec": spec,
        "script": _script(run),
        "tail": [line for line in log.rstrip().splitlines() if line.strip()][-TAIL:] if state.state == "failed" else [],
        "attempts": rows,
        "speed": _speed(progress),
        "fidelity": _fidelity(state) if resumes else ("", NOT_RESUMED[len(attempts) > 1]),
        "share": min(100, 100 * state.step // state.target) if state.target > 0 else None,
        "facts": _facts(run, log, progress, attempts, events),
        "begun": attempts[0][0].claimed if attempts else None,
        "ended": state.changed if state.is_ended else None,
        "seconds": sum(row["seconds"] for row in rows),
        "resumes": resumes,
        "warnings": [event for event in events if event.kind in ("warning", "damaged", "unusable")],
        "charts": of_runs,
        "minimizations": of_minimizations,
        "averages": averages(found, units),
        "timeline": _timeline(events),
        "outputs": {name: output.size for name, output in run.outputs().items()},
        "written": datetime.now(UTC),
    }


def _script(run: Run) -> str:
    blob = run.spec.inputs.get(run.spec.script)
    if blob is None or blob.size > LONGEST_SCRIPT:
        return ""
    try:
        return b"".join(run.record.read_blob(blob)).decode(errors="replace")
    except Damaged:
        return ""


def _speed(progress: Progress | None) -> tuple[str, str] | None:
    """Simulated time a day and steps/s, in words."""
    if progress is None or progress.steps_per_s <= 0:
        return None
    rate = progress.steps_per_s
    steps = f"{rate:,.0f} steps/s" if rate > 10 else f"{rate:.3g} steps/s"
    if not progress.timestep or not progress.units:
        return steps, ""
    value, unit = per_day(rate, progress.timestep, progress.units)
    return (f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"), steps


def _fidelity(state: RunStatus) -> tuple[str, str]:
    grade = state.fidelity
    return grade.grade, EQUAL_TO[grade.as_if] if grade.grade == "exact" else FIDELITY[grade.grade]


def _facts(
    run: Run,
    log: str,
    progress: Progress | None,
    attempts: list[tuple[Attempt, AttemptEnd | None]],
    events: list[Event],
) -> dict[str, str]:
    """What makes the page understood in a year."""
    spec, atoms = run.spec, re.findall(r" steps with (\d+) atoms", log)
    try:
        newest = run.checkpoint
    except LammpsJobsError:
        newest = None
    ranks = spec.resources.ranks or (newest.ranks if newest else 1)
    made = {
        "Machines": ", ".join(dict.fromkeys(attempt.host for attempt, _ in attempts if attempt.host)),
        "LAMMPS": str(progress.lammps_version or "") if progress else "",
        "Ranks x threads": f"{ranks} x {spec.resources.threads}",
        "Atoms": f"{int(atoms[-1]):,}" if atoms else "",
        "Units": progress.units if progress else "",
        "Timestep": f"{progress.timestep:g} {time_label(progress.units)}" if progress and progress.timestep else "",
        "Checkpoint every": _interval(spec.checkpoints, events),
        "Tags": " ".join(run.tags),
        "Note": run.note,
        "Variables": ", ".join(f"{name} = {' '.join(values)}" for name, values in spec.variables.items()),
        "Script's sha256": spec.inputs[spec.script].sha256[:16] if spec.script in spec.inputs else "",
    }
    return {name: text for name, text in made.items() if text}


def _interval(asked: Checkpoints, events: list[Event]) -> str:
    """The time between two checkpoints; where it was chosen, with the reason of the newest choice."""
    if asked.least_s is None:
        return _took(asked.every_s)
    said = [event.text for event in events if event.kind == "stage" and event.text.startswith(CHOSEN)]
    bounds = f"{_took(asked.least_s)} to {_took(asked.every_s)}"
    return f"{bounds}; {said[-1].removeprefix(CHOSEN)}" if said else bounds


CHOSEN = "Checkpoints every "


def _last_step(run: Run, attempt: int) -> int | None:
    """The timestep that an attempt last published; None before it did."""
    progress = run.record.progress(attempt)
    return progress.step if progress else None


def _attempt_row(
    attempt: Attempt, end: AttemptEnd | None, events: list[Event], last_published: int | None
) -> dict[str, Any]:
    own = [event for event in events if event.attempt == attempt.number]
    last = end.ended if end else max((event.at for event in own), default=attempt.claimed)
    reached = end.last_step if end and end.last_step is not None else last_published
    kept = next((event.step for event in reversed(own) if event.kind == "checkpoint"), None)
    went_on = end is not None and end.outcome == "finished"
    return {
        "number": attempt.number,
        "host": attempt.host or "-",
        "outcome": OUTCOMES.get(end.outcome, end.outcome) if end else "no last word: it runs, or lost its machine",
        "seconds": (last - attempt.claimed).total_seconds(),
        "reached": reached,
        "kept": kept,
        "lost": reached - kept if not went_on and reached and kept and reached > kept else None,
        "reason": end.reason if end else "",
    }


def _timeline(events: list[Event]) -> list[dict[str, Any]]:
    """Attempts as bars over wall time, with what happened to them; places in percent of the whole."""
    if not events:
        return []
    first, last = min(event.at for event in events), max(event.at for event in events)
    whole = (last - first).total_seconds() or 1.0

    def place(at: datetime) -> float:
        return round(100 * (at - first).total_seconds() / whole, 2)

    bars = []
    for number in sorted({event.attempt for event in events}):
        own = [event for event in events if event.attempt == number]
        left, right = place(own[0].at), place(own[-1].at)
        marks = [
            {"at": place(e.at), "kind": MARKS.get(e.kind, "trouble"), "title": f"{_moment(e.at)} {e.kind}: {e.text}"}
            for e in own if e.kind != "stage"
        ]  # fmt: skip
        bars.append({"number": number, "left": left, "width": max(0.5, right - left), "marks": marks})
    return bars


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def _took(seconds: float) -> str:
    """A duration as people say it: 12.3 s, 4 min 10 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left if not hours else 0, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
