"""The time between two checkpoints is chosen by what they cost and by how often machines go, within bounds."""

from __future__ import annotations

import pytest

from lammps_jobs.supervisor.interval import chosen, rate_per_day


def test_young_s_interval_is_taken_within_the_bounds_and_said_why():
    every_s, why = chosen(2.0, 0, 0.0, 1, 10_000)
    assert every_s == pytest.approx((2 * 2.0 * 86400) ** 0.5)
    assert "stalls the run for 2 s" in why
    assert chosen(2.0, 0, 0.0, 1, 60)[0] == 60
    assert "588 s would be best, and 60 s is your bound" in chosen(2.0, 0, 0.0, 1, 60)[1]
    assert chosen(0.0, 0, 0.0, 120, 600)[0] == 120


def test_interruptions_that_were_seen_shorten_it_and_quiet_days_lengthen_it():
    assert rate_per_day(0, 0) == 1
    assert rate_per_day(9, 86400) == 5
    assert chosen(1, 9, 3600, 1, 1e4)[0] < chosen(1, 0, 0, 1, 1e4)[0] < chosen(1, 0, 9e5, 1, 1e4)[0]
