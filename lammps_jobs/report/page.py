"""The report: one self-contained page about a run, readable on a phone and in the dark."""

from __future__ import annotations

import io
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lammps_jobs.errors import NotInstalled
from lammps_jobs.formats.units import time_label
from lammps_jobs.record.documents import AttemptEnd, Event, is_hidden

if TYPE_CHECKING:
    import pandas

    from lammps_jobs.api.run import Run
    from lammps_jobs.rehearsal.verdict import RehearsalReport

INK = "#010203"
"""A colour that matplotlib writes and the page replaces by the text colour of its theme."""

PLOTTED = (
    ("Temperature", ("Temp",)),
    ("Pressure", ("Press",)),
    ("Energy", ("TotEng", "PotEng", "KinEng")),
    ("Density and volume", ("Density", "Volume")),
)
COLOURS = ("#2f7fd6", "#d9822b", "#3aa76d")
MARKS = {"started": "#3aa76d", "resumed": "#3aa76d", "checkpoint": "#2f7fd6", "notice": "#d9822b", "ended": "#8a8f98"}


def write(run: Run, path: Path, rehearsed: RehearsalReport | None = None) -> Path:
    """Write the page for `run` to `path`, complete or not at all, with what a rehearsal found.

    Raises NotInstalled without the extra `analysis`.
    """
    try:
        import jinja2
        import matplotlib  # noqa: F401
        import pandas  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            f"The report needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
        ) from None
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("lammps_jobs.report").joinpath("report.html.j2").read_text())
    page = template.render(**_content(run), rehearsed=rehearsed)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(page)
    partial.replace(path)
    return path


def _content(run: Run) -> dict[str, Any]:
    state, spec, events = run.status, run.spec, run.events
    attempts = [(attempt, run.record.ended(attempt.number)) for attempt in run.record.attempts()]
    progress = run.progress
    checkpoint = run.record.checkpoint(state.checkpoint) if state.checkpoint else None
    units, timestep = (progress.units, progress.timestep or 1.0) if progress else ("", 1.0)
    return {
        "state": state,
        "spec": spec,
        "attempts": [
            _attempt_row(a.number, a.host, a.claimed, end, events, _last_step(run, a.number)) for a, end in attempts
        ],
        "ranks": spec.resources.ranks or (checkpoint.ranks if checkpoint else 1),
        "resumes": [event for event in events if event.kind == "resumed"],
        "warnings": [event for event in events if event.kind in ("warning", "damaged")],
        "checkpoints": sum(event.kind == "checkpoint" for event in events),
        "speed": progress.rate.split("  ")[:2] if progress else [],
        "plots": _plots(run.thermo(), units, timestep),
        "timeline": _timeline(events),
        "outputs": {name: output.size for name, output in sorted(run.record.outputs().items()) if not is_hidden(name)},
    }


def _last_step(run: Run, attempt: int) -> int | None:
    """The timestep that an attempt last published; None before it did."""
    progress = run.record.progress(attempt)
    return progress.step if progress else None


def _attempt_row(
    number: int, host: str, claimed: datetime, end: AttemptEnd | None, events: list[Event], last_published: int | None
) -> dict[str, Any]:
    own = [event for event in events if event.attempt == number]
    last = end.ended if end else max((event.at for event in own), default=claimed)
    reached = end.last_step if end else last_published
    kept = next((event.step for event in reversed(own) if event.kind == "checkpoint"), None)
    lost = reached - kept if not (end and end.outcome == "finished") and reached and kept and reached > kept else None
    return {
        "number": number,
        "host": host or "-",
        "outcome": end.outcome if end else "no final status (lost, or still running)",
        "seconds": (last - claimed).total_seconds(),
        "reached": reached,
        "kept": kept,
        "lost": lost,
        "reason": end.reason if end else "",
    }


# -- pictures ----------------------------------------------------------------------------------------


def _plots(table: pandas.DataFrame, units: str, timestep: float) -> list[dict[str, str]]:
    """Each thermo quantity against the time since the start, stages one after another."""
    if table.empty:
        return []
    elapsed = _elapsed_steps(table) * timestep
    plots = []
    for title, names in PLOTTED:
        columns = [name for name in names if name in table]
        if not columns:
            continue
        figure, axes = _figure(2.6)
        for name, colour in zip(columns, COLOURS, strict=False):
            axes.plot(elapsed, table[name], color=colour, linewidth=1.2, label=name)
        starts = elapsed[table["Stage"].diff() > 0]
        for start in starts:
            axes.axvline(start, color=INK, alpha=0.25, linewidth=0.7, linestyle=":")
        axes.set_xlabel(f"time since the start / {time_label(units)}")
        if len(columns) > 1:
            axes.legend(frameon=False, loc="best", fontsize=8)
        else:
            axes.set_ylabel(columns[0])
        plots.append({"title": title, "svg": _svg(figure)})
    return plots


def _elapsed_steps(table: pandas.DataFrame) -> pandas.Series:
    """Steps since the start, also over `reset_timestep`: a step that goes back starts where it was."""
    forward = table["Step"].diff().fillna(0).clip(lower=0)
    return forward.cumsum()


def _timeline(events: list[Event]) -> str:
    """Attempts as bars over wall time, with what happened to them."""
    if not events:
        return ""
    first = events[0].at
    numbers = sorted({event.attempt for event in events})
    figure, axes = _figure(0.8 + 0.35 * len(numbers))
    for number in numbers:
        own = [event for event in events if event.attempt == number]
        times = [(event.at - first).total_seconds() for event in own]
        axes.plot(
            [times[0], times[-1]], [number, number], color="#8a8f98", linewidth=7, alpha=0.35, solid_capstyle="butt"
        )
        for event, moment in zip(own, times, strict=True):
            axes.plot(
                moment, number, marker="|", markersize=10, markeredgewidth=1.6, color=MARKS.get(event.kind, "#c0392b")
            )
    axes.set_yticks(numbers, [f"attempt {number}" for number in numbers])
    axes.set_ylim(numbers[-1] + 0.6, numbers[0] - 0.6)
    axes.set_xlabel("wall time since the start / s")
    return _svg(figure)


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    for axes in figure.axes:
        legend = axes.get_legend()
        for text in legend.get_texts() if legend else ():
            text.set_color(INK)
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lammps-jobs", "font.family": "sans-serif"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
