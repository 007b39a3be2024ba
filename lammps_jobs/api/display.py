"""Runs, sweeps and clusters as tables, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from lammps_jobs.api.status import RunStatus

MOST_ROWS = 50
COLOURS = {
    "finished": "#1a7344",
    "failed": "#b3391f",
    "lost": "#8a5000",
    "interrupted": "#8a5000",
    "running": "#1f5fbf",
}


class Plot:
    """Charts that a notebook shows; `save` writes them as a page. `Run.plot` makes it."""

    def __init__(self, title: str, html: str) -> None:
        self.title, self._html = title, html

    def __repr__(self) -> str:
        return f"Plot({self.title!r}): shown by a notebook; save(FILE) writes a page"

    def _repr_html_(self) -> str:
        return self._html

    def save(self, path: str | Path) -> Path:
        """Write a page with the charts; returns where it is. Raises OSError."""
        page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(self.title)}</title>{self._html}'
        Path(path).write_text(page)
        return Path(path)


def table(states: Iterable[RunStatus], title: str = "") -> str:
    """An HTML table of the states of runs; of many, the first MOST_ROWS and how many more there are."""
    found = list(states)
    rows = "".join(_row(state) for state in found[:MOST_ROWS])
    more = f"<p>and {len(found) - MOST_ROWS} more</p>" if len(found) > MOST_ROWS else ""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("run", "state", "step", "attempt", ""))
    caption = f"<b>{escape(title)}</b>" if title else ""
    return f"{caption}<table><tr>{head}</tr>{rows}</table>{more}"


def _row(state: RunStatus) -> str:
    colour = COLOURS.get(state.state, "inherit")
    step = f"{state.step:,}" + (f" of {state.target:,}" if state.target > state.step else "")
    why = "" if state.state == "finished" else state.reason
    shown = f"<span style='color:{colour}'>{state.state}</span>"
    cells = (escape(state.name), shown, step, str(state.attempt), escape(why))
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"
