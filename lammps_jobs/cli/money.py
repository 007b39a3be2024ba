"""What runs cost."""

from __future__ import annotations

import json
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.cli.base import cluster, commands, is_json
from lammps_jobs.cli.follow import duration_text
from lammps_jobs.errors import NoSuchRun

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.costs import Cost


@commands.section("Look")
@commands.command()
@click.argument("names", nargs=-1)
@click.option("--by", "kind", type=click.Choice(["run", "attempt", "sweep", "user", "pool", "month"]), default="run",
              show_default=True, help="What a row is.")  # fmt: skip
def costs(names: tuple[str, ...], kind: str) -> None:
    """Show the machine time of the runs or sweeps NAMES (or patterns: 'melt-*'), of all by default, and its price.

    Waste is what interruptions cost: work that was repeated after the last checkpoint, and set-ups. Prices are those of
    docs/costs.md; a file that LAMMPS_JOBS_PRICES names adds other machines, and Spot prices.
    """
    from lammps_jobs.api.costs import Cost, by
    from lammps_jobs.api.costs import costs as costs_of

    here = cluster()
    sweeps = {member.run: made.name for made in here.sweeps() for member in made.members}
    found = costs_of(here, _chosen(here, names, sweeps))
    if kind == "attempt":
        rows = [Cost(f"{cost.name} {one.number}", (one,)) for cost in found for one in cost.attempts]
    else:
        rows = by(kind, found, sweeps)
    rows.sort(key=lambda row: row.seconds, reverse=True)
    whole = Cost("all", tuple(one for row in rows for one in row.attempts))
    if is_json():
        click.echo(json.dumps({"rows": [_document(row) for row in rows], "all": _document(whole)}))
        return
    if not rows:
        click.echo("No attempts yet, so nothing was spent.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(kind, overflow="fold")
    for name in ("machine time", "attempts", "interrupted", "waste", *(("USD", "saved") if whole.has_price else ())):
        table.add_column(name, justify="right")
    for row in [*rows, *([whole] if len(rows) > 1 else [])]:
        table.add_row(*_row(row, with_price=whole.has_price), style="bold" if row is whole else "")
    Console().print(table)
    if not whole.has_price and here.pools():
        click.echo("Prices of some machines are not known: docs/costs.md says how to give them.", err=True)


def _chosen(here: Cluster, names: tuple[str, ...], sweeps: dict[str, str]) -> list[str]:
    """The runs that are meant: by name, by pattern, or by their sweep. Raises NoSuchRun for a name of none."""
    known = [state.name for state in here.listing()]
    if not names:
        return known
    for name in names:
        if not any(fnmatchcase(run, name) or sweeps.get(run) == name for run in known):
            raise NoSuchRun(
                f"No run or sweep named {name!r}.", remedy="`lammps-jobs list` and `lammps-jobs sweeps` show them."
            )
    return [run for run in known if any(fnmatchcase(run, name) or sweeps.get(run) == name for name in names)]


def _row(row: Cost, *, with_price: bool) -> tuple[str, ...]:
    share = f" ({100 * row.wasted_s / row.seconds:.0f}%)" if row.wasted_s >= 1 and row.seconds else ""
    waste = duration_text(timedelta(seconds=row.wasted_s)) + share if row.wasted_s >= 1 else ""
    made = (row.name, duration_text(timedelta(seconds=row.seconds)), str(len(row.attempts)),
            str(row.interruptions or ""), waste)  # fmt: skip
    if not with_price:
        return made
    return (*made, _money(row.usd), f"{row.saved_usd:.2f}" if row.saved_usd is not None else "")


def _money(usd: tuple[float, float] | None) -> str:
    if usd is None:
        return ""
    low, high = (f"{value:.2f}" for value in usd)
    return f"< {high}" if usd[0] == 0 < usd[1] else high if low == high else f"{low} to {high}"


def _document(row: Cost) -> dict[str, Any]:
    return {
        "name": row.name, "machine_s": round(row.seconds, 3), "attempts": len(row.attempts),
        "interruptions": row.interruptions, "wasted_s": round(row.wasted_s, 3), "usd": row.usd,
        "wasted_usd": row.wasted_usd, "saved_usd": row.saved_usd,
    }  # fmt: skip
