"""Following a run, and its state in words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import is_json, show, state_document
from lammps_jobs.errors import INTERRUPTED

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus

EXIT_OF = {"finished": 0, "interrupted": INTERRUPTED, "lost": INTERRUPTED, "cancelled": 0}


def follow(run: Run) -> None:
    """Show the run live until it stops, then print its state and exit with its code."""
    try:
        state = run.wait() if is_json() or not sys.stderr.isatty() else _live(run)
    except KeyboardInterrupt:
        click.echo(f"\n{run.name} continues in the background: lammps-jobs watch {run.name}", err=True)
        sys.exit(0)
    show(state_text(state), **state_document(state))
    click.get_current_context().exit(EXIT_OF.get(state.state, state.exit_code or 1))


def _live(run: Run) -> RunStatus:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(run.name, total=None, words="starting")

        def move(state: RunStatus) -> None:
            now = run.progress
            if now and now.target:
                bar.update(task, total=now.target, completed=now.step, words=progress_text(run))

        return run.wait(on_change=move)


def progress_text(run: Run) -> str:
    """Step, speed, attempt and newest checkpoint on one line."""
    now = run.progress
    if now is None:
        return "starting"
    words = [f"step {now.step}/{now.target}", now.rate, f"attempt {now.attempt}"]
    if now.last_checkpoint_step is not None:
        words.append(f"checkpoint at {now.last_checkpoint_step}")
    return "  ".join(word for word in words if word)


def state_text(state: RunStatus) -> str:
    lines = [f"{state.name}: {state.state}, step {state.step}, attempt {state.attempt}"]
    if state.checkpoint is not None and state.state != "finished":
        lines.append(f"newest checkpoint: {state.checkpoint} at step {state.checkpoint_step}")
    if state.attempt > 1:
        grade = state.fidelity
        as_if = f", as if {grade.as_if}" if grade.grade == "exact" else ""
        lines.append(f"resumes: {grade.grade}{as_if}" + "".join(f"\n  {reason}" for reason in grade.reasons))
    lines += [text for text in (state.reason, state.where, state.remedy) if text]
    after = {
        "finished": f"lammps-jobs download {state.name} FOLDER; lammps-jobs report {state.name}",
        "interrupted": f"lammps-jobs resume {state.name}",
        "lost": f"lammps-jobs resume {state.name}",
    }
    if state.state in after and not state.remedy:
        lines.append(f"next: {after[state.state]}")
    return "\n".join(lines)
