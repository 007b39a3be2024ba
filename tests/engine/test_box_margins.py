"""The margins of shrink-wrapped boxes, found again to the last bit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lammps_jobs.engine.box_margins import SMALL, Boundary, _edge, _margin_of, command


@given(st.floats(0.5, 1e4), st.sampled_from(["ss", "sf", "fs"]), st.integers(0, 2))
def test_edge_gives_the_margin_or_misses_it_by_one_bit(edge, faces, widened):
    margin = SMALL * edge
    found = _margin_of(_edge(margin, faces, widened), faces, widened)
    assert abs(found - margin) <= margin * 2.3e-16


def test_margin_of_a_box_with_two_open_dimensions():
    margin = SMALL * 35.2
    assert _margin_of(_edge(margin, "ss", 1), "ss", 1) == margin


def test_only_shrink_wrapped_dimensions_without_a_minimum_are_told():
    boundary = Boundary()
    boundary.take(["boundary", "p", "s", "m"])
    assert command((None, 0.001, 0.002), boundary).startswith("change_box all y final 0.0 ")
    assert "z" not in command((None, 0.001, 0.002), boundary).replace("units box", "")
    assert command((None, None, None), Boundary()) == ""
