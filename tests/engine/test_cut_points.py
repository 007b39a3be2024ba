"""Where a run is cut: strides only, no LAMMPS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lammps_jobs.engine.cut_points import Armed, Strides, choose, sooner

WINDOW = ("a", 10, 5, 100)  # samples at 60, 70, 80, 90, 100


def test_thermo_step_with_closed_windows_is_preferred():
    strides = Strides(thermo=20, windows=(WINDOW,))
    assert choose(strides, after=61, last=10_000, reach=500) == Armed(100)
    assert choose(strides, after=0, last=10_000, reach=500) == Armed(20)


def test_end_of_the_run_is_waited_for_when_every_window_is_open():
    strides = Strides(thermo=50, windows=(("a", 1, 1000, 1000),))
    assert choose(strides, after=10, last=1000, reach=5000) is None
    assert choose(strides, after=10, last=100_000, reach=5000) == Armed(1000)


def test_rebuild_is_sought_as_far_as_time_and_run_allow():
    strides = Strides(thermo=50)
    assert choose(strides, after=10, last=10_000, reach=2000, seek=100) == Armed(50, seek=100)
    assert choose(strides, after=10, last=10_000, reach=80, seek=100) == Armed(50, seek=40)
    assert choose(strides, after=10, last=10_000, reach=40, seek=20) == Armed(50, seek=10)
    assert choose(strides, after=10, last=90, reach=2000, seek=100) == Armed(50, seek=39)
    assert choose(strides, after=10, last=54, reach=2000, seek=100) == Armed(50)
    assert choose(Strides(thermo=50, windows=(WINDOW,)), after=10, last=10_000, reach=2000, seek=30) == Armed(100, 30)


def test_urgent_stop_does_not_wait_for_a_seldom_thermo_step():
    strides = Strides(thermo=1000)
    assert choose(strides, after=3, last=10_000, reach=100) == Armed(1000)
    assert choose(strides, after=3, last=10_000, reach=100, urgent=True) == Armed(20)
    assert choose(strides, after=3, last=10_000, reach=5000, urgent=True) == Armed(1000)


@pytest.mark.parametrize(("thermo", "pause", "check"), [
    (1, 10, 10), (3, 12, 12), (50, 50, 10), (37, 37, 37), (100, 100, 20), (1000, 1000, 20), (5000, 100, 100),
    (0, 100, 100), (None, 100, 100),
])  # fmt: skip
def test_strides_of_thermo(thermo, pause, check):
    strides = Strides(thermo=thermo)
    assert (strides.pause, strides.check) == (pause, check)


@given(
    thermo=st.integers(0, 3000), every=st.integers(1, 20), repeat=st.integers(1, 20), blocks=st.integers(1, 5),
    after=st.integers(0, 10**6), more=st.integers(1, 10**5), reach=st.integers(0, 10**5), urgent=st.booleans(),
    seek=st.integers(0, 100),
)  # fmt: skip
def test_a_cut_lies_ahead_inside_the_run_where_it_can_be_taken(
    thermo, every, repeat, blocks, after, more, reach, urgent, seek
):
    strides = Strides(thermo=thermo, windows=(("w", every, repeat, every * repeat * blocks),))
    last = after + more
    found = choose(strides, after, last, reach, seek=seek, urgent=urgent)
    if found:
        assert after < found.step < last - found.seek
        assert found.seek <= seek
        assert found.step % (strides.check if urgent else strides.pause) == 0
        assert strides.pause % strides.check == 0


@pytest.mark.parametrize(
    ("armed", "wanted", "then"),
    [
        (None, Armed(900), Armed(900)),
        (Armed(600), None, Armed(600)),
        (Armed(600), Armed(900, seek=40), Armed(600)),
        (Armed(600, seek=40), Armed(900, seek=30), Armed(600, seek=30)),
        (Armed(600, seek=40), Armed(450), Armed(450)),
    ],
)
def test_a_stop_that_lammps_was_told_of_is_never_put_off_or_forgotten(armed, wanted, then):
    assert sooner(armed, wanted) == then


@pytest.mark.parametrize("window", [(5, 4, 20), (10, 10, 100), (5, 4, 50), (2, 3, 7), (1, 20, 20)])
@pytest.mark.parametrize("urgent", [True, False])
def test_seeking_never_ends_in_an_open_window(window, urgent):
    strides = Strides(10, (("av", *window),))
    for after in range(0, 400):
        for reach in (5, 17, 40, 130):
            armed = choose(strides, after, 10_000, reach, seek=100, urgent=urgent)
            if armed and armed.seek:
                assert not strides.open_at(armed.step + armed.seek), (after, reach, armed)
