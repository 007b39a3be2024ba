"""The options of a submission, and what they make."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lammps_jobs.cli.base import cluster, complete_runs
from lammps_jobs.errors import UsageError

if TYPE_CHECKING:
    from lammps_jobs.api.run import Run
    from lammps_jobs.record.documents import Checkpoints, Resources

F = TypeVar("F", bound=Callable[..., None])
UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Seconds, or a time as people write it: 90, 10m, 1h30m, 2d. More than nothing."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = value.strip().lower().replace(" ", "")
        parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)([a-z]*)", text)
        if not parts or "".join(map("".join, parts)) != text or any(unit not in {"", *UNITS} for _, unit in parts):
            self.fail(f"{value!r} is no time; write seconds, or 10m, 1h30m, 2d.", parameter, ctx)
        seconds = sum(float(number) * UNITS.get(unit, 1.0) for number, unit in parts)
        if seconds <= 0:
            self.fail(f"{value!r} is not more than 0 seconds.", parameter, ctx)
        return seconds


DURATION = Duration()


class Interval(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A time, or a range of two."""

    name = "time"

    def convert(
        self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float | None, float]:
        if isinstance(value, tuple):
            return value
        least, between, most = str(value).partition("..")
        longest = DURATION.convert(most if between else least, parameter, ctx)
        shortest = DURATION.convert(least, parameter, ctx) if between else None
        if shortest is not None and shortest > longest:
            self.fail(f"{value!r} begins with the longer time; write 1m..1h.", parameter, ctx)
        return shortest, longest


class Budget(click.ParamType):  # type: ignore[type-arg]
    """Machine time or money: `("s", 72000.0)` of 20h, `("usd", 5.0)` of 5usd."""

    name = "time or usd"

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        money = re.fullmatch(r"\$?\s*(\d+(?:\.\d*)?)\s*(?:usd)?", str(value).strip().lower())
        if money and ("usd" in value.lower() or "$" in value) and float(money[1]) > 0:
            return "usd", float(money[1])
        return "s", DURATION.convert(value, parameter, ctx)


INTERVAL, BUDGET = Interval(), Budget()


def var_option(function: F) -> F:
    return click.option(
        "--var",
        "variables",
        multiple=True,
        metavar="NAME=VALUE",
        help="A LAMMPS variable; once for each value of a list. As for lmp: -var NAME VALUE ...",
    )(function)


def input_option(function: F) -> F:
    return click.option(
        "--input", "inputs", multiple=True, metavar="PATH", help="A file or folder to take along besides what is found."
    )(function)


def after_option(function: F) -> F:
    return click.option(
        "--after",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_runs,
        help="Start when that run or sweep has finished; once for each of several.",
    )(function)


def resource_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--ranks", type=click.IntRange(1), help="MPI ranks; one by default, or one a GPU."),
            click.option(
                "--accelerator",
                type=click.Choice(["auto", "kokkos", "gpu", "none"]),
                default="auto",
                show_default=True,
                help="How LAMMPS uses the GPUs of a stack's pool.",
            ),
            click.option(
                "--threads",
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="OpenMP threads per rank; more than one uses LAMMPS's styles for them (-sf omp).",
            ),
            click.option("--lammps", "switches", multiple=True, hidden=True),
            click.option(
                "--every",
                type=INTERVAL,
                default=(None, 600.0),
                show_default="10m",
                metavar="TIME[..TIME]",
                help="Between two checkpoints; of a range (1m..1h) the best for what one costs.",
            ),
            click.option(
                "--budget", type=BUDGET, help="Machine time (20h) or, on a stack, money (5usd) that it may use."
            ),
            click.option(
                "--keep", type=click.IntRange(1), default=3, show_default=True, help="Newest checkpoints to keep."
            ),
            click.option("--grace", type=DURATION, default=25.0, show_default="25s", help="Left by an interruption."),
        )
    ):
        function = option(function)
    return function


def submission_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.argument("script", type=click.Path(path_type=Path)),
            click.option("--name", help="Name of the run; the script's name by default."),
            var_option,
            input_option,
            resource_options,
            after_option,
            click.option("--tag", "tags", multiple=True, metavar="TAG", help="A word to find it by: list --tag TAG."),
            click.option("--note", default="", metavar="TEXT", help="What status and report say about it."),
            click.option(
                "--notify",
                multiple=True,
                metavar="HOW",
                help="Whom to tell of its end: a command (reads JSON), `desktop`; on a stack `sns` or a topic's ARN.",
            ),
            click.option("--replace", is_flag=True, help="Put it in the place of a run of that name that stopped."),
        )
    ):
        function = option(function)
    return function


def submit_run(
    script: Path, name: str | None, variables: tuple[str, ...], inputs: tuple[str, ...], replace: bool,
    after: tuple[str, ...], tags: tuple[str, ...], note: str, notify: tuple[str, ...], **options: Any,
) -> Run:  # fmt: skip
    resources, checkpoints = wanted(**options)
    return cluster().submit(
        script, name=name, variables=variables_of(variables), inputs=inputs, replace=replace,
        resources=resources, checkpoints=checkpoints, after=after, tags=tags, note=note, notify=notify,
    )  # fmt: skip


def wanted(
    *, ranks: int | None, threads: int, accelerator: str, switches: tuple[str, ...],
    every: tuple[float | None, float], keep: int, grace: float, budget: tuple[str, float] | None = None,
) -> tuple[Resources, Checkpoints]:  # fmt: skip
    """What the options ask for."""
    from lammps_jobs.record.documents import Checkpoints, Resources

    chosen: Any = accelerator
    return (
        Resources(
            ranks=ranks,
            threads=threads,
            accelerator=chosen,
            switches=switches,
            budget_s=budget_s(budget) if budget else None,
        ),
        Checkpoints(every_s=every[1], least_s=every[0], keep=keep, grace_s=grace),
    )


def budget_s(budget: tuple[str, float]) -> float:
    """A budget as machine time, in seconds: money by the price of the dearest of the pool's machines."""
    unit, amount = budget
    if unit == "s":
        return amount
    price = cluster().usd_per_hour()
    if price is None:
        raise UsageError("No price is known for these machines, so a budget in USD means nothing.",
                         remedy="Give machine time (--budget 20h), or prices: docs/costs.md")  # fmt: skip
    return 3600 * amount / price.most


def variables_of(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in pairs:
        key, equal, value = pair.partition("=")
        if not equal or not re.fullmatch(r"\w+", key):
            raise UsageError(f"--var {pair} names no variable and value.", remedy="Write --var NAME=VALUE")
        values.setdefault(key, []).append(value)
    return values
