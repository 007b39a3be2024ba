"""The group of commands and what all of them share: the options before the command, the cluster, text or JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.errors import LammpsJobsError, exit_codes

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.status import RunStatus

EPILOG = "\b\nExit codes (docs/exit-codes.md)\n" + "\n".join(
    f"  {code:>3}  {text.split(':')[0].split(';')[0].rstrip('.')}" for code, _, text in exit_codes()
)


class Commands(click.Group):
    """A group of commands that prints an error of ours as text or JSON and exits with its code; --debug raises it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LammpsJobsError as error:
            if ctx.params.get("debug"):
                raise
            if ctx.params.get("as_json"):
                click.echo(json.dumps({"error": type(error).__name__, **vars(error), "exit_code": error.exit_code}))
            else:
                click.echo(f"lammps-jobs: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stack",
    metavar="NAME",
    envvar="LAMMPS_JOBS_STACK",
    default="local",
    show_default=True,
    help="Where runs run: this machine, or an AWS stack.",
)
@click.option("--pool", metavar="NAME", default="", help="Kind of machine; the stack's first by default.")
@click.option("--region", metavar="REGION", help="Where the stack is; as your AWS configuration says by default.")
@click.option("--store", metavar="URL", help="Where runs of this machine are recorded: a folder or s3://bucket/prefix.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="lammps-jobs")
@click.pass_context
def commands(ctx: click.Context, /, **options: Any) -> None:
    """Run unmodified LAMMPS scripts that survive interruption.

    \b
    lammps-jobs run in.melt --ranks 2       run a script and follow it
    lammps-jobs interrupt melt              stop it with a checkpoint ...
    lammps-jobs resume melt                 ... and go on, as if nothing had happened
    lammps-jobs report melt                 look at it
    lammps-jobs rehearse in.melt            is it safe on Spot? answered here, before paying
    lammps-jobs --stack prod run in.melt    the same on AWS
    """
    ctx.obj = ctx.params


def cluster() -> Cluster:
    from lammps_jobs.api.cluster import connect

    options = click.get_current_context().find_root().params
    return connect(options["stack"], store=options["store"], pool=options["pool"], region=options["region"])


def is_json() -> bool:
    return bool(click.get_current_context().find_root().params["as_json"])


def show(plain: str, **document: Any) -> None:
    click.echo(json.dumps(document, default=str) if is_json() else plain)


def state_document(state: RunStatus) -> dict[str, Any]:
    return {**dataclasses.asdict(state), "fidelity": state.fidelity.model_dump()}
