"""Commands that make runs run and stop."""

from __future__ import annotations

from typing import Any

import click

from lammps_jobs.cli.base import cluster, commands, show, state_document
from lammps_jobs.cli.follow import follow, state_text
from lammps_jobs.cli.options import submission_options, submit_run


@commands.command()
@submission_options
def run(**options: Any) -> None:
    """Submit SCRIPT and follow it to its end.

    The run continues in the background when you press Ctrl-C; `watch` follows it again.
    """
    follow(submit_run(**options))


@commands.command()
@submission_options
def submit(**options: Any) -> None:
    """Submit SCRIPT and return at once. Submitting the same again finds the run there is."""
    submitted = submit_run(**options)
    show(f"{submitted.name} is on its way: lammps-jobs watch {submitted.name}", name=submitted.name)


@commands.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the checkpoint is committed.")
def interrupt(name: str, wait: bool) -> None:
    """Stop the run NAME with a checkpoint; `resume` continues it."""
    run = cluster().run(name)
    run.interrupt()
    state = run.wait(timeout_s=run.spec.checkpoints.grace_s + 30) if wait else run.status
    show(state_text(state), **state_document(state))


@commands.command()
@click.argument("name")
@click.option("--follow/--no-follow", "follow_it", default=True, show_default=True, help="Follow it afterwards.")
def resume(name: str, follow_it: bool) -> None:
    """Continue the run NAME from its newest good checkpoint."""
    run = cluster().run(name)
    run.resume()
    if follow_it:
        follow(run)
    else:
        show(f"{name} continues.", name=name)


@commands.command()
@click.argument("name")
@click.option("--now", is_flag=True, help="At once, without a last checkpoint.")
def cancel(name: str, now: bool) -> None:
    """End the run NAME for good; its outputs so far stay."""
    cluster().run(name).cancel(now=now)
    show(f"{name} is cancelled; its outputs so far: lammps-jobs download {name} FOLDER", name=name)
