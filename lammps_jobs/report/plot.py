"""Charts of a run's thermo output alone, for notebooks: the report's charts with colours of their own."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from lammps_jobs.errors import UsageError
from lammps_jobs.formats.thermo import sections
from lammps_jobs.report.thermodynamics import charts

STYLE = """<style>
.lammps-jobs { --ink: #1c2330; --line: #d9dee6; --dim: #566170; --one: #1f5fbf; --stage: #6b7686; color: var(--ink);
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem; max-width: 64rem }
@media (prefers-color-scheme: dark) {
  .lammps-jobs { --ink: #e4e8ef; --line: #333c4a; --dim: #a3aebd; --one: #7db4ff; --stage: #9aa5b5 } }
.lammps-jobs figure { margin: 0; min-width: 0 } .lammps-jobs figcaption { font-weight: 600 }
.lammps-jobs svg { width: 100%; height: auto; font: 10.5px system-ui, sans-serif; fill: var(--ink) }
.lammps-jobs svg path, .lammps-jobs svg line { fill: none } .lammps-jobs .small { font-size: 9px; fill: var(--dim) }
.lammps-jobs .grid { stroke: var(--line); stroke-width: .6 } .lammps-jobs .axis { stroke: var(--dim); stroke-width: .8 }
.lammps-jobs .stage { stroke: var(--stage); stroke-dasharray: 2 2 } .lammps-jobs .raw { opacity: .4; stroke-width: .8 }
.lammps-jobs .c1 { stroke: var(--one); stroke-width: 1.4 }
</style>"""


def page(log: str, units: str, timestep: float | None, columns: Collection[str] = ()) -> str:
    """The charts of all columns, or of those named, as a piece of a page. Raises UsageError for an unknown column."""
    of_runs, of_minimizations = charts(sections(log), units, timestep)
    found = {chart.title: chart.svg for chart in (*of_minimizations, *of_runs)}
    unknown = [name for name in columns if name not in found]
    if unknown:
        raise UsageError(f"There is no column {unknown[0]!r} to draw.", remedy=f"There are: {', '.join(found)}.")
    chosen = {name: found[name] for name in columns} or found
    figures = "".join(f"<figure><figcaption>{escape(n)}</figcaption>{svg}</figure>" for n, svg in chosen.items())
    return f'{STYLE}<div class="lammps-jobs">{figures or "No thermo output yet."}</div>'
