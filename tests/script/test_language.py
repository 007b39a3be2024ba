"""LAMMPS's language read without LAMMPS: expressions, commands in branches, and what variables stand for.

That lines, words and substitution are LAMMPS's own is checked against LAMMPS itself in test_flow.
"""

from __future__ import annotations

import pytest

from lammps_jobs.script.language import (
    ScriptFault,
    commands_in_branches,
    commands_of,
    in_ascii,
    pieces,
    plain_style,
    unquoted_variables,
    variables_in,
    words,
)
from lammps_jobs.script.values import COMBINATIONS, Values, pattern


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("a${b}c", ["a", "${b}", "c"]),
        ("$x$y", ["", "$x", "", "$y", ""]),
        ("run$(v_n+(1)).x", ["run", "$(v_n+(1))", ".x"]),
        ("cost $ 5", ["cost $ 5"]),
        ("open ${x", ["open ${x"]),
        ("${a b}$c", ["${a b}", "$c", ""]),
    ],
)
def test_text_is_cut_at_its_expressions(text, expected):
    assert pieces(text) == expected


def test_variables_are_found_inside_formulas_too():
    assert variables_in("a${b} $(${c}+v_d) $e") == ["b", "c"]


def test_commands_have_the_line_that_ends_them():
    text = "units lj # all\n\npair_style &\n  'lj/cut' 2.5\n"
    assert [(number, args) for number, _, args in commands_of(text)] == [
        (1, ["units", "lj"]), (4, ["pair_style", "lj/cut", "2.5"])]  # fmt: skip


def test_fault_names_its_line():
    with pytest.raises(ScriptFault, match="Unmatched single quote") as caught:
        list(commands_of("units lj\nprint 'x\n"))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('if "1" then "run 5 # c" quit else "a b"', [["run", "5"], ["quit"], ["a", "b"]]),
        ("if 1 then \"if 2 then 'a b'\"", [["if", "2", "then", "a b"], ["a", "b"]]),
        ("if 1 when", []),
        ("print 'a b'", []),
    ],
)
def test_commands_that_an_if_may_issue(line, expected):
    assert commands_in_branches(words(line)) == expected


@pytest.mark.parametrize(
    ("style", "plain"), [("nve/kk/host", "nve"), ("lj/cut/gpu", "lj/cut"), ("atom/gz", "atom/gz"), ("npt/omp", "npt")]
)
def test_plain_style(style, plain):
    assert plain_style(style) == plain


def known(*lines: str, **given: str) -> Values:
    values = Values({name: (value,) for name, value in given.items()})
    for line in lines:
        values.learn(line.split())
    return values


@pytest.mark.parametrize(
    ("lines", "text", "meanings"),
    [
        (["variable x index a b"], "f.$x", ["f.a", "f.b"]),
        (["variable x index a b"], "$x.${x}", ["a.a", "b.b"]),
        (["variable x loop 2", "variable y loop 4 5"], "$x$y", ["14", "15", "24", "25"]),
        (["variable x equal 1"], "$x", None),
        (["variable x string a", "variable x equal 1"], "$x", None),
        (["variable x string $y"], "$x", None),
        ([], "$(1+1)", None),
        ([], "plain", ["plain"]),
    ],
)
def test_what_a_text_can_stand_for(lines, text, meanings):
    assert known(*lines).meanings(text) == meanings


def test_caller_overrules_lists_but_not_strings():
    assert known("variable x index a b", x="c").meanings("$x") == ["c"]
    assert known("variable x string a", x="c").meanings("$x") == ["a"]


def test_command_that_may_not_be_issued_only_adds():
    values = known("variable x string a")
    values.learn(["variable", "x", "string", "b"], maybe=True)
    values.learn(["variable", "x", "equal", "1"], maybe=True)
    assert values.meanings("$x") == ["a", "b"]


def test_long_loops_are_cut_off():
    assert len(known("variable x loop 100000", "variable y loop 9").meanings("$x$y")) == COMBINATIONS


def test_pattern_lets_expressions_stand_for_anything():
    assert pattern("run[1]$(v_n).${x}") == "run[[]1]*.*"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\ufeffunits lj", " units lj"),
        ("mass\u00a01\u20091", "mass 1 1"),
        ("print \u201chello\u201d \u2018x\u2019", "print \"hello\" 'x'"),
        ("variable m equal \u22120.5", "variable m equal -0.5"),
        ("caf\u00e9", "caf\u00a9"),  # the first byte is dropped, the second kept
        ("units lj", "units lj"),
        ("bad \udce9 byte", "bad  byte"),
    ],
)
def test_typographic_signs_are_taken_as_lammps_takes_them(text, plain):
    assert in_ascii(text) == plain


def test_variables_outside_quotes_are_those_that_lammps_puts_in():
    line = "shell 'echo ${HOME}' ${a} $b \"${c}\" $(v_d+${e}) # ${f}"
    assert unquoted_variables(line) == ["a"]
