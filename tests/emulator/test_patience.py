"""Waiting is renewed by progress, stretched on a slow machine, and says what it waited for."""

from __future__ import annotations

import pytest

from emulator.patience import LONGEST, SLOWDOWN, Patience, scaled, slowdown


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))  # the load of this machine is not ours to choose
    monkeypatch.delenv(SLOWDOWN, raising=False)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_change_renews_the_patience():
    clock = Clock()
    patience = Patience("the end", still_s=10, clock=clock)
    for step in range(5):
        clock.now += 9
        patience.see(step)
    clock.now += 11
    with pytest.raises(AssertionError, match=r"Waited for the end, but nothing has changed for 11 s .*State: 4"):
        patience.see(4)


def test_progress_without_an_end_is_not_waited_for_for_ever():
    clock = Clock()
    patience = Patience("the end", still_s=10, clock=clock)
    for step in range(LONGEST + 1):
        patience.see(step)
        clock.now += 10 - 0.5
    clock.now = LONGEST * 10 + 1
    with pytest.raises(AssertionError, match="it has not come"):
        patience.see("the next step")


def test_limits_grow_with_the_load_and_with_what_is_chosen(monkeypatch):
    assert slowdown() == 1
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (8.0, 0.0, 0.0))
    assert scaled(10) == 40
    monkeypatch.setenv(SLOWDOWN, "3")
    assert scaled(10) == 120
