"""The command line: `lammps-jobs COMMAND`, over the same calls that a Python script makes."""

from __future__ import annotations

import io
import sys
import warnings

import click

from lammps_jobs.cli import benchmarking, check, dashboard, look, money, running, sweeping, upkeep  # noqa: F401 - importing them adds their commands
from lammps_jobs.cli.base import commands

__all__ = ["commands", "main"]


def _warn(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """What the library warns of, without the place in the library that does."""
    click.echo(f"Warning: {message}", err=True)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no µ gets a ?, not a traceback
    warnings.showwarning = _warn
    commands(prog_name="lammps-jobs")
