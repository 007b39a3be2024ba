"""The command that serves the dashboard."""

from __future__ import annotations

import sys
import webbrowser

import click

from lammps_jobs.cli.base import cluster, commands, show
from lammps_jobs.errors import CANCELLED_BY_KEY


@commands.section("Look")
@commands.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
              help="Another one is taken where it is not free; 0 is any.")  # fmt: skip
@click.option("--open/--no-open", "open_it", default=None, help="Open a browser; by default where somebody looks.")
def dashboard(port: int, open_it: bool | None) -> None:
    """Serve a page with all runs and sweeps: live progress, thermo plots, costs. Ctrl-C ends it.

    It only shows. Only this machine can reach it, and only who has the address that is printed, which bears a key; from
    afar: ssh -L 8765:127.0.0.1:8765 HOST, then open the same address.
    """
    from lammps_jobs.dashboard.server import Dashboard

    made = Dashboard(cluster(), port)
    show(f"Open {made.address}", address=made.address, port=made.port)
    sys.stdout.flush()
    if open_it or (open_it is None and sys.stdout.isatty()):
        webbrowser.open(made.address)
    try:
        made.serve()
    except KeyboardInterrupt:
        sys.exit(CANCELLED_BY_KEY)
    finally:
        made.close()
