"""Tags and notes: found by, shown, kept through everything, and nothing of the run changed by them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs import Cluster, UsageError
from lammps_jobs.api import housekeeping
from lammps_jobs.cli import commands
from lammps_jobs.record.labels import TAGS
from tests.api.test_listing import calls, made  # noqa: F401 - a fixture


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.cloud)])
def place(request, tmp_path) -> Cluster:
    return lammps_jobs.connect(
        store=tmp_path / "store" if request.param == "folder" else request.getfixturevalue("bucket")
    )


def names(place: Cluster, tag: str) -> list[str]:
    return [state.name for state in place.listing(tag=tag)]


def test_runs_are_found_by_their_tags_through_renaming_copying_and_removal(place, tmp_path):
    for name in ("a", "b", "c"):
        made(place, name, "finished")
    a, b = place.run("a"), place.run("b")
    a.tag("lj", "first")
    b.tag("lj", "lj")
    a.note = "the one with T = 0.7"
    assert (a.tags, b.tags, place.run("c").tags) == (("lj", "first"), ("lj",), ())
    assert sorted(names(place, "lj")) == ["a", "b"]
    assert place.tags() == {"a": ("first", "lj"), "b": ("lj",)}
    place.rename("a", "d")
    assert (place.run("d").tags, place.run("d").note) == (("lj", "first"), "the one with T = 0.7")
    assert sorted(names(place, "lj")) == ["b", "d"]
    b.untag("lj", "unknown")
    assert names(place, "lj") == ["d"]
    other = lammps_jobs.connect(store=tmp_path / "other")
    housekeeping.transfer(place.run("d"), other)
    assert names(other, "lj") == ["d"]
    assert other.run("d").note == "the one with T = 0.7"
    housekeeping.delete(place, "d")
    assert names(place, "first") == []
    made(place, "d", "finished")
    assert place.run("d").tags == ()


def test_tag_costs_a_call_and_a_list_by_tag_two(place, calls):  # noqa: F811
    for name in ("a", "b", "c"):
        made(place, name, "finished").tag("lj")
    calls.clear()
    assert len(place.listing(tag="lj")) == 3
    assert calls.total() <= 2


def test_tag_that_a_crash_left_or_that_nobody_may_remove_shows_no_run(place):
    made(place, "a", "finished").tag("lj")
    import obstore

    obstore.put(place._root, f"{TAGS}/lj/gone", b"1")
    obstore.put(place._root, f"{TAGS}/lj/", b"1") if "://" in place.store else None
    assert names(place, "lj") == ["a"]


@pytest.mark.parametrize("tag", ["", "a b", "../x", "x" * 65, "-x"])
def test_what_is_no_tag_is_refused(tmp_path, tag):
    run = made(lammps_jobs.connect(store=tmp_path), "a", "finished")
    with pytest.raises(UsageError, match="is no tag"):
        run.tag(tag)
    with pytest.raises(UsageError, match="4000 characters"):
        run.note = "x" * 4001


def test_unreadable_labels_are_none(tmp_path):
    run = made(lammps_jobs.connect(store=tmp_path), "a", "finished")
    run.tag("lj")
    (tmp_path / "a" / "labels.json").write_text("{")
    assert run.tags == ()
    assert run.status.state == "finished"
    run.tag("new")
    assert run.tags == ("new",)


def test_command_line_tags_shows_and_filters(tmp_path):
    def call(*words: str) -> str:
        done = CliRunner().invoke(commands, ["--store", str(tmp_path), *words], prog_name="lammps-jobs")
        assert done.exit_code == 0, done.output
        return done.output

    place = lammps_jobs.connect(store=tmp_path)
    for name in ("a", "b"):
        made(place, name, "finished")
    assert "tags" not in call("list")
    assert call("tag", "a", "lj", "first") == "a: lj first\n"
    assert call("note", "a", "cold\x1b[31m") == "cold[31m\n"
    assert "first lj" in call("list")
    assert "b " not in call("list", "--tag", "lj")
    assert json.loads(call("list", "--tag", "lj", "--json"))[0]["tags"] == ["first", "lj"]
    assert "note: cold" in call("status", "a")
    assert "tags: lj first" in call("status", "a")
    assert "No such runs" in call("list", "--tag", "other")
    assert call("tag", "a", "--remove", "lj", "first") == "a: no tags\n"
    assert call("note", "b") == "No note.\n"
