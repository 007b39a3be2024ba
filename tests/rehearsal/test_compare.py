"""Comparing folders, by hand-made sides: what counts as a difference, and how it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from lammps_jobs.rehearsal.compare import Difference, compare


@pytest.fixture
def sides(tmp_path) -> tuple[Path, Path]:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
    return tmp_path / "a", tmp_path / "b"


def write(sides: tuple[Path, Path], name: str, left: bytes | str, right: bytes | str) -> None:
    for side, content in zip(sides, (left, right), strict=True):
        (side / name).parent.mkdir(parents=True, exist_ok=True)
        (side / name).write_bytes(content.encode() if isinstance(content, str) else content)


def test_comparison_names_the_first_place(sides):
    write(sides, "x.dat", "# head\n0 1.0\n", "# head\n0 1.5\n")
    write(sides, "same", "same", "same")
    (sides[0] / "extra").write_text("")
    assert compare(*sides) == [
        Difference("extra", "the file itself", "a file", "missing"),
        Difference("x.dat", "line 2", "0 1.0", "0 1.5", pytest.approx(1 / 3)),
    ]
    assert compare(*sides, frozenset({"extra", "x.dat"})) == []


def test_files_of_all_folders_empty_folders_and_links_are_compared(sides):
    left, right = sides
    (left / "deep" / "er").mkdir(parents=True)
    (left / "deep" / "er" / "only.here").write_text("x")
    (right / "empty").mkdir()
    (left / "last").symlink_to("one.restart")
    (right / "last").symlink_to("two.restart")
    (left / "dangling").symlink_to("nowhere")
    (right / "dangling").write_text("a file")
    found = {d.file: (d.left, d.right) for d in compare(left, right)}
    assert found == {
        "deep/er/only.here": ("a file", "missing"),
        "last": ("a link to one.restart", "a link to two.restart"),
        "dangling": ("a link to nowhere", "a file"),
    }  # fmt: skip


def test_equal_links_and_empty_folders_are_equal_and_no_link_is_followed(sides):
    for side in sides:
        (side / "folder").mkdir()
        (side / "out").symlink_to("/")
    assert compare(*sides) == []


def test_folder_that_is_empty_on_one_side_only_is_said_once(sides):
    (sides[0] / "traj").mkdir()
    (sides[1] / "traj").mkdir()
    (sides[1] / "traj" / "1").write_text("")
    assert [d.file for d in compare(*sides)] == ["traj/1"]


@pytest.mark.parametrize(("left", "right"), [("2050 1.5\n", "2051 1.5\n"), ("step 2000\n", "step 2099\n")])
def test_numbers_that_look_like_years_are_numbers(sides, left, right):
    write(sides, "x.dat", left, right)
    assert len(compare(*sides)) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("# written Mon Nov  3 10:11:12 2025\n", "# written Tue Dec 12 01:02:03 2026\n"),
        ("# written Mon Nov  3 10:11:12 UTC 2025\n", "# written Mon Nov  3 10:11:13 UTC 2025\n"),
        ("# 2025-11-03 10:11:12\n", "# 2026-01-01 00:00:00\n"),
        ("Total wall time: 0:00:01\n", "Total wall time: 0:01:59\n"),
    ],
)
def test_times_of_day_and_durations_are_passed_over(sides, left, right):
    write(sides, "x.dat", left, right)
    assert compare(*sides) == []
    write(sides, "x.dat", left + "1\n", right + "2\n")
    assert [d.where for d in compare(*sides)] == ["line 2"]


def test_other_ends_of_lines_are_a_difference(sides):
    write(sides, "x.dat", "1\n2\n", "1\r\n2\r\n")
    assert len(compare(*sides)) == 1
    write(sides, "x.dat", "1\n2\n", "1\n2")
    assert len(compare(*sides)) == 1


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("a.ppm", b"P6\n2 1\n255\n" + bytes([200, 17, 3, 4, 5, 6]), b"P6\n2 1\n255\n" + bytes([201, 17, 3, 4, 5, 6])),
        ("dark.ppm", b"P6\n2 1\n255\n\1\2\3\4\5\6", b"P6\n2 1\n255\n\1\2\3\4\5\7"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(range(128, 256)), b"\xff\xd8\xff\xe0" + bytes(range(255, 127, -1))),
    ],
)
def test_pictures_are_not_printed(sides, name, left, right):
    write(sides, name, left, right)
    (found,) = compare(*sides)
    assert found.where.startswith("byte ")
    assert str(found).isascii()


LOG = "LAMMPS (22 Jul 2025)\n---\nkeywords: ['Step', 'Temp', ]\ndata:\n  - [0, 1.5, ]\n{}  - [50, 1.4, ]\n...\n"


def test_yaml_of_a_log_must_have_its_lines_in_their_places(sides):
    end = "Loop time of 1 on 1 procs for 50 steps with 256 atoms\n"
    write(sides, "log.lammps", LOG.format("") + end, LOG.format("...\n") + end)
    (found,) = compare(*sides)
    assert found.where == "YAML around thermo rows"
    assert "..." in found.right
    write(sides, "log.lammps", LOG.format("") + end, LOG.format("") + end.replace("of 1 on", "of 2 on"))
    assert compare(*sides) == []
