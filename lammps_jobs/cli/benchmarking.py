"""The command that measures how fast a script goes."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.cli.base import commands, is_json
from lammps_jobs.cli.options import DURATION, input_option, var_option, variables_of
from lammps_jobs.errors import UsageError, printable

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.rehearsal.speed import Candidate, Measured


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Some whole numbers: 1,2,4."""

    name = "numbers"

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isdigit() and int(word) for word in words):
            self.fail(f"{value!r} is no list of numbers; write 1,2,4.", parameter, ctx)
        return tuple(map(int, words))


@commands.section("Check")
@commands.command()
@click.argument("script", type=click.Path(path_type=Path))
@var_option
@input_option
@click.option("--ranks", type=Numbers(), default=(1,), show_default="1", metavar="N,N", help="Numbers of MPI ranks.")
@click.option("--threads", type=Numbers(), default=(1,), show_default="1", metavar="N,N", help="OpenMP threads a rank.")
@click.option(
    "--switches", multiple=True, metavar="WORDS", help="LAMMPS's switches, as one word: '-sf opt'; each is tried."
)
@click.option("--pools", default="", metavar="A,B", help="Pools of the stack; the chosen one by default.")
@click.option("--steps", type=click.IntRange(10), default=300, show_default=True, help="Steps of every run, at most.")
@click.option("--for-steps", "for_steps", type=click.IntRange(1), help="Also estimate time and cost of so many steps.")
@click.option("--limit", type=DURATION, help="Time for each candidate: 90, 10m.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write an HTML page with a plot, too.")
def benchmark(
    script: Path, variables: tuple[str, ...], inputs: tuple[str, ...], ranks: tuple[int, ...], threads: tuple[int, ...],
    switches: tuple[str, ...], pools: str, steps: int, for_steps: int | None, limit: float | None, out: Path | None,
) -> None:  # fmt: skip
    """Measure how fast SCRIPT goes with each number of ranks and threads, each set of switches, in each pool.

    A few hundred steps each, by LAMMPS's own loop time; on a stack with what a million steps and a nanosecond cost.
    Recommends one. On this machine nothing else should run meanwhile.
    """
    from lammps_jobs.rehearsal.speed import candidates, measure, recommended

    options = click.get_current_context().find_root().params
    stack = "" if options["stack"] == "local" else options["stack"]
    if pools and not stack:
        raise UsageError("Pools are kinds of machines of a stack.", remedy="Name it, too: --stack NAME")
    named = [pool.strip() for pool in pools.split(",") if pool.strip()] or [options["pool"] or ""]
    words = [tuple(shlex.split(text)) for text in switches]
    found = measure(
        script, candidates(ranks, threads, words, named if stack else []), variables=variables_of(variables),
        inputs=inputs, steps=steps, limit_s=limit, cluster_of=(lambda pool: _opened(stack, pool)) if stack else None,
        on_each=lambda one: None if is_json() else click.echo(f"  {_line(one)}", err=True),
    )  # fmt: skip
    best, why = recommended(found)
    estimated = _estimate(best, for_steps) if for_steps else {}
    if out:
        from lammps_jobs.report.benchmark import write

        write(script.name, found, best, why, out)
    if is_json():
        rows = [_document(one) for one in found]
        click.echo(json.dumps({"rows": rows, "recommended": _document(best), "why": why, "estimate": estimated}))
        return
    click.echo(_table(found, best))
    click.echo(f"Take {printable(str(best.candidate))}: {why}.")
    click.echo(f"next: lammps-jobs run {script} {_options(best.candidate)}".rstrip())
    if for_steps:
        click.echo(_estimate_text(for_steps, estimated))
    if out:
        click.echo(f"Open {out.resolve()}")


def _opened(stack: str, pool: str) -> Cluster:
    from lammps_jobs.api.cluster import connect

    return connect(stack, pool=pool, region=click.get_current_context().find_root().params["region"])


def _line(one: Measured) -> str:
    speed = f"{_number(one.steps_per_s)} steps/s" if one.steps_per_s else f"failed: {one.failed}"
    return printable(f"{one.candidate}: {speed}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


WIDEST = 24
"""Characters of the longest bar, so that a row fits 80 columns."""


def _table(found: list[Measured], best: Measured) -> str:
    fastest = max(one.steps_per_s for one in found)
    width = min(28, max(len(str(one.candidate)) for one in found))
    lines = []
    for one in found:
        bar = "#" * max(1, round(WIDEST * one.steps_per_s / fastest)) if one.steps_per_s else "failed"
        speed = f"{_number(one.steps_per_s):>9s}/s" if one.steps_per_s else ""
        usd = "" if one.usd_per_million is None else f"  {one.usd_per_million:.3g} USD/M"
        mark = "*" if one is best else " "
        lines.append(f"{mark} {str(one.candidate)[:width]:{width}s} {bar:{WIDEST}s} {speed}{usd}".rstrip())
    return printable("\n".join(lines))


def _options(candidate: Candidate) -> str:
    words = [f"--ranks {candidate.ranks}", f"--threads {candidate.threads}" if candidate.threads > 1 else "",
             " ".join(candidate.switches), f"--pool {candidate.pool}" if candidate.pool else ""]  # fmt: skip
    return " ".join(filter(None, words))


def _estimate(best: Measured, for_steps: int) -> dict[str, float | None]:
    from lammps_jobs.api.costs import estimate

    return estimate(for_steps / best.steps_per_s, best.price, every_s=600.0, set_up_s=60.0)


def _estimate_text(for_steps: int, found: dict[str, float | None]) -> str:
    from lammps_jobs.errors import machine_time

    least, most = machine_time(found["least_s"] or 0.0), machine_time(found["most_s"] or 0.0)
    usd = ""
    if found["most_usd"] is not None:
        low = f"{found['least_usd']:.2f} to " if found["least_usd"] else "at most "
        usd = f", {low}{found['most_usd']:.2f} USD"
    return f"{for_steps:,} steps: {least} of machine time, {most} with ten interruptions a day{usd}."


def _document(one: Measured) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "usd_per_million": one.usd_per_million, "usd_per_ns": one.usd_per_ns}
