"""The tables of fixes, commands and styles: sorted, sourced, and true to what can be checked without LAMMPS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lammps_jobs.script import commands, fixes, styles
from lammps_jobs.script.fixes import FIXES, Trait, traits_of

PAGES = frozenset((Path(__file__).parent / "manual_pages.txt").read_text().split())
"""Pages of the LAMMPS manual (22Jul2025) about fixes and commands, and those about styles that a row names."""
SOURCE = re.compile(r"(?P<page>\w+)([:;] .+)?")


@pytest.mark.parametrize(
    "keys",
    [
        [fix.name for fix in FIXES],
        [row.name for row in commands.ROWS],
        [(style.kind, style.name) for style in styles.STYLES],
    ],
    ids=["fixes", "commands", "styles"],
)
def test_table_is_sorted_and_names_nothing_twice(keys):
    assert keys == sorted(set(keys))


def test_every_row_names_a_page_of_the_manual():
    matches = {row.source: SOURCE.fullmatch(row.source) for row in (*FIXES, *commands.ROWS, *styles.STYLES)}
    assert [source for source, match in matches.items() if not match or match["page"] not in PAGES] == []


def test_fixes_name_pages_about_fixes():
    assert [fix.name for fix in FIXES if not fix.source.startswith(("fix_", "Commands_removed"))] == []


def test_fix_that_is_not_exact_says_why():
    assert [fix.name for fix in FIXES if bool(fix.why) != (fix.grade != "exact")] == []


@pytest.mark.parametrize(
    ("beginnings", "trait"),
    [
        (("nvt", "npt", "nph", "tgn", "rigid", "poems", "shake", "rattle", "qeq", "acks2", "nvk"), Trait.REDERIVES),
        (("ave/",), Trait.AVE_KEYWORD),
        (("ave/", "print", "reaxff/", "reax/c/"), Trait.WRITES_AT_SETUP),
        (("npt/", "nph/"), Trait.PINS_FIXEDPOINT),
    ],
)
def test_trait_goes_with_the_beginning_of_a_name(beginnings, trait):
    named = {fix.name for fix in FIXES if fix.name.startswith(beginnings)}
    with_trait = {fix.name for fix in FIXES if trait in fix.traits} - {"npt", "nph"}
    assert with_trait == named - {"npt", "nph"}


@pytest.mark.parametrize(
    ("trait", "names"),
    [
        (Trait.REFERENCE_AT_SETUP, "msst nphug qbmsst spring/chunk spring/rg"),
        (Trait.AVERAGES, "ave/atom ave/chunk ave/grid ave/histo ave/histo/weight ave/time"),
        (Trait.COUNTS, "pour"),
        (Trait.BALANCES, "balance"),
        (Trait.STORES_VALUES, "store/state"),
        (Trait.NEW_BOX_EACH_RUN, "npt/uef nvt/uef"),
        (Trait.HAS_OWN_LIBRARY, "colvars"),
        (Trait.ORDER_OF_PAIRS, "shardlow"),
    ],
)
def test_trait_belongs_to_these_fixes(trait, names):
    assert [fix.name for fix in FIXES if trait in fix.traits] == names.split()


def test_fix_that_averages_in_windows_may_average_over_its_past():
    assert [fix.name for fix in FIXES if Trait.AVERAGES in fix.traits and Trait.AVE_KEYWORD not in fix.traits] == []


def test_grade_goes_with_what_is_not_in_a_restart_file():
    lost = Trait.RANDOM_STREAM | Trait.PAST
    assert [fix.name for fix in FIXES if bool(fix.traits & lost) != (fix.grade == "statistical")] == []
    assert [fix.name for fix in FIXES if fix.grade == "faithful" and Trait.FROM_ATOMS not in fix.traits] == []


def test_accelerated_fix_has_the_traits_of_the_plain_one():
    assert traits_of("npt/kk") == traits_of("npt")
    assert fixes.fix_of("nve/omp") is fixes.fix_of("nve") is not None


def test_nothing_good_is_said_of_an_unknown_fix():
    assert fixes.fix_of("made/up") is None
    assert Trait.REDERIVES in traits_of("made/up")


@pytest.mark.parametrize(
    ("flags", "rows"), [(fixes.Trait, FIXES), (commands.Trait, commands.ROWS), (styles.Trait, styles.STYLES)]
)
def test_every_trait_is_somebodys(flags, rows):
    assert [trait for trait in flags if not any(trait in row.traits for row in rows)] == []


def test_every_effect_is_somebodys():
    assert set(commands.Effect) == {row.effect for row in commands.ROWS}


def test_only_settings_add_up():
    rows = [row for row in commands.ROWS if commands.Trait.CUMULATIVE in row.traits]
    assert {row.effect for row in rows} == {commands.Effect.KEPT}


def test_what_a_command_clears_is_a_command():
    assert {name for row in commands.ROWS for name in row.clears} <= set(commands.COMMANDS)
