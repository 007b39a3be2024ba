"""The command line: `lammps-jobs COMMAND`, over the same calls that a Python script makes."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lammps_jobs.errors import (
    DIFFERENT,
    INTERRUPTED,
    REFUSED,
    UNTESTED,
    UNWELL,
    LammpsJobsError,
    UsageError,
    exit_codes,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.run import Run
    from lammps_jobs.api.status import RunStatus
    from lammps_jobs.doctor import Finding
    from lammps_jobs.record.documents import Resources

M = TypeVar("M", bound="BaseModel")

EXIT_OF = {"finished": 0, "interrupted": INTERRUPTED, "lost": INTERRUPTED, "cancelled": 0}

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


def _cluster() -> Cluster:
    from lammps_jobs.api.cluster import connect

    options = click.get_current_context().find_root().params
    return connect(options["stack"], store=options["store"], pool=options["pool"], region=options["region"])


def _is_json() -> bool:
    return bool(click.get_current_context().find_root().params["as_json"])


def _show(plain: str, **document: Any) -> None:
    click.echo(json.dumps(document, default=str) if _is_json() else plain)


def _state_document(state: RunStatus) -> dict[str, Any]:
    return {**dataclasses.asdict(state), "fidelity": state.fidelity.model_dump()}


VARIABLE_HELP = "A LAMMPS variable (-var); again for every further value of a list."


def _submission_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.argument("script", type=click.Path(path_type=Path)),
            click.option("--name", help="Name of the run; the script's name by default."),
            click.option(
                "--var",
                "variables",
                multiple=True,
                metavar="NAME=VALUE",
                help="A LAMMPS variable (-var); once for each value of a list.",
            ),
            click.option("--input", "inputs", multiple=True, metavar="PATH", help="A file or folder to take along."),
            click.option("--ranks", type=int, help="MPI ranks; one by default, or one a GPU."),
            click.option(
                "--accelerator",
                type=click.Choice(["auto", "kokkos", "gpu", "none"]),
                default="auto",
                show_default=True,
                help="How LAMMPS uses the GPUs of a stack's pool.",
            ),
            click.option("--threads", default=1, show_default=True, help="OpenMP threads per rank."),
            click.option("--every", default=600.0, show_default=True, help="Seconds between two checkpoints."),
            click.option("--keep", default=3, show_default=True, help="Newest checkpoints to keep."),
            click.option("--grace", default=25.0, show_default=True, help="Seconds that an interruption leaves."),
        )
    ):
        function = option(function)
    return function


def _submit(
    script: Path, name: str | None, variables: tuple[str, ...], inputs: tuple[str, ...], ranks: int | None,
    threads: int, accelerator: str, every: float, keep: int, grace: float,
) -> Run:  # fmt: skip
    from lammps_jobs.record.documents import Checkpoints

    return _cluster().submit(
        script, name=name, variables=_variables(variables), inputs=inputs,
        resources=_resources(ranks, threads, accelerator),
        checkpoints=_checked(Checkpoints, every_s=every, keep=keep, grace_s=grace),
    )  # fmt: skip


def _resources(ranks: int | None, threads: int = 1, accelerator: str = "auto") -> Resources:
    from lammps_jobs.record.documents import Resources

    return _checked(Resources, ranks=ranks, threads=threads, accelerator=accelerator)


def _variables(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in pairs:
        key, equal, value = pair.partition("=")
        if not equal:
            raise UsageError(f"--var {pair} has no value.", remedy="Write --var NAME=VALUE")
        values.setdefault(key, []).append(value)
    return values


def _checked(kind: type[M], **values: Any) -> M:
    """The model with these values. Raises UsageError, which names the option that makes no sense."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise UsageError(f"{problem['loc'][0]}: {problem['msg']}, got {problem['input']}.") from None


@commands.command()
@_submission_options
def run(**options: Any) -> None:
    """Submit SCRIPT and follow it to its end.

    The run continues in the background when you press Ctrl-C; `watch` follows it again.
    """
    _follow(_submit(**options))


@commands.command()
@_submission_options
def submit(**options: Any) -> None:
    """Submit SCRIPT and return at once. Submitting the same again finds the run there is."""
    submitted = _submit(**options)
    _show(f"{submitted.name} is on its way: lammps-jobs watch {submitted.name}", name=submitted.name)


@commands.command(name="list")
def list_runs() -> None:
    """List all runs in the store."""
    states = _cluster().statuses()
    if _is_json():
        click.echo(json.dumps([_state_document(state) for state in states]))
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
    state = _cluster().run(name).status
    _show(_state_text(state), **_state_document(state))


@commands.command()
@click.argument("name")
def watch(name: str) -> None:
    """Follow the run NAME to its end."""
    _follow(_cluster().run(name))


@commands.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Print what is added, until the run stops.")
@click.option("--raw", is_flag=True, help="What LAMMPS printed in the newest attempt, cuts and all.")
def logs(name: str, follow: bool, raw: bool) -> None:
    """Print the log of the run NAME, stitched over its attempts."""
    run = _cluster().run(name)
    if not follow or _is_json():
        text = run.raw_log() if raw else run.logs()
        _show(text, name=name, log=text)
        return
    printed = 0

    def show(_: RunStatus) -> None:
        nonlocal printed
        text = run.logs()
        click.echo(text[printed:], nl=False)
        printed = max(printed, len(text))

    show(run.wait(on_change=show))


@commands.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the checkpoint is committed.")
def interrupt(name: str, wait: bool) -> None:
    """Stop the run NAME with a checkpoint; `resume` continues it."""
    run = _cluster().run(name)
    run.interrupt()
    state = run.wait(timeout_s=run.spec.checkpoints.grace_s + 30) if wait else run.status
    _show(_state_text(state), **_state_document(state))


@commands.command()
@click.argument("name")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Follow it afterwards.")
def resume(name: str, follow: bool) -> None:
    """Continue the run NAME from its newest good checkpoint."""
    run = _cluster().run(name)
    run.resume()
    if follow:
        _follow(run)
    else:
        _show(f"{name} continues.", name=name)


@commands.command()
@click.argument("name")
@click.option("--now", is_flag=True, help="At once, without a last checkpoint.")
def cancel(name: str, now: bool) -> None:
    """End the run NAME for good; its outputs so far stay."""
    _cluster().run(name).cancel(now=now)
    _show(f"{name} is cancelled; its outputs so far: lammps-jobs download {name} FOLDER", name=name)


@commands.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def download(name: str, folder: Path) -> None:
    """Write the outputs of the run NAME to FOLDER, joined over its attempts."""
    files = _cluster().run(name).download(folder)
    _show("\n".join(map(str, files)) or "No outputs yet.", name=name, files=[str(file) for file in files])


@commands.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; NAME.html by default.")
def report(name: str, out: Path | None) -> None:
    """Write a page about the run NAME: plots, timeline, how each resume went."""
    from lammps_jobs.report.page import write

    path = write(_cluster().run(name), out or Path(f"{name}.html"))
    _show(f"Open {path.resolve()}", name=name, file=str(path.resolve()))


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

    command = _cluster().run(name).shell()
    if only_print or _is_json():
        _show(shlex.join(command), name=name, command=command)
        return
    if not shutil.which(command[0]):
        raise NotInstalled(
            f"{command[0]} is not on this machine.", where=shlex.join(command), remedy=PROGRAMS.get(command[0], "")
        )
    os.execvp(command[0], command)


@commands.command()
@click.argument("stack", default="")
def doctor(stack: str) -> None:
    """Check whether runs can run here - or on STACK - and say what to do where not."""
    from lammps_jobs import doctor as checks
    from lammps_jobs.backends.local import default_store

    options = click.get_current_context().find_root().params
    stack = stack or ("" if options["stack"] == "local" else options["stack"])
    checking = checks.stack(stack, options["region"]) if stack else checks.machine(options["store"] or default_store())
    findings = []
    for finding in checking:
        findings.append(finding)
        if not _is_json():
            click.echo(_finding_text(finding))
    if _is_json():
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    click.get_current_context().exit(0 if all(finding.is_well for finding in findings) else UNWELL)


def _finding_text(finding: Finding) -> str:
    mark = click.style("ok  ", fg="green") if finding.is_well else click.style("FAIL", fg="red", bold=True)
    remedy = f"\n       {finding.remedy}" if finding.remedy else ""
    return f"{mark} {finding.check:28s} {' '.join(filter(None, (finding.what, finding.where)))}{remedy}"


@commands.command()
@click.argument("script", type=click.Path(path_type=Path))
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="A LAMMPS variable (-var); once for each value of a list.",
)
@click.option("--input", "inputs", multiple=True, metavar="PATH", help="A file or folder to take along.")
@click.option("--ranks", default=1, show_default=True, help="MPI ranks.")
@click.option("--at", multiple=True, type=click.FloatRange(0, 1, min_open=True), metavar="FRACTION",
              help="Cut near these fractions of every run, 1: before the next.  [default: 0.25 0.6 1]")  # fmt: skip
@click.option("--cuts", default=5, show_default=True, type=click.IntRange(1),
              help="How many cuts are drawn; more where there are more stages.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), help="Cap the steps of every run, for a quick answer.")
@click.option("--limit", type=float, help="Seconds for each side.")
@click.option("--kill", is_flag=True, help="Take the machine away without notice, too, after every resume.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep the outputs of all sides: DIR/bare, checkpointed, lost, ...")  # fmt: skip
@click.option("--report", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write an HTML page, too.")
def rehearse(
    script: Path, variables: tuple[str, ...], inputs: tuple[str, ...], ranks: int, at: tuple[float, ...], cuts: int,
    steps: int | None, limit: float | None, kill: bool, keep: Path | None, page: Path | None,
) -> None:  # fmt: skip
    """Find out here whether SCRIPT is safe on machines that may vanish, before paying.

    Runs it plainly, with checkpoints, and twice cut and lost; where it need not equal those, also cut and kept.
    Compares every output.
    """
    from lammps_jobs.rehearsal import rehearse, render
    from lammps_jobs.report.page import write

    try:
        answer = rehearse.rehearse(
            script, variables=_variables(variables), inputs=inputs, resources=_resources(ranks),
            at=at or rehearse.AT, cuts=cuts, steps=steps, limit_s=limit, kill=kill, keep=keep,
            on_side=lambda side: click.echo(f"  {side} ...", err=True),
            on_end=(lambda run, answer: write(run, page, answer)) if page else None,
        )  # fmt: skip
    except TimeoutError as error:
        raise LammpsJobsError(
            str(error), remedy="Give it more time with --limit, or less to do with --steps."
        ) from None
    _show(render.text(answer), **dataclasses.asdict(answer))
    bad = {"refused": REFUSED, "different": DIFFERENT, "untested": UNTESTED}
    click.get_current_context().exit(bad.get(answer.verdict, 0))


# -- following ---------------------------------------------------------------------------------------


def _follow(run: Run) -> None:
    """Show the run live until it stops, then print its state and exit with its code."""
    try:
        state = run.wait() if _is_json() or not sys.stderr.isatty() else _live(run)
    except KeyboardInterrupt:
        click.echo(f"\n{run.name} continues in the background: lammps-jobs watch {run.name}", err=True)
        sys.exit(0)
    _show(_state_text(state), **_state_document(state))
    click.get_current_context().exit(EXIT_OF.get(state.state, state.exit_code or 1))


def _live(run: Run) -> RunStatus:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(run.name, total=None, words="starting")

        def show(state: RunStatus) -> None:
            now = run.progress
            if now and now.target:
                bar.update(task, total=now.target, completed=now.step, words=_progress_text(run))

        return run.wait(on_change=show)


def _progress_text(run: Run) -> str:
    """Step, speed, attempt and newest checkpoint on one line."""
    now = run.progress
    if now is None:
        return "starting"
    words = [f"step {now.step}/{now.target}", now.rate, f"attempt {now.attempt}"]
    if now.last_checkpoint_step is not None:
        words.append(f"checkpoint at {now.last_checkpoint_step}")
    return "  ".join(word for word in words if word)


def _state_text(state: RunStatus) -> str:
    lines = [f"{state.name}: {state.state}, step {state.step}, attempt {state.attempt}"]
    if state.checkpoint is not None and state.state != "finished":
        lines.append(f"newest checkpoint: {state.checkpoint} at step {state.checkpoint_step}")
    if state.attempt > 1:
        grade = state.fidelity
        as_if = f", as if {grade.as_if}" if grade.grade == "exact" else ""
        lines.append(f"resumes: {grade.grade}{as_if}" + "".join(f"\n  {reason}" for reason in grade.reasons))
    lines += [text for text in (state.reason, state.where, state.remedy) if text]
    after = {
        "finished": f"lammps-jobs download {state.name} FOLDER; lammps-jobs report {state.name}",
        "interrupted": f"lammps-jobs resume {state.name}",
        "lost": f"lammps-jobs resume {state.name}",
    }
    if state.state in after and not state.remedy:
        lines.append(f"next: {after[state.state]}")
    return "\n".join(lines)


def _warn(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """What the library warns of, without the place in the library that does."""
    click.echo(f"Warning: {message}", err=True)


def main() -> None:
    warnings.showwarning = _warn
    commands(prog_name="lammps-jobs")


if __name__ == "__main__":
    main()
