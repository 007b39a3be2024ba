"""Where the run is in its script: include, jump, branches, and coming back from a stored position."""

from __future__ import annotations

import pytest

from lammps_jobs.protocol.engine_state import PositionState
from lammps_jobs.script.language import ScriptFault
from lammps_jobs.script.position import Position

FILES = {"in.main": "one\ntwo &\n more\nthree\n", "in.more": "four\nfive\n"}


@pytest.fixture
def position(tmp_path, monkeypatch) -> Position:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    made = Position()
    made.open("in.main")
    return made


def left(position: Position) -> list[str]:
    return [text for _, _, text in iter(position.advance, None)]


def test_lines_come_with_file_and_number(position):
    assert [position.advance() for _ in range(4)] == [
        ("in.main", 1, "one"), ("in.main", 3, "two  more"), ("in.main", 4, "three"), None]  # fmt: skip


def test_included_file_comes_before_the_rest(position):
    position.advance()
    position.open("in.more")
    assert left(position) == ["four", "five", "two  more", "three"]


def test_jump_in_a_branch_leaves_the_file_after_the_branch(position):
    position.advance()
    position.branch("in.main", 1, ["b", "c"])
    position.advance()
    position.jump("in.more")
    assert left(position) == ["c", "four", "five"]


def test_jump_after_an_exhausted_list_is_passed_over_once(position):
    position.advance()
    position.skip_next_jump = True
    position.jump("SELF")
    assert left(position) == ["two  more", "three"]
    position.open("in.main")
    position.advance()
    position.jump("SELF")
    assert left(position) == ["one", "two  more", "three"]


def test_label_that_never_comes_is_a_fault(position):
    position.jump("SELF", "nowhere")
    with pytest.raises(ScriptFault, match="nowhere"):
        left(position)


def test_file_that_is_missing_is_a_fault(position):
    with pytest.raises(ScriptFault, match=r"in\.gone"):
        position.open("in.gone")


@pytest.mark.parametrize(("back", "rest"), [(False, ["c", "five", "two  more", "three"]),
                                            (True, ["b", "c", "five", "two  more", "three"])])  # fmt: skip
def test_position_comes_back_from_the_engines_stored_state(position, back, rest):
    position.advance()
    position.open("in.more")
    position.advance()
    position.branch("in.more", 1, ["b", "c"])
    position.advance()
    stored = PositionState.model_validate(position.to_json(back=back))
    assert left(Position.from_json(position.read, stored.model_dump(mode="json"))) == rest
