"""Following a run, and its state in words."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import is_json, show, state_document
from lammps_jobs.errors import BUDGET_SPENT, CANCELLED_BY_KEY, INTERRUPTED

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus
    from lammps_jobs.record.documents import Progress

EXIT_OF = {"finished": 0, "interrupted": INTERRUPTED, "lost": INTERRUPTED, "cancelled": 0}
COLOURS = {
    "finished": "green", "running": "cyan", "starting": "cyan", "waiting": "default", "failed": "red",
    "lost": "yellow", "interrupted": "yellow", "cancelled": "dim",
}  # fmt: skip
LINE_S = 30.0
"""Seconds between two lines of progress where nobody looks at a terminal."""
TAIL = 8
"""Lines of the log that are shown of a failure."""


def follow(run: Run, out: Path | None = None) -> None:
    """Show the run live until it stops, then print its state and exit with its code; `out` gets its outputs."""
    try:
        state = run.wait(check=False) if is_json() else _live(run) if sys.stderr.isatty() else _lines(run)
    except KeyboardInterrupt:
        click.echo(f"\n{run.name} continues in the background: lammps-jobs watch {run.name}", err=True)
        sys.exit(CANCELLED_BY_KEY)
    written = [str(path) for path in run.download(out)] if out else []
    text = state_text(state, _tail(run) if state.state == "failed" else "")
    show("\n".join([text, *written]), **state_document(state), **({"files": written} if out else {}))
    is_over_budget = state.state == "interrupted" and state.exit_code == BUDGET_SPENT
    never_began = state.state == "cancelled" and state.error
    by_state = EXIT_OF.get(state.state, state.exit_code or 1)
    click.get_current_context().exit(state.exit_code if is_over_budget or never_began else by_state)


def _tail(run: Run) -> str:
    """The last lines of the log, of a run that came to write one."""
    lines = [line for line in run.logs().rstrip().splitlines() if line.strip()]
    return "\n".join(f"  | {line}" for line in lines[-TAIL:])


def _lines(run: Run) -> RunStatus:
    """A line of progress now and then, and with every new stage and attempt: for files, CI and notebooks."""
    said: tuple[int, int] | None = None
    said_at = 0.0

    def say(state: RunStatus) -> None:
        nonlocal said, said_at
        now = run.progress
        if now is None or not now.stage or state.is_ended:
            return
        place = (now.attempt, now.stage)
        if place != said or time.monotonic() - said_at > LINE_S:
            said, said_at = place, time.monotonic()
            click.echo(f"{run.name}: {'  '.join([*_where(now), *_how(now)])}", err=True)

    return run.wait(on_change=say, check=False)


def _live(run: Run) -> RunStatus:
    """Two lines that fit 80 columns: the bar with the stage, and below it the speed and the newest checkpoint."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    def drawn() -> Group:
        now = run.progress
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
        row.add_column(ratio=1, min_width=8)
        row.add_column(no_wrap=True)
        bar = ProgressBar(total=now.target, completed=now.step) if now and now.target else ProgressBar(pulse=True)
        row.add_row(run.name, bar, "  ".join(_where(now)) if now else "starting")
        return Group(
            row, Text("  " + "  ".join(_how(now) if now else []), style="dim", no_wrap=True, overflow="ellipsis")
        )

    with Live(drawn(), console=Console(stderr=True), transient=True, auto_refresh=False) as live:
        return run.wait(on_change=lambda _: live.update(drawn(), refresh=True), check=False)


def _where(now: Progress) -> list[str]:
    target = f" of {now.target:,}" if now.target > now.step else ""
    return [f"stage {now.stage}", f"step {now.step:,}{target}"]


def _how(now: Progress) -> list[str]:
    """Speed, time to go in this stage, attempt and newest checkpoint."""
    words = [now.rate] if now.rate else []
    if now.attempt > 1:
        words.append(f"attempt {now.attempt}")
    if now.last_checkpoint_step is not None:
        words.append(f"checkpoint {now.last_checkpoint_step:,}")
    return words


def state_text(state: RunStatus, tail: str = "") -> str:
    """The state in words, with what to do next. `tail`: the end of the log, for a failure."""
    lines = [f"{state.name}: {state.state}, step {state.step}, attempt {state.attempt}"]
    if state.checkpoint is not None and state.state != "finished":
        lines.append(f"newest checkpoint: {state.checkpoint} at step {state.checkpoint_step}")
    if state.attempt > 1 and state.checkpoint is None:
        lines.append("resumes: none, each attempt began anew")
    elif state.attempt > 1:
        lines.append(f"resumes: {_grade_text(state)}" + "".join(f"\n  {why}" for why in state.fidelity.reasons))
    lines += [text for text in (state.reason, state.where, tail, state.remedy) if text]
    after = {
        "finished": f"lammps-jobs download {state.name}; lammps-jobs report {state.name}",
        "failed": f"lammps-jobs download {state.name}   # what it wrote until then",
        "interrupted": f"lammps-jobs resume {state.name}",
        "lost": f"lammps-jobs resume {state.name}",
        "cancelled": f"lammps-jobs download {state.name}; lammps-jobs resume {state.name}",
    }
    if state.state in after and (not state.remedy or state.state == "failed"):
        lines.append(f"next: {after[state.state]}")
    return "\n".join(lines)


def _grade_text(state: RunStatus) -> str:
    grade = state.fidelity
    if grade.grade != "exact":
        return grade.grade
    equal = {"never cut": "the run that nobody interrupted", "set up again": "a run set up anew where it was resumed"}
    return f"exact (equal to {equal[grade.as_if]})"


def when(at: datetime | None) -> str:
    """How long ago, in words; a date after a week; empty when it is not known."""
    if at is None:
        return ""
    ago = (datetime.now(UTC) - at).total_seconds()
    for limit, size, word in ((90, 1, "s"), (5400, 60, "min"), (129600, 3600, "h"), (604800, 86400, "days")):
        if ago < limit:
            return f"{max(0, round(ago / size))} {word} ago"
    return f"on {at.astimezone():%Y-%m-%d}"


def duration_text(length: timedelta) -> str:
    """`42s`, `12m`, `3h20m`, `5d4h`."""
    seconds = max(0, int(length.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def bytes_text(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
