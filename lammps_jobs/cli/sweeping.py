"""Commands about many runs of one script."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.cli.base import cluster, commands, is_json, show, state_document
from lammps_jobs.cli.follow import COLOURS
from lammps_jobs.cli.look import A_SCREEN, STATES
from lammps_jobs.cli.options import (
    BUDGET,
    after_option,
    budget_s,
    input_option,
    resource_options,
    var_option,
    variables_of,
    wanted,
)
from lammps_jobs.errors import CANCELLED_BY_KEY, INTERRUPTED, NoSuchRun, UsageError, printable

if TYPE_CHECKING:
    from lammps_jobs.api.status import RunStatus
    from lammps_jobs.api.sweep import Sweep


@commands.section("Sweep")
@commands.command()
@click.argument("script", type=click.Path(path_type=Path))
@click.option("--over", multiple=True, metavar="NAME=VALUES", help="0.7:1.5:0.1, 1..8 or a,b,c; all combinations.")
@click.option("--table", type=click.Path(path_type=Path), metavar="CSV", help="Rows of variables instead, a run each.")
@click.option("--zip", "zipped", is_flag=True, help="Take the values of several --over side by side.")
@click.option("--name", help="Name of the sweep; the script's name by default.")
@var_option
@input_option
@resource_options
@after_option
@click.option("--follow/--no-follow", "follow_it", default=True, show_default=True, help="Follow it to its end.")
def sweep(
    script: Path, over: tuple[str, ...], table: Path | None, zipped: bool, name: str | None,
    variables: tuple[str, ...], inputs: tuple[str, ...], after: tuple[str, ...], follow_it: bool, **options: Any,
) -> None:  # fmt: skip
    """Run SCRIPT with many values of its variables: a run each, as many at once as there are cores.

    Further values under the same name join the sweep. On a stack all runs are in its queue at once, as array jobs of
    10,000 runs each; what fails is started again by `retry`. A --budget is for all runs together: each has an equal
    share, and `retry` shares out again what others left.
    """
    if bool(over) == (table is not None):
        raise UsageError("A sweep needs either --over or --table.", remedy="Write --over T=0.7:1.5:0.1")
    values: dict[str, str] | Path = _lists(over) if table is None else table
    budget = options.pop("budget")
    resources, checkpoints = wanted(**options)
    made = cluster().sweep(
        script, values, zipped=zipped, name=name, inputs=inputs,
        variables=variables_of(variables), resources=resources, checkpoints=checkpoints, after=after,
        budget_s=budget_s(budget) if budget else None,
    )  # fmt: skip
    if follow_it:
        _follow(made)
    else:
        show(f"{made.name}: {len(made)} runs are on their way: lammps-jobs watch-sweep {made.name}", name=made.name,
             runs=[member.run for member in made.members])  # fmt: skip


def _lists(over: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in over:
        name, equal, values = text.partition("=")
        if not equal or not name.isidentifier() or name in found:
            raise UsageError(f"--over {text} names no variable, or one twice.", remedy="Write --over T=1:2:0.1")
        found[name] = values
    return found


@commands.section("Sweep")
@commands.command()
def sweeps() -> None:
    """List the sweeps in the store."""
    found = {made.name: _counts(made.statuses()) for made in cluster().sweeps()}
    text = "\n".join(f"{name:24s}  {_words(counts)}" for name, counts in found.items())
    show(text or "No sweeps yet: lammps-jobs sweep SCRIPT --over T=0.7:1.5:0.1", sweeps=found)


@commands.section("Sweep")
@commands.command(name="sweep-status")
@click.argument("name")
@click.option("--state", "wanted_states", multiple=True, type=click.Choice(STATES), metavar="STATE",
              help="Only runs in that state: waiting, running, failed, ...")  # fmt: skip
@click.option(
    "--last", type=click.IntRange(1), default=A_SCREEN, show_default=True, metavar="N", help="N rows at most."
)
def sweep_status(name: str, wanted_states: tuple[str, ...], last: int) -> None:
    """Show the runs of the sweep NAME: variables, state, progress, and why one stopped."""
    made = cluster().find_sweep(name)
    states = made.statuses()
    variables = {member.run: member.variables for member in made.members}
    chosen = [state for state in states if not wanted_states or state.state in wanted_states]
    if is_json():
        click.echo(
            json.dumps([{**state_document(one), "variables": variables[one.name]} for one in chosen], default=str)
        )
        return
    from rich.console import Console
    from rich.table import Table

    names = list(made.members[0].variables)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in names:
        table.add_column(column, justify="right")
    for column, justify in (("state", "left"), ("step", "right"), ("", "right"), ("attempt", "right"), ("why", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in chosen[:last]:
        share = f"{100 * one.step // one.target}%" if one.target and one.state != "finished" else ""
        why = one.reason if one.state not in ("finished", "running") else ""
        values = [printable(variables[one.name].get(column, "")) for column in names]
        colour = COLOURS.get(one.state, "default")
        table.add_row(*values, f"[{colour}]{one.state}[/]", f"{one.step:,}", share, str(one.attempt), printable(why))
    click.echo(f"{name}: {_words(_counts(states))}")
    Console().print(table)
    if len(chosen) > last:
        click.echo(f"{len(chosen) - last:,} more: --last {len(chosen)}, or --state failed", err=True)


@commands.section("Sweep")
@commands.command(name="thermo")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="CSV", help="Write the table to a file.")
def thermo_table(name: str, out: Path | None) -> None:
    """Print the thermo rows of the run or of all runs of the sweep NAME, as one table in CSV."""
    here = cluster()
    try:
        table = here.find_sweep(name).thermo()
    except NoSuchRun:
        table = here.run(name).thermo()
    if out:
        table.to_csv(out, index=False)
        show(f"{out} written: {len(table):,} rows.", name=name, file=str(out), rows=len(table))
    elif is_json():
        click.echo(table.to_json(orient="records"))
    else:
        click.echo(table.to_csv(index=False), nl=False)


@commands.section("Sweep")
@commands.command(name="watch-sweep")
@click.argument("name")
def watch_sweep(name: str) -> None:
    """Follow the sweep NAME to its end; starts what waits for free cores."""
    _follow(cluster().find_sweep(name))


@commands.section("Sweep")
@commands.command()
@click.argument("name")
@click.option(
    "--budget", type=BUDGET, help="Another budget for all its runs together: machine time (20h), money (5usd)."
)
@click.option("--follow/--no-follow", "follow_it", default=True, show_default=True, help="Follow it to its end.")
def retry(name: str, budget: tuple[str, float] | None, follow_it: bool) -> None:
    """Resume what of the sweep NAME failed or stopped; finished runs stay as they are.

    What is left of the sweep's budget is shared out anew among those that go on.
    """
    made = cluster().find_sweep(name)
    again = made.retry(budget_s=budget_s(budget) if budget else None)
    if follow_it:
        _follow(made)
    else:
        show(f"{len(again)} runs go on.", name=name, runs=[run.name for run in again])


@commands.section("Sweep")
@commands.command(name="cancel-sweep")
@click.argument("name")
@click.option("--now", is_flag=True, help="At once, without last checkpoints.")
def cancel_sweep(name: str, now: bool) -> None:
    """End all runs of the sweep NAME that have not finished."""
    made = cluster().find_sweep(name)
    made.cancel(now=now)
    show(f"{name}: {_words(_counts(made.statuses()))}", name=name)


@commands.section("Sweep")
@commands.command()
@click.argument("name")
@click.option("--skip", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True,
              help="Share of the last stage's rows that is left out as equilibration.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="CSV", help="Write all columns to a file.")
def averages(name: str, skip: float, out: Path | None) -> None:
    """Print a row for each run of the sweep NAME: variables, and means of the thermo columns with their errors."""
    table = cluster().find_sweep(name).averages(skip=skip)
    if out:
        table.to_csv(out, index=False)
    if is_json():
        click.echo(table.to_json(orient="records"))
    else:
        click.echo(f"{out} written." if out else table.to_string(index=False))


MOST_NAMED = 10
"""Runs that did not finish which the end of a sweep names."""


# -- following -----------------------------------------------------------------------------------------


def _follow(made: Sweep) -> None:
    said: list[str] = []

    def say(states: Sequence[RunStatus]) -> None:
        line = f"{made.name}: {_words(_counts(states))}"
        if said[-1:] == [line] or is_json():
            return
        said.append(line)
        click.echo(f"\r{line:78s}" if sys.stderr.isatty() else line, err=True, nl=not sys.stderr.isatty())

    try:
        counts = made.wait(say, check=False)
    except KeyboardInterrupt:
        click.echo(f"\n{made.name} goes on in the background: lammps-jobs watch-sweep {made.name}", err=True)
        sys.exit(CANCELLED_BY_KEY)
    bad = [state for state in made.statuses() if state.state != "finished"]
    lines = [f"{made.name}: {_words(counts)}"]
    lines += [f"  {state.name}: {state.state}, step {state.step}. {state.reason}" for state in bad[:MOST_NAMED]]
    if len(bad) > MOST_NAMED:
        lines.append(f"  and {len(bad) - MOST_NAMED} more: lammps-jobs sweep-status {made.name} --state failed")
    lines.append(f"next: lammps-jobs retry {made.name}" if bad else f"next: lammps-jobs averages {made.name}")
    show("\n".join(lines), name=made.name, states=dict(counts), not_finished=[state.name for state in bad])
    failed = next((state.exit_code for state in bad if state.state == "failed"), 0)
    click.get_current_context().exit(failed or (INTERRUPTED if bad else 0))


def _counts(states: Sequence[RunStatus]) -> dict[str, int]:
    return dict(Counter(state.state for state in states))


def _words(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    order = ("finished", "running", "starting", "waiting", "interrupted", "lost", "failed", "cancelled")
    return f"{whole} runs, " + ", ".join(f"{counts[state]} {state}" for state in order if counts.get(state))
