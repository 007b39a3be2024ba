"""The survey of random cuts: what it tries, and that its table hides nothing."""

from __future__ import annotations

import itertools

import pytest

from tools.reliability import table, trials
from tools.reliability_scripts import KINDS, script

pytestmark = pytest.mark.unit


def test_every_kind_is_tried_with_each_number_of_ranks_and_the_seed_says_where():
    size = 2 * len(KINDS)
    first = list(itertools.islice(trials(1, (1, 2)), 2 * size))
    assert {(kind, ranks) for kind, ranks, _ in first[:size]} == set(itertools.product(KINDS, (1, 2)))
    assert [args for *_, args in first] == [args for *_, args in itertools.islice(trials(1, (1, 2)), 2 * size)]
    assert [args.at for *_, args in first[:size]] != [args.at for *_, args in first[size:]]
    assert {args.kill for *_, args in first} == {True, False}


def test_each_number_of_threads_is_tried_too():
    sizes = 4 * len(KINDS)
    tried = list(itertools.islice(trials(1, (1, 2), (1, 2)), sizes))
    assert {(kind, ranks, args.threads) for kind, ranks, args in tried} == set(itertools.product(KINDS, (1, 2), (1, 2)))
    assert {args.threads for *_, args in itertools.islice(trials(1, (1,)), 20)} == {1}


def test_table_tells_threads_apart():
    one = {"kind": "nve", "ranks": 2, "outcome": "faithful", "equals_bare": True, "cuts": [(1, 5)], "why": []}
    page = table([one, one | {"threads": 2}], "the command", 60.0)
    assert "| nve | 2 | 1 | 1 |" in page
    assert "| nve | 2 of 2 threads | 1 | 1 |" in page


@pytest.mark.parametrize("kind", KINDS)
def test_script_of_a_kind_ends_with_a_stage_of_the_asked_length(kind):
    assert script(kind, 700).splitlines()[-2:] == ["run 700", "write_data end.data"]


def test_table_counts_what_was_wrong_and_shows_it():
    good = {"kind": "nve", "ranks": 1, "outcome": "exact", "equals_bare": True, "cuts": [(1, 5)] * 3, "why": []}
    bad = good | {
        "ranks": 2, "outcome": "wrong", "equals_bare": False, "cuts": [(1, 5)], "differences": ["x | y"], "at": [0.5],
        "seed": 7, "harm": [],
    }  # fmt: skip
    page = table([good, bad], "the command", 60.0)
    assert "4 resumes" in page
    assert "1 wrong or harmed" in page
    assert "3 of them (75.0 %)" in page
    assert "    x | y" in page
    assert "seed 7" in page
