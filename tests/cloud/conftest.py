"""Stacks on loopback: one whose jobs wait for machines for ever, one whose jobs run in containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.batch import Cloud
from emulator.containers import HINT, NoContainers, Podman, can_run_containers
from emulator.stack import deployed


@pytest.fixture(scope="session")
def _waiting() -> Iterator[tuple[Cloud, dict[str, str]]]:
    with deployed(NoContainers()) as (cloud, environment):
        cloud.capacity.clear()
        yield cloud, environment


@pytest.fixture
def waiting(_waiting, monkeypatch) -> Cloud:
    """A stack that finds no machines: jobs stay RUNNABLE."""
    cloud, environment = _waiting
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cloud.faults.clear()
    return cloud


@pytest.fixture(scope="session")
def _cloud() -> Iterator[tuple[Cloud, dict[str, str]]]:
    if not can_run_containers():
        pytest.skip(HINT)
    podman = Podman()
    podman.build()
    with deployed(podman) as (cloud, environment):
        yield cloud, environment


@pytest.fixture
def cloud(_cloud, monkeypatch) -> Cloud:
    """A stack whose jobs run in containers of the real image."""
    made, environment = _cloud
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made.first_attempt = 1
    return made
