"""A page about a benchmark: a bar for each candidate, drawn in HTML, with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lammps_jobs.record.object_store import explaining
from lammps_jobs.rehearsal.speed import Measured
from lammps_jobs.report.chart import number_text
from lammps_jobs.report.page import style

ROW = (
    "<tr><td data-of='Candidate'>{name}{mark}"
    "<td data-of='Speed'><span class='bar'><i style='width:{share}%'></i></span>"
    "<td data-of='steps/s' class='n'>{speed}<td data-of='a day' class='n'>{day}<td data-of='USD' class='n'>{usd}</tr>"
)


def write(script: str, found: Sequence[Measured], best: Measured, why: str, path: Path) -> Path:
    """Write the page to `path`. Raises StoreError where it cannot be written."""
    fastest = max(one.steps_per_s for one in found)
    rows = "".join(_row(one, fastest, is_best=one is best) for one in found)
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Speed of {escape(script)}</title><style>{style()} td .bar {{ min-width: 8rem; height: .8rem }}</style>"
        f"<h1>Speed of {escape(script)}</h1><p>Take <b>{escape(str(best.candidate))}</b>: {escape(why)}.</p>"
        "<table class=stack><tr><th>Candidate<th>Speed<th class=n>steps/s<th class=n>simulated time a day"
        f"<th class=n>USD for a million steps</tr>{rows}</table>"
        f"<p class=dim>{best.atoms:,} atoms, {best.steps:,} steps of the last stage, by LAMMPS's own loop time: "
        "without what is done once. USD is the most that may be paid.</p></html>"
    )
    with explaining(str(path)):
        path.write_text(text)
    return path


def _row(one: Measured, fastest: float, *, is_best: bool) -> str:
    usd = one.usd_per_million
    return ROW.format(
        name=escape(str(one.candidate)), mark=" <b class=finished></b>" if is_best else "",
        share=round(100 * one.steps_per_s / fastest) if fastest else 0,
        speed=number_text(one.steps_per_s) if one.steps_per_s else escape(one.failed),
        day=f"{number_text(one.per_day)} {one.unit.removesuffix('/day')}" if one.per_day else "-",
        usd=f"{usd:.3g}" if usd is not None else "-",
    )  # fmt: skip
