"""What the dashboard's pages show, made from a cluster; nothing here writes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from lammps_jobs.api.costs import Cost
from lammps_jobs.api.status import RunStatus
from lammps_jobs.errors import LammpsJobsError, NoSuchRun, NotInstalled, printable
from lammps_jobs.formats.thermo import sections
from lammps_jobs.record.sweep_record import sweep_names
from lammps_jobs.report.page import style
from lammps_jobs.report.thermodynamics import averages, charts

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster
    from lammps_jobs.api.run import Run

A_PAGE = 50
"""Runs on a page."""
STATES = ("running", "waiting", "starting", "interrupted", "lost", "failed", "cancelled", "finished")
LAST_EVENTS = 30
COSTED = 200
"""Members of a sweep up to which the costs of all are read."""
Query = Mapping[str, str]


class Pages:
    """Renders pages about one cluster. Raises NotInstalled without the extra `analysis`."""

    def __init__(self, cluster: Cluster) -> None:
        try:
            import jinja2
        except ImportError as error:
            raise NotInstalled(
                f"The dashboard needs {error.name}.", remedy='Install it with: pip install "lammps-jobs[analysis]"'
            ) from None
        self._cluster = cluster
        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
            loader=jinja2.FunctionLoader(lambda name: files(__package__).joinpath(name).read_text()),
        )  # fmt: skip
        environment.filters |= {"thousands": lambda number: f"{number:,}", "ago": ago, "took": took, "path": _path}
        self._environment = environment
        self._style = style() + files(__package__).joinpath("dashboard.css").read_text()

    def _render(self, page: str, **content: Any) -> str:
        template = self._environment.get_template(f"{page}.html.j2")
        return template.render(style=self._style, store=self._cluster.store, states=STATES, now=datetime.now(UTC),
                               **content)  # fmt: skip

    # -- pages -------------------------------------------------------------------------------------

    def runs(self, query: Query) -> str:
        """A page of runs, those submitted last first, by name and state; read from the store's index."""
        pattern, state = query.get("name", "").strip(), query.get("state", "")
        wanted = f"*{pattern}*" if pattern and not set(pattern) & set("*?[") else pattern
        after = query.get("after", "")
        found = self._cluster.listing(
            states=(state,) if state in STATES else (), pattern=wanted, most=A_PAGE + 1, after=after
        )
        shown = found[:A_PAGE]
        kept = {key: value for key, value in (("name", pattern), ("state", state)) if value}
        older = f"/?{urlencode({**kept, 'after': shown[-1].cursor})}" if len(found) > A_PAGE else ""
        return self._render(
            "runs", title="Runs", runs=shown, counts=Counter(one.state for one in shown), pattern=pattern, state=state,
            older=older, newest=f"/?{urlencode(kept)}" if after else "", is_live=True,
            sweeps=[] if after else sweep_names(self._cluster._root),
        )  # fmt: skip

    def run(self, name: str) -> str:
        """One run: progress, thermo output, attempts with their cost, what happened last."""
        run = self._cluster.run(name)
        state, progress = run.status, run.progress
        log = sections(run.logs())
        units = progress.units if progress else ""
        of_runs, of_minimizations = charts(log, units, progress.timestep if progress else None)
        return self._render(
            "run", title=name, state=state, share=share_of(state), progress=progress, charts=of_runs,
            minimizations=of_minimizations, averages=averages(log, units)[-1:], cost=run.cost, usd=_usd(run.cost),
            events=list(reversed(run.events))[:LAST_EVENTS], variables=run.spec.variables,
            to_go=_to_go(run, state), is_live=not state.is_ended,
        )  # fmt: skip

    def sweep(self, name: str, query: Query) -> str:
        """The members of a sweep with their variables, states and progress."""
        sweep = self._cluster.find_sweep(name)
        states = sweep.statuses()
        variables = {member.run: member.variables for member in sweep.members}
        state = query.get("state", "")
        pattern = query.get("name", "").strip()
        start = int(query["from"]) if query.get("from", "").isdigit() else 0
        chosen = [one for one in states if state in ("", one.state) and fnmatchcase(one.name, f"*{pattern}*")]
        cost = Cost(name, tuple(one for run in sweep for one in run.cost.attempts)) if len(states) <= COSTED else None
        kept = {key: value for key, value in (("name", pattern), ("state", state)) if value}
        more = f"?{urlencode({**kept, 'from': start + A_PAGE})}" if len(chosen) > start + A_PAGE else ""
        return self._render(
            "sweep", title=name, rows=chosen[start : start + A_PAGE], variables=variables, total=len(states),
            names=list(sweep.members[0].variables), counts=Counter(one.state for one in states), cost=cost,
            usd=_usd(cost) if cost else "", more=more, pattern=pattern, state=state, share_of=share_of,
            is_live=not all(one.is_ended for one in states),
        )  # fmt: skip

    def error(self, error: LammpsJobsError | str) -> str:
        what, remedy = (error, "") if isinstance(error, str) else (error.what, error.remedy)
        return self._render("error", title="Not shown", what=printable(what), remedy=remedy, is_live=False)

    def report(self, name: str) -> str:
        """The run's report, as `lammps-jobs report` writes it."""
        import tempfile
        from pathlib import Path

        from lammps_jobs.report.page import write

        with tempfile.TemporaryDirectory() as folder:
            return write(self._cluster.run(name), Path(folder) / "report.html").read_text()

    def _page(self, parts: list[str], query: Query) -> str:
        match parts:
            case []:
                return self.runs(query)
            case ["run", name]:
                return self.run(name)
            case ["run", name, "report"]:
                return self.report(name)
            case ["sweep", name]:
                return self.sweep(name, query)
        return ""

    def answer(self, path: str, query: Query) -> tuple[int, str]:
        """(HTTP status, page) for a path that the browser asks for."""
        try:
            page = self._page([part for part in path.split("/") if part], query)
            return (200, page) if page else (404, self.error("There is no such page."))
        except LammpsJobsError as error:
            return 404 if isinstance(error, NoSuchRun) else 500, self.error(error)
        except Exception as error:  # one page that cannot be made must not end the dashboard
            return 500, self.error(f"This page could not be made: {error!r}")


def share_of(state: RunStatus) -> int | None:
    """Percent of the stage that is done; None where it has no known end."""
    return min(100, 100 * state.step // state.target) if state.target > 0 else None


def _to_go(run: Run, state: RunStatus) -> str:
    progress = run.progress
    if state.state != "running" or not progress or progress.steps_per_s <= 0 or progress.target <= progress.step:
        return ""
    return took((progress.target - progress.step) / progress.steps_per_s)


def _usd(cost: Cost | None) -> str:
    if cost is None or cost.usd is None:
        return ""
    low, high = cost.usd
    return f"under {high:.2f} USD" if low == 0 < high else f"{low:.2f} to {high:.2f} USD"


def ago(at: datetime | None) -> str:
    if at is None:
        return ""
    return f"{took((datetime.now(UTC) - at).total_seconds())} ago"


def took(seconds: float) -> str:
    """`42 s`, `12 min`, `3 h 20 min`, `5 d 4 h`."""
    whole = max(0, int(timedelta(seconds=seconds).total_seconds()))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"


def _path(name: str) -> str:
    return quote(name, safe="")
