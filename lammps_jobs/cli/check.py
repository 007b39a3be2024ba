"""Commands that answer before one pays: can runs run here, is a script safe."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lammps_jobs.cli.base import commands, is_json, show
from lammps_jobs.cli.options import DURATION, input_option, var_option, variables_of
from lammps_jobs.errors import DIFFERENT, REFUSED, UNTESTED, UNWELL, LammpsJobsError

if TYPE_CHECKING:
    from lammps_jobs.doctor import Finding


@commands.section("Check")
@commands.command()
@click.argument("of", metavar="[STACK]", default="")
@click.option(
    "--checklist", is_flag=True, help="Also what is to be so before work depends on STACK; for who deploys it."
)
def doctor(of: str, checklist: bool) -> None:
    """Check whether runs can run here - or on STACK - and say what to do where not."""
    from lammps_jobs import doctor as checks
    from lammps_jobs.backends.local import default_store

    options = click.get_current_context().find_root().params
    stack = of or ("" if options["stack"] == "local" else options["stack"])
    if checklist and not stack:
        raise click.UsageError("--checklist is of a stack: lammps-jobs doctor STACK --checklist")
    checking = checks.stack(stack, options["region"]) if stack else checks.machine(options["store"] or default_store())
    if checklist:
        checking = itertools.chain(checking, checks.production(stack, options["region"]))
    findings = []
    for finding in checking:
        findings.append(finding)
        if not is_json():
            click.echo(_finding_text(finding))
    if is_json():
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    click.get_current_context().exit(0 if all(finding.is_well for finding in findings) else UNWELL)


def _finding_text(finding: Finding) -> str:
    mark = click.style("ok  ", fg="green") if finding.is_well else click.style("FAIL", fg="red", bold=True)
    remedy = f"\n       {finding.remedy}" if finding.remedy else ""
    return f"{mark} {finding.check:28s} {' '.join(filter(None, (finding.what, finding.where)))}{remedy}"


@commands.section("Check")
@commands.command()
@click.argument("script", type=click.Path(path_type=Path))
@var_option
@input_option
@click.option("--ranks", type=click.IntRange(1), default=1, show_default=True, help="MPI ranks.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="OpenMP threads per rank (-sf omp).")  # fmt: skip
@click.option("--lammps", "switches", multiple=True, hidden=True)
@click.option("--at", multiple=True, type=click.FloatRange(0, 1, min_open=True), metavar="FRACTION",
              help="Cut near these fractions of every run, 1: before the next.  [default: 0.25 0.6 1]")  # fmt: skip
@click.option("--cuts", default=5, show_default=True, type=click.IntRange(1),
              help="How many cuts are drawn; more where there are more stages.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), help="Cap the steps of every run, for a quick answer.")
@click.option("--limit", type=DURATION, help="Time for each side: 90, 10m.")
@click.option("--kill", is_flag=True, help="Take the machine away without notice, too, after every resume.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep the outputs of all sides: DIR/bare, checkpointed, lost, ...")  # fmt: skip
@click.option("--report", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write an HTML page, too.")
def rehearse(
    script: Path, variables: tuple[str, ...], inputs: tuple[str, ...], ranks: int, threads: int,
    switches: tuple[str, ...], at: tuple[float, ...], cuts: int,
    steps: int | None, limit: float | None, kill: bool, keep: Path | None, page: Path | None,
) -> None:  # fmt: skip
    """Find out here whether SCRIPT is safe on machines that may vanish, before paying.

    Runs it plainly, with checkpoints, and twice cut and lost; where it need not equal those, also cut and kept.
    Compares every output. LAMMPS's switches -sf, -pk and -k, as for lmp, go to all of them.
    """
    from lammps_jobs.record.documents import Resources
    from lammps_jobs.rehearsal import rehearse, render
    from lammps_jobs.report.page import write

    try:
        answer = rehearse.rehearse(
            script, variables=variables_of(variables), inputs=inputs,
            resources=Resources(ranks=ranks, threads=threads, switches=switches),
            at=at or rehearse.AT, cuts=cuts, steps=steps, limit_s=limit, kill=kill, keep=keep,
            on_side=lambda side: click.echo(f"  {side} ...", err=True),
            on_end=(lambda run, answer: write(run, page, answer)) if page else None,
        )  # fmt: skip
    except TimeoutError as error:
        raise LammpsJobsError(
            str(error), remedy="Give it more time with --limit, or less to do with --steps."
        ) from None
    show(render.text(answer), **dataclasses.asdict(answer))
    bad = {"refused": REFUSED, "different": DIFFERENT, "untested": UNTESTED}
    is_known = not (answer.is_capped and answer.not_inside)
    click.get_current_context().exit(bad.get(answer.verdict, 0 if is_known else UNTESTED))
