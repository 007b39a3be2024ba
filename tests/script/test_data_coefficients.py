"""Coefficients in data files: given again where a restart file holds none."""

from __future__ import annotations

import gzip

import pytest

from lammps_jobs.script.data_coefficients import commands
from tests.script.test_journal import recorded

DATA = """made by hand

2 atoms

Masses

1 1.0

PairIJ Coeffs # hybrid

1 2 lj/cut 0.5 1.0  # a comment

Pair Coeffs # hybrid

1 lj/cut 1.0 1.0
2 morse 1.0 2.0 1.1

Angle Coeffs # hybrid

1 class2 100 1 2 3
2 harmonic 50 90

BondBond Coeffs

1 class2 1.0 1.0 1.0
2 1.0 1.0 1.0

Bond Coeffs

1 100 1.0

Atoms # full

1 1 1 0.0 0 0 0
"""


@pytest.fixture
def given(tmp_path):
    (tmp_path / "a.data").write_text(DATA)

    def ask(text: str, *before: str) -> list[str]:
        return [" ".join(words) for words in commands(text.split(), recorded(*before), tmp_path)]

    return ask


PAIRS = ["pair_coeff 1 2 lj/cut 0.5 1.0", "pair_coeff 1 1 lj/cut 1.0 1.0", "pair_coeff 2 2 morse 1.0 2.0 1.1"]


def test_coefficients_of_hybrid_styles_are_given_again(given):
    assert given("read_data a.data", "pair_style hybrid/overlay lj/cut 2.5 morse 2.5") == PAIRS
    assert given("read_data a.data", "angle_style hybrid class2 harmonic") == [
        "angle_coeff 1 class2 100 1 2 3", "angle_coeff 2 harmonic 50 90",
        "angle_coeff 1 class2 bb 1.0 1.0 1.0", "angle_coeff 2 bb 1.0 1.0 1.0",
    ]  # fmt: skip


def test_what_the_restart_file_holds_is_not(given):
    assert given("read_data a.data", "pair_style lj/cut 2.5", "bond_style harmonic") == []
    assert given("read_data a.data nocoeff", "pair_style hybrid lj/cut 2.5") == []
    assert given("read_data missing.data", "pair_style hybrid lj/cut 2.5") == []


def test_pair_style_that_restores_none_has_them_again(given):
    assert given("read_data a.data", "pair_style granular") == PAIRS


def test_types_are_moved_on_as_the_command_says(given):
    moved = given(
        "read_data a.data add append offset 10 20 30 0 0", "bond_style hybrid harmonic fene", "pair_style hybrid a"
    )
    assert moved[0] == "pair_coeff 11 12 lj/cut 0.5 1.0"
    assert moved[-1] == "bond_coeff 21 100 1.0"


def test_compressed_data_file_is_read(given, tmp_path):
    (tmp_path / "b.data.gz").write_bytes(gzip.compress(DATA.encode()))
    assert given("read_data b.data.gz", "pair_style hybrid lj/cut 2.5 morse 2.5") == PAIRS
