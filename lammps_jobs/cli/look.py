"""Commands that show runs and fetch what they made."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import cluster, commands, is_json, run_name, show, state_document
from lammps_jobs.cli.follow import COLOURS, bytes_text, duration_text, follow, state_text, when
from lammps_jobs.errors import WrongState, exit_codes, printable

if TYPE_CHECKING:
    from lammps_jobs.api.status import RunStatus

A_SCREEN = 100
"""Runs that a list shows unasked."""
LOG_S = 2.0
"""Seconds between two looks at a log that is followed."""
STATES = ("waiting", "starting", "running", "interrupted", "lost", "failed", "cancelled", "finished", "unreadable")


@commands.command(name="list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in that state.")
@click.option("--name", "pattern", default="", metavar="PATTERN", help="Only runs named like that: 'melt-*'.")
@click.option("--tag", default="", metavar="TAG", help="Only runs with that tag.")
@click.option(
    "--last", type=click.IntRange(1), default=A_SCREEN, show_default=True, metavar="N", help="Only the newest N."
)
@click.option("--all", "all_of_them", is_flag=True, help="All of them.")
@click.option("--anew", is_flag=True, help="First read all records, and write the list's index anew.")
def list_runs(
    states: tuple[str, ...], pattern: str, tag: str, last: int, all_of_them: bool, anew: bool
) -> None:  # fmt: skip
    """List the runs in the store, those submitted last first: their state, age, duration and progress."""
    there = cluster()
    if anew:
        there.reindex()
    more = None if all_of_them else last + 1
    found = there.listing(states=states, pattern=pattern, tag=tag, most=more)
    is_cut, found = more is not None and len(found) == more, found if all_of_them else found[:last]
    if is_json():
        tags = there.tags()
        rows = [{**state_document(state), "tags": tags.get(state.name, ())} for state in found]
        click.echo(json.dumps(rows, default=str))
        return
    if not found:
        click.echo("No such runs." if states or pattern or tag else "No runs yet: lammps-jobs run SCRIPT")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    table.add_column("state")
    for name in ("step", "", "attempt"):
        table.add_column(name, justify="right")
    table.add_column("resumes")
    for name in ("age", "duration"):
        table.add_column(name, justify="right")
    table.add_column("changed")
    tags = there.tags()
    if has_tags := any(state.name in tags for state in found):
        table.add_column("tags", style="dim", overflow="fold")
    for state in found:
        table.add_row(*_row_of(state), *[" ".join(tags.get(state.name, ()))] * has_tags)
    Console().print(table)
    if is_cut:
        click.echo(f"These are the newest {last}; --all lists all.", err=True)


def _row_of(state: RunStatus) -> tuple[str, ...]:
    share = f"{100 * state.step // state.target}%" if state.target and state.state not in ("finished",) else ""
    grade = state.fidelity.grade if state.attempt > 1 else ""
    shown = f"[{COLOURS.get(state.state, 'default')}]{state.state}[/]"
    now = datetime.now(UTC)
    age = duration_text(now - state.submitted) if state.submitted else ""
    until = state.changed if state.is_ended and state.changed else now
    duration = duration_text(until - state.began) if state.began else ""
    return (
        state.name, shown, f"{state.step:,}", share, str(state.attempt), grade, age, duration, when(state.changed),
    )  # fmt: skip


@commands.command()
@run_name
def status(name: str) -> None:
    """Show the state of the run NAME."""
    run = cluster().run(name)
    state, tags, note = run.status, run.tags, run.note
    words = [f"tags: {' '.join(tags)}"] * bool(tags) + [f"note: {note}"] * bool(note)
    show("\n".join([state_text(state), *words]), **state_document(state), tags=tags, note=note)


@commands.command()
@run_name
def watch(name: str) -> None:
    """Follow the run NAME to its end."""
    follow(cluster().run(name))


@commands.command()
@run_name
@click.option("-f", "--follow", "follow_it", is_flag=True, help="Print what is added, until the run stops.")
@click.option("--raw", is_flag=True, help="What LAMMPS printed in the newest attempt, cuts and all.")
def logs(name: str, follow_it: bool, raw: bool) -> None:
    """Print the log of the run NAME, stitched over its attempts."""
    run = cluster().run(name)
    if not follow_it or is_json():
        text = run.raw_log() if raw else run.logs()
        show(text, name=name, log=text)
        return
    more = _added_to(run.raw_log) if raw else run.follow_log()
    read_at = 0.0

    def add(state: RunStatus) -> None:
        nonlocal read_at
        if time.monotonic() - read_at < LOG_S and not state.is_ended:
            return
        text, read_at = more(), time.monotonic()
        click.echo(printable(text), nl=False)

    add(run.wait(on_change=add, check=False))


def _added_to(read: Callable[[], str]) -> Callable[[], str]:
    """What was added to a text since it was read last."""
    printed = 0

    def more() -> str:
        nonlocal printed
        text = read()
        added, printed = text[printed:], max(printed, len(text))
        return added

    return more


@commands.command()
@run_name
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace files there that are not the same.")
@click.option("--only", "patterns", multiple=True, metavar="PATTERN", help="Only files named like that: '*.dat'.")
def download(name: str, folder: Path | None, overwrite: bool, patterns: tuple[str, ...]) -> None:
    """Write the outputs of the run NAME to FOLDER (NAME by default), joined over its attempts.

    Of a run that failed or was cancelled, what it had written by then.
    """
    run = cluster().run(name)
    files = run.download(folder or Path(name), overwrite=overwrite, only=patterns)
    state = run.status
    document = {"name": name, "state": state.state, "step": state.step, "files": [str(file) for file in files]}
    if not files and state.is_ended:
        raise WrongState(
            f"{name} has {'no such outputs' if patterns else 'no outputs'}.", where=f"{state.state}, step {state.step}",
            remedy=f"lammps-jobs logs {name}",
        )  # fmt: skip
    lines = [str(file) for file in files] or ["No outputs yet."]
    if state.state != "finished" and files:
        upto = (
            f"up to step {state.step}, where it {ENDED_BY[state.state]}" if state.is_ended else "up to its checkpoint"
        )
        lines.append(f"These reach {upto}.")
    show("\n".join(lines), **document)


ENDED_BY = {"failed": "failed", "cancelled": "was cancelled", "lost": "lost its machine", "interrupted": "stopped"}


@commands.command()
@run_name
def files(name: str) -> None:
    """List the outputs of the run NAME, with their sizes."""
    found = cluster().run(name).outputs()
    width = max(map(len, found), default=0)
    text = "\n".join(f"{path:{width}s}  {bytes_text(output.size):>9s}" for path, output in found.items())
    show(text or "No outputs yet.", name=name, files={path: output.size for path, output in found.items()})


@commands.command()
@run_name
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; NAME.html by default.")
def report(name: str, out: Path | None) -> None:
    """Write a page about the run NAME: plots, timeline, how each resume went."""
    from lammps_jobs.report.page import write

    path = write(cluster().run(name), out or Path(f"{name}.html"))
    show(f"Open {path.resolve()}", name=name, file=str(path.resolve()))


@commands.command()
@run_name
@click.option("--print", "only_print", is_flag=True, help="Print the command instead of running it.")
def shell(name: str, only_print: bool) -> None:
    """Open a shell where the run NAME is running: its folder on this machine, or its machine on a stack.

    On a stack it goes the way that the stack's config `access.kind` allows.
    """
    import shlex
    import shutil

    from lammps_jobs.backends.aws_batch.shell import PROGRAMS
    from lammps_jobs.errors import NotInstalled

    command = cluster().run(name).shell()
    if only_print or is_json():
        show(shlex.join(command), name=name, command=command)
        return
    if not shutil.which(command[0]):
        raise NotInstalled(
            f"{command[0]} is not on this machine.", where=shlex.join(command), remedy=PROGRAMS.get(command[0], "")
        )
    os.execvp(command[0], command)


@commands.section("Check")
@commands.command(name="exit-codes")
def list_exit_codes() -> None:
    """List all exit codes, and what they mean."""
    rows = exit_codes()
    show("\n".join(f"{code:>3}  {text}" for code, _, text in rows), codes={code: text for code, _, text in rows})


@commands.section("Check")
@commands.command()
@click.argument("shell_name", metavar="SHELL", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell_name: str) -> None:
    """Print what makes the shell complete commands, options and the names of runs.

    \b
    bash: echo 'eval "$(lammps-jobs completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(lammps-jobs completion zsh)"' >> ~/.zshrc
    fish: lammps-jobs completion fish > ~/.config/fish/completions/lammps-jobs.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell_name)
    if made is None:
        raise click.UsageError(f"There is no completion for {shell_name}.")
    source = made(commands, {}, "lammps-jobs", "_LAMMPS_JOBS_COMPLETE").source()
    show(source, shell=shell_name, source=source)
