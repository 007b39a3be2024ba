"""Tests that draw lots: a failure prints the seed and what was drawn, and `--seed` repeats it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

import pytest

from emulator.patience import PAUSE_S, Patience
from lammps_jobs import Run, RunStatus
from lammps_jobs.errors import WrongState
from tests.waiting import ended


class Chance(random.Random):
    """Drawn numbers by seed, and what happened because of them, in words."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.of, self.notes = seed, [f"seed {seed}"]

    def note(self, text: str) -> None:
        self.notes.append(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="repeat the tests that draw lots with this seed alone")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "seeds(n): run with the seeds 0 to n-1 (fixture `chance`)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chance" in metafunc.fixturenames:
        mark, chosen = metafunc.definition.get_closest_marker("seeds"), metafunc.config.getoption("--seed")
        seeds = [chosen] if chosen is not None else range(mark.args[0] if mark else 1)
        metafunc.parametrize("chance", seeds, indirect=True, ids=lambda seed: f"seed{seed}")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Chance:
    return Chance(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    drawn = getattr(item, "funcargs", {}).get("chance")
    if report.failed and drawn:
        again = f"python -m pytest '{item.nodeid}' --seed {drawn.of}"
        report.sections.append(("drawn", "\n".join([*drawn.notes, f"again: {again}"])))
    return report


def kill_at_some_step(run: Run, chance: Chance, within: int, at_once: float = 0.25) -> RunStatus:
    """SIGKILL to supervisor and engine at a drawn moment of the running attempt; the state afterwards.

    With the probability `at_once` before LAMMPS runs; else a drawn number of steps, less than `within`,
    beyond the newest checkpoint there was.
    """
    before = run.status
    beyond = None if chance.random() < at_once else chance.randrange(within)
    goal = -1 if beyond is None else (before.checkpoint_step or 0) + beyond
    patience = Patience(f"step {goal} of attempt {before.attempt}")
    while not (state := run.status).is_ended and state.step < goal:
        patience.see(state)
        time.sleep(PAUSE_S)
    wanted = "at once" if beyond is None else f"at step {goal}"
    chance.note(f"attempt {state.attempt}: SIGKILL wanted {wanted}, done at step {state.step}; newest checkpoint "
                f"{before.checkpoint_step}")  # fmt: skip
    with contextlib.suppress(WrongState):  # it may be done already
        run.kill()
    return ended(run)
