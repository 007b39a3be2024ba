"""The options of a submission, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lammps_jobs.cli.base import cluster
from lammps_jobs.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lammps_jobs.api.run import Run
    from lammps_jobs.record.documents import Resources

M = TypeVar("M", bound="BaseModel")


def submission_options(function: Callable[..., None]) -> Callable[..., None]:
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


def submit_run(
    script: Path, name: str | None, variables: tuple[str, ...], inputs: tuple[str, ...], ranks: int | None,
    threads: int, accelerator: str, every: float, keep: int, grace: float,
) -> Run:  # fmt: skip
    from lammps_jobs.record.documents import Checkpoints

    return cluster().submit(
        script, name=name, variables=variables_of(variables), inputs=inputs,
        resources=resources_of(ranks, threads, accelerator),
        checkpoints=checked(Checkpoints, every_s=every, keep=keep, grace_s=grace),
    )  # fmt: skip


def resources_of(ranks: int | None, threads: int = 1, accelerator: str = "auto") -> Resources:
    from lammps_jobs.record.documents import Resources

    return checked(Resources, ranks=ranks, threads=threads, accelerator=accelerator)


def variables_of(pairs: tuple[str, ...]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in pairs:
        key, equal, value = pair.partition("=")
        if not equal:
            raise UsageError(f"--var {pair} has no value.", remedy="Write --var NAME=VALUE")
        values.setdefault(key, []).append(value)
    return values


def checked(kind: type[M], **values: Any) -> M:
    """The model with these values. Raises UsageError, which names the option that makes no sense."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise UsageError(f"{problem['loc'][0]}: {problem['msg']}, got {problem['input']}.") from None
