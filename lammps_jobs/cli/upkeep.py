"""Commands that keep a store in order."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import click

from lammps_jobs.cli.base import cluster, commands, run_name, show
from lammps_jobs.cli.follow import bytes_text, when
from lammps_jobs.errors import Damaged, UsageError

UNITS = {"h": 1, "d": 24, "w": 24 * 7}


class Age(click.ParamType[timedelta]):
    """A number and a unit."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = str(value)
        if not text[:-1].isdecimal() or text[-1] not in UNITS or len(text) > 7:
            self.fail(f"{text!r} is no age: 12h, 30d and 8w are.", param, ctx)
        return timedelta(hours=int(text[:-1]) * UNITS[text[-1]])


class Size(click.ParamType[int]):
    """A number of bytes, with a decimal unit."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15})([kMGT]?)B", str(value))
        if not found:
            self.fail(f"{str(value)!r} is no size: 500MB, 50GB and 2TB are.", param, ctx)
        return int(found[1]) * int(1000 ** " kMGT".index(found[2] or " "))


@commands.section("Keep")
@commands.command()
@run_name
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Remove the run NAME, or the sweep NAME and its runs, with all that is stored of it, for good."""
    from lammps_jobs.api import housekeeping

    there = cluster()
    is_sweep = housekeeping.is_sweep_alone(there, name)
    if not yes:
        what = f"the sweep {name} with all its runs, their" if is_sweep else f"{name} with its"
        click.confirm(f"Remove {what} outputs and checkpoints?", abort=True, err=True)
    freed = (housekeeping.delete_sweep if is_sweep else housekeeping.delete)(there, name)
    show(f"{name} is removed ({bytes_text(freed)}).", name=name, freed=freed)


@commands.section("Keep")
@commands.command()
@click.option("--older-than", type=Age(), metavar="AGE", help="Ended so long ago: 12h, 30d, 8w.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="All but the newest N of those.")
@click.option("--total", type=Size(), metavar="SIZE", help="The oldest, until all runs take no more: 500MB, 2TB.")
@click.option(
    "--state", "states", multiple=True, default=("finished", "cancelled"), show_default=True,
    type=click.Choice(("finished", "cancelled", "failed", "interrupted", "lost")), help="And in one of these states.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say which, and what it would free.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(
    older_than: timedelta | None, keep: int | None, total: int | None, states: tuple[str, ...], dry_run: bool,
    yes: bool,
) -> None:  # fmt: skip
    """Remove runs that ended long ago, or are more than are to be kept. Runs that run, or that somebody resumed, stay.

    At least one of --older-than, --keep and --total says how many; together, what all of them allow to go. Inputs that
    runs of sweeps shared go with the last run that names them.
    """
    from lammps_jobs.api import housekeeping

    if older_than is None and keep is None and total is None:
        raise UsageError("Nothing says which runs may go.", remedy="Give --older-than, --keep or --total.")
    there = cluster()
    chosen = housekeeping.prunable(there, older_than or timedelta(0), states, keep=keep or 0, most_bytes=total)
    sizes = {one.name: one.total for one in housekeeping.usage(there, [one.name for one in chosen])} if chosen else {}
    lines = [f"{one.name}  {one.state}  {when(one.changed)}  {bytes_text(sizes[one.name])}" for one in chosen]
    freed = sum(sizes.values())
    if not dry_run:
        if chosen and not yes:
            click.echo("\n".join(lines), err=True)
            click.confirm(f"Remove these {len(chosen)} runs ({bytes_text(freed)})?", abort=True, err=True)
        freed = housekeeping.prune(there, [one.name for one in chosen])
    verb = "would be freed" if dry_run else "freed"
    text = "\n".join([*lines, f"{len(chosen)} runs, {bytes_text(freed)} {verb}"])
    show(text, runs=[one.name for one in chosen], freed=0 if dry_run else freed, would_free=freed)


@commands.section("Keep")
@commands.command()
@click.argument("names", nargs=-1)
def du(names: tuple[str, ...]) -> None:
    """Show what runs take in the store: outputs, inputs, checkpoints, the rest; all runs by default."""
    from lammps_jobs.api import housekeeping

    there = cluster()
    found = sorted(housekeeping.usage(there, names), key=lambda one: -one.total)
    rows: list[tuple[str, ...]] = [("run", "outputs", "inputs", "checkpoints", "rest", "total")]
    rows += [(one.name, *map(bytes_text, (one.outputs, one.inputs, one.checkpoints, one.rest, one.total)))
             for one in found]  # fmt: skip
    shared, unnamed = (0, 0) if names else housekeeping.shared_usage(there)
    if shared:
        rows.append(("(shared by sweeps)", "", bytes_text(shared), "", "", bytes_text(shared)))
    rows.append(("all", "", "", "", "", bytes_text(sum(one.total for one in found) + shared)))
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:{width}s}" + "".join(f"{cell:>12s}" for cell in row[1:]) for row in rows]
    if unnamed:
        lines.append(
            f"{bytes_text(unnamed)} of the shared inputs are of no run any more: `prune` removes them a day later"
        )
    show("\n".join(lines), runs=[{**dataclasses.asdict(one), "total": one.total} for one in found],
         shared_inputs=shared, shared_inputs_of_none=unnamed)  # fmt: skip


@commands.section("Keep")
@commands.command()
@run_name
@click.option("--collect", is_flag=True, help="Also remove what nothing names: left by uploads that crashed.")
def verify(name: str, collect: bool) -> None:
    """Read everything that is stored of the run NAME, and say what is damaged (exit code 8)."""
    from lammps_jobs.api import housekeeping

    run = cluster().run(name)
    found = housekeeping.verify(run)
    if found.faults:
        raise Damaged(
            f"{len(found.faults)} of {found.objects} objects are damaged or missing:", where="\n".join(found.faults),
            remedy="What is not named here is whole; download writes every other output.",
        )  # fmt: skip
    freed = housekeeping.collect(run) if collect else 0
    more = f" {bytes_text(freed)} that nothing names are removed." if collect else ""
    show(f"{name}: all {found.objects} objects are whole ({bytes_text(found.size)}).{more}", name=name,
         objects=found.objects, size=found.size, freed=freed)  # fmt: skip


@commands.section("Keep")
@commands.command()
@run_name
@click.argument("to")
def export(name: str, to: str) -> None:
    """Copy the run NAME, with its checkpoints, to the store TO: a folder, s3://bucket/prefix, or stack:STACK.

    With --stack, a bucket is opened with that stack's region and the credentials of the AWS configuration.

    From there it is resumed as from here: `lammps-jobs --store TO resume NAME`.
    """
    from lammps_jobs.api import housekeeping

    here = cluster()
    housekeeping.transfer(here.run(name), to, region=here._region)
    show(f"{name} is in {to}.", name=name, store=to)


@commands.section("Keep")
@commands.command(name="import")
@click.argument("name")
@click.argument("source")
def import_run(name: str, source: str) -> None:
    """Copy the run NAME from the store SOURCE, a folder, s3://bucket/prefix, or stack:STACK, to this one.

    With --stack, a bucket is opened with that stack's region and the credentials of the AWS configuration.
    """
    from lammps_jobs.api import housekeeping

    there = cluster()
    housekeeping.transfer(housekeeping.place(source, there._region).run(name), there)
    show(f"{name} is here.", name=name, store=there.store)
