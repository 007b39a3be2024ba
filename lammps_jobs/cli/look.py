"""Commands that show runs and fetch what they made."""

from __future__ import annotations

import json
import os
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import cluster, commands, is_json, run_name, show, state_document
from lammps_jobs.cli.follow import COLOURS, bytes_text, follow, state_text, when
from lammps_jobs.errors import WrongState, exit_codes, printable

if TYPE_CHECKING:
    from lammps_jobs.api.status import RunStatus

LOG_S = 2.0
"""Seconds between two looks at a log that is followed: each reads all of it."""
STATES = ("waiting", "starting", "running", "interrupted", "lost", "failed", "cancelled", "finished", "unreadable")


@commands.command(name="list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in that state.")
@click.option("--name", "pattern", metavar="PATTERN", help="Only runs named like that: 'melt-*'.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N.")
def list_runs(states: tuple[str, ...], pattern: str | None, last: int | None) -> None:
    """List the runs in the store, the newest first."""
    found = [state for state in cluster().statuses() if not pattern or fnmatchcase(state.name, pattern)]
    found = [state for state in found if not states or state.state in states]
    found = sorted(found, key=lambda state: (state.changed is not None, state.changed, state.name), reverse=True)[:last]
    if is_json():
        click.echo(json.dumps([state_document(state) for state in found], default=str))
        return
    if not found:
        click.echo("No such runs." if states or pattern else "No runs yet: lammps-jobs run SCRIPT")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    table.add_column("state")
    for name in ("step", "", "attempt"):
        table.add_column(name, justify="right")
    for name in ("resumes", "changed"):
        table.add_column(name)
    for state in found:
        share = f"{100 * state.step // state.target}%" if state.target and state.state not in ("finished",) else ""
        grade = state.fidelity.grade if state.attempt > 1 else ""
        shown = f"[{COLOURS.get(state.state, 'default')}]{state.state}[/]"
        table.add_row(state.name, shown, f"{state.step:,}", share, str(state.attempt), grade, when(state.changed))
    Console().print(table)


@commands.command()
@run_name
def status(name: str) -> None:
    """Show the state of the run NAME."""
    state = cluster().run(name).status
    show(state_text(state), **state_document(state))


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
    read = run.raw_log if raw else run.logs
    if not follow_it or is_json():
        text = read()
        show(text, name=name, log=text)
        return
    printed, read_at = 0, 0.0

    def add(state: RunStatus) -> None:
        nonlocal printed, read_at
        if time.monotonic() - read_at < LOG_S and not state.is_ended:
            return
        text, read_at = read(), time.monotonic()
        click.echo(printable(text[printed:]), nl=False)
        printed = max(printed, len(text))

    add(run.wait(on_change=add, check=False))


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
