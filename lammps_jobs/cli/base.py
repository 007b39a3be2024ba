"""The group of commands and what all of them share: options that work anywhere, errors as one line, text or JSON."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lammps_jobs.cli.lammps_switches import translated
from lammps_jobs.errors import CANCELLED_BY_KEY, LammpsJobsError, StoreError, UsageError, WrongState, printable

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.status import RunStatus

EPILOG = """Exit codes: 0 done, 3 LAMMPS rejected the script, 75 interrupted (resume it), 130 Ctrl-C;
all of them: lammps-jobs exit-codes. The options above work after a command, too."""

SECTIONS = ("Run", "Look", "Sweep", "Check", "Keep")
LONGEST_HELP = 110
SHARED = "shared_"


def _note(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """An option of the group that stands after the command counts as if it stood before."""
    if value not in (None, False):
        ctx.find_root().params[(option.name or "").removeprefix(SHARED)] = value


def _shared() -> list[click.Option]:
    """The group's options, as they are taken after a command."""
    return [
        click.Option(
            [f"--{name}", SHARED + name], hidden=True, expose_value=False, callback=_note, is_eager=True, metavar="TEXT"
        )
        for name in ("stack", "pool", "region", "store")
    ] + [
        click.Option(names, is_flag=True, hidden=True, expose_value=False, callback=_note, is_eager=True)
        for names in (["--json", f"{SHARED}as_json"], ["--debug", f"{SHARED}debug"])
    ]


class Command(click.Command):
    """A command that takes the group's options, too, and LAMMPS's own switches where it takes a script."""

    section = "Look"

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params = [*self.params, *_shared()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(parameter.name == "script" for parameter in self.params):
            args = translated(args)
        return super().parse_args(ctx, args)


class Commands(click.Group):
    """Commands in sections. An error is one text, or JSON, and the exit code; `--debug` raises it."""

    command_class = Command

    def section(self, name: str) -> Callable[[click.Command], click.Command]:
        """Put a command under that heading of the help."""

        def put(command: click.Command) -> click.Command:
            if isinstance(command, Command):
                command.section = name
            return command

        return put

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in SECTIONS:
            rows = [
                (name, command.get_short_help_str(LONGEST_HELP))
                for name, command in sorted(self.commands.items())
                if getattr(command, "section", "Look") == section and not command.hidden
            ]
            with formatter.section(section):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("", err=True)
            ctx.exit(CANCELLED_BY_KEY)
        except Exception as error:
            if ctx.params.get("debug") or (isinstance(error, OSError) and error.errno == errno.EPIPE):
                raise
            told = explained(error)
            if ctx.params.get("as_json"):
                click.echo(json.dumps({"error": type(told).__name__, **vars(told), "exit_code": told.exit_code}))
            else:
                click.echo(f"lammps-jobs: {told}", err=True)
            ctx.exit(told.exit_code)


def explained(error: Exception) -> LammpsJobsError:
    """Any error as one of ours: what happened, where, and what to do."""
    from obstore.exceptions import BaseError
    from pydantic import ValidationError

    if isinstance(error, LammpsJobsError):
        return error
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r}.")
    if isinstance(error, TimeoutError):
        return WrongState(f"{error}.".replace("..", "."), remedy="It goes on: lammps-jobs list")
    if isinstance(error, OSError):
        what = f"A file cannot be read or written: {error.strerror or error}."
        return StoreError(what, where=str(error.filename or ""), remedy="Check the path, and what it allows.")
    if isinstance(error, BaseError):
        return StoreError(
            f"The store failed: {str(error).splitlines()[0]}", remedy="Check the address given as --store."
        )
    return LammpsJobsError(f"Something unexpected: {error!r}", remedy="--debug shows where; please report it.")


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
    lammps-jobs run in.melt --ranks 2     run a script and follow it
    lammps-jobs interrupt melt            stop it with a checkpoint ...
    lammps-jobs resume melt               ... go on, as if nothing had happened
    lammps-jobs report melt               look at it
    lammps-jobs rehearse in.melt          is it safe on Spot? before paying
    lammps-jobs run in.melt --stack prod  the same on AWS
    """


def cluster() -> Cluster:
    from lammps_jobs.api.cluster import connect

    options = click.get_current_context().find_root().params
    return connect(options["stack"], store=options["store"], pool=options["pool"], region=options["region"])


def is_json() -> bool:
    return bool(click.get_current_context().find_root().params["as_json"])


def show(plain: str, **document: Any) -> None:
    click.echo(json.dumps(document, default=str) if is_json() else printable(plain))


def state_document(state: RunStatus) -> dict[str, Any]:
    return {**dataclasses.asdict(state), "fidelity": state.fidelity.model_dump()}


def complete_runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of runs, for the shell's completion; none where the store cannot be read."""
    try:
        with ctx.scope():
            return [run.name for run in cluster().runs() if run.name.startswith(incomplete)]
    except Exception:  # a completion never complains
        return []


def run_name(function: Callable[..., None]) -> Callable[..., None]:
    """The argument NAME of a command that is about one run."""
    return click.argument("name", shell_complete=complete_runs)(function)
