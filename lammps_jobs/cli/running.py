"""Commands that make runs run and stop."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.cli.base import cluster, commands, complete_runs, run_name, show, state_document
from lammps_jobs.cli.follow import follow, state_text, when
from lammps_jobs.cli.options import BUDGET, INTERVAL, budget_s, submission_options, submit_run, var_option, variables_of
from lammps_jobs.errors import NoSuchRun

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run


@commands.section("Run")
@commands.command()
@submission_options
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write its outputs there at its end.")
def run(out: Path | None, **options: Any) -> None:
    """Submit SCRIPT and follow it to its end.

    The run continues in the background when you press Ctrl-C; `watch` follows it again.
    """
    submitted = submit_run(**options)
    if not submitted.is_new:
        click.echo(_as_it_is(submitted), err=True)
    follow(submitted, out)


@commands.section("Run")
@commands.command()
@submission_options
def submit(**options: Any) -> None:
    """Submit SCRIPT and return at once. Submitting the same again finds the run there is."""
    submitted = submit_run(**options)
    after = f", after {', '.join(options['after'])}" if options["after"] else ""
    new = f"{submitted.name} is on its way{after}: lammps-jobs watch {submitted.name}"
    show(new if submitted.is_new else _as_it_is(submitted), name=submitted.name, is_new=submitted.is_new)


def _as_it_is(run: Run) -> str:
    """That the same run was there before, in words."""
    state = run.status
    how = f"finished {when(state.changed)}" if state.state == "finished" else f"is {state.state}"
    return f"{run.name} was submitted before and {how}; nothing is run anew (another --name does, or --replace)."


@commands.section("Run")
@commands.command()
@run_name
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the checkpoint is committed.")
def interrupt(name: str, wait: bool) -> None:
    """Stop the run NAME with a checkpoint; `resume` continues it."""
    run = cluster().run(name)
    run.interrupt()
    state = run.wait(timeout_s=run.spec.checkpoints.grace_s + 30, check=False) if wait else run.status
    show(state_text(state), **state_document(state))


@commands.section("Run")
@commands.command()
@run_name
@click.option("--ranks", type=click.IntRange(1), help="Another number of MPI ranks: then it is faithful at best.")
@click.option("--threads", type=click.IntRange(1), help="Another number of OpenMP threads.")
@click.option("--every", type=INTERVAL, help="Another time between two checkpoints, or a range.")
@click.option("--budget", type=BUDGET, help="Another budget for all its attempts: machine time (20h) or money (5usd).")
@click.option("--keep", type=click.IntRange(1), help="Another number of checkpoints to keep.")
@click.option("--follow/--no-follow", "follow_it", default=True, show_default=True, help="Follow it afterwards.")
def resume(
    name: str, ranks: int | None, threads: int | None, every: tuple[float | None, float] | None, keep: int | None,
    budget: tuple[str, float] | None, follow_it: bool,
) -> None:  # fmt: skip
    """Continue the run NAME from its newest good checkpoint; on a stack in another pool, with --pool."""
    run = cluster().run(name)
    spec = run.spec
    more = budget_s(budget) if budget else None
    pairs: tuple[tuple[str, Any], ...] = (("ranks", ranks), ("threads", threads), ("budget_s", more))
    asked = {key: value for key, value in pairs if value is not None}
    least_s, every_s = every or (None, None)
    often: dict[str, Any] = {key: value for key, value in (("every_s", every_s), ("keep", keep)) if value is not None}
    often |= {"least_s": least_s} if every else {}
    run.resume(
        resources=spec.resources.model_copy(update=asked) if asked else None,
        checkpoints=spec.checkpoints.model_copy(update=often) if often else None,
    )
    if follow_it:
        follow(run)
    else:
        show(f"{name} continues.", name=name)


@commands.section("Run")
@commands.command()
@run_name
@click.option("--steps", type=click.IntRange(1), help="Go on for so many timesteps.")
@click.option("--script", type=click.Path(path_type=Path), help="Go on with this script instead.")
@var_option
@click.option("--checkpoint", type=int, metavar="N", help="Begin from that checkpoint; the newest by default.")
@click.option("--name", "new_name", metavar="NEW", help="Name of the new run; NAME with a number by default.")
@click.option("--follow/--no-follow", "follow_it", default=True, show_default=True, help="Follow it afterwards.")
def extend(
    name: str, steps: int | None, script: Path | None, variables: tuple[str, ...], checkpoint: int | None,
    new_name: str | None, follow_it: bool,
) -> None:  # fmt: skip
    """Go on where the finished run NAME ended, exactly, as a new run: for more steps, or with another script."""
    run = cluster().extend(
        name, steps=steps, script=script, variables=variables_of(variables), checkpoint=checkpoint, name=new_name
    )
    if follow_it:
        follow(run)
    else:
        show(f"{run.name} is on its way: lammps-jobs watch {run.name}", name=run.name, is_new=run.is_new)


@commands.section("Run")
@commands.command()
@run_name
@click.argument("new")
def rename(name: str, new: str) -> None:
    """Give the run NAME, which does not run, the name NEW."""
    cluster().rename(name, new)
    show(f"{name} is now {new}.", name=new, was=name)


@commands.section("Keep")
@commands.command()
@run_name
@click.argument("tags", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take them off instead.")
def tag(name: str, tags: tuple[str, ...], remove: bool) -> None:
    """Give the run NAME tags, words to find it by: `list --tag TAG`. They change nothing of the run."""
    run = cluster().run(name)
    (run.untag if remove else run.tag)(*tags)
    now = run.tags
    show(f"{name}: {' '.join(now) or 'no tags'}", name=name, tags=now)


@commands.section("Keep")
@commands.command()
@run_name
@click.argument("text", required=False)
def note(name: str, text: str | None) -> None:
    """Show the note of the run NAME, or write TEXT ('' for none); `status` and the report show it, too."""
    run = cluster().run(name)
    if text is not None:
        run.note = text
    now = run.note
    show(now or "No note.", name=name, note=now)


@commands.section("Run")
@commands.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_runs)
@click.option("--now", is_flag=True, help="At once, without a last checkpoint.")
def cancel(names: tuple[str, ...], now: bool) -> None:
    """End the runs NAMES (or patterns: 'melt-*'); their outputs so far stay, and `resume` would continue them."""
    here = cluster()
    for name in _all_named(names):
        run = here.run(name)
        was = run.status.state
        if was == "finished" and name not in names:  # a pattern means what goes on
            continue
        run.cancel(now=now)
        text = f"{name} was cancelled before." if was == "cancelled" else f"{name} is cancelled."
        show(f"{text} Its outputs so far: lammps-jobs download {name}", name=name, was=was)


def _all_named(names: tuple[str, ...]) -> list[str]:
    """Names, and those of the runs that patterns fit. Raises NoSuchRun for a pattern that fits none."""
    found: dict[str, None] = {}
    known = [run.name for run in cluster().runs()] if any(set("*?[") & set(name) for name in names) else []
    for name in names:
        fitting = [run for run in known if fnmatchcase(run, name)] if set("*?[") & set(name) else [name]
        if not fitting:
            raise NoSuchRun(f"No run is named like {name!r}.", remedy="`lammps-jobs list` shows the runs there are.")
        found |= dict.fromkeys(fitting)
    return list(found)
