"""Commands that show runs and fetch what they made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import cluster, commands, is_json, show, state_document
from lammps_jobs.cli.follow import follow, state_text

if TYPE_CHECKING:
    from lammps_jobs.api.status import RunStatus


@commands.command(name="list")
def list_runs() -> None:
    """List all runs in the store."""
    states = cluster().statuses()
    if is_json():
        click.echo(json.dumps([state_document(state) for state in states]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "state", "attempt", "step", "checkpoint at", "resumes")
    for state in states:
        at = "" if state.checkpoint_step is None else str(state.checkpoint_step)
        grade = state.fidelity.grade if state.attempt > 1 else ""
        table.add_row(state.name, state.state, str(state.attempt), str(state.step), at, grade)
    Console().print(table if states else "No runs yet: lammps-jobs run SCRIPT")


@commands.command()
@click.argument("name")
def status(name: str) -> None:
    """Show the state of the run NAME."""
    state = cluster().run(name).status
    show(state_text(state), **state_document(state))


@commands.command()
@click.argument("name")
def watch(name: str) -> None:
    """Follow the run NAME to its end."""
    follow(cluster().run(name))


@commands.command()
@click.argument("name")
@click.option("-f", "--follow", "follow_it", is_flag=True, help="Print what is added, until the run stops.")
@click.option("--raw", is_flag=True, help="What LAMMPS printed in the newest attempt, cuts and all.")
def logs(name: str, follow_it: bool, raw: bool) -> None:
    """Print the log of the run NAME, stitched over its attempts."""
    run = cluster().run(name)
    if not follow_it or is_json():
        text = run.raw_log() if raw else run.logs()
        show(text, name=name, log=text)
        return
    printed = 0

    def add(_: RunStatus) -> None:
        nonlocal printed
        text = run.logs()
        click.echo(text[printed:], nl=False)
        printed = max(printed, len(text))

    add(run.wait(on_change=add))


@commands.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def download(name: str, folder: Path) -> None:
    """Write the outputs of the run NAME to FOLDER, joined over its attempts."""
    files = cluster().run(name).download(folder)
    show("\n".join(map(str, files)) or "No outputs yet.", name=name, files=[str(file) for file in files])


@commands.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; NAME.html by default.")
def report(name: str, out: Path | None) -> None:
    """Write a page about the run NAME: plots, timeline, how each resume went."""
    from lammps_jobs.report.page import write

    path = write(cluster().run(name), out or Path(f"{name}.html"))
    show(f"Open {path.resolve()}", name=name, file=str(path.resolve()))


@commands.command()
@click.argument("name")
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
