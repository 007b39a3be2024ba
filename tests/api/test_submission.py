"""Submitting: names, variables, and how often an input is read."""

from __future__ import annotations

import pytest

from lammps_jobs import Cluster, NameTaken, UsageError
from lammps_jobs.api.naming import values_of
from lammps_jobs.backends.base import JobStatus
from lammps_jobs.record import blobs as record_blobs
from lammps_jobs.record import object_store
from lammps_jobs.record.documents import RunSpec
from lammps_jobs.record.object_store import open_root


class Waiting:
    """A place where no attempt ever starts."""

    def start(self, record) -> None:
        pass

    def status(self, record) -> JobStatus:
        return JobStatus("pending")


@pytest.fixture
def queue(tmp_path) -> Cluster:
    return Cluster(str(tmp_path / "queue"), Waiting(), open_root(str(tmp_path / "queue")))


@pytest.mark.parametrize("name", ["../escape", "melt\n", ".hidden", "-x", "a" * 129, "naïve", ""])
def test_bad_names_are_refused_with_the_rule(queue, script, name):
    if name:
        with pytest.raises(UsageError, match="beginning with a letter or digit"):
            queue.submit(script("units lj\n"), name=name)
    with pytest.raises(ValueError, match="beginning with a letter or digit"):
        RunSpec(name=name, script="in.melt", inputs={})


@pytest.mark.parametrize("name", ["2melt", "melt-1.5_a", "a" * 128])
def test_good_names_are_taken(queue, script, name):
    assert queue.submit(script("units lj\n"), name=name).name == name


def test_variables_are_the_words_of_the_command_line():
    given = {"T": 1.5, "seed": [1, 2], "model": "eam/alloy"}
    assert values_of(given) == {"T": ("1.5",), "seed": ("1", "2"), "model": ("eam/alloy",)}


def test_each_input_is_read_once_and_a_taken_name_uploads_nothing(queue, script, monkeypatch, tmp_path):
    read: list[str] = []

    def reading(path, start, stop):
        read.append(path.name)
        return chunks_of(path, start, stop)

    chunks_of = object_store.chunks_of
    monkeypatch.setattr(object_store, "chunks_of", reading)
    monkeypatch.setattr(record_blobs, "chunks_of", reading)
    path = script("units lj\ninclude more.inc\n", more__inc="# more\n")
    run = queue.submit(path, name="one")
    assert sorted(read) == ["in.test", "more.inc"]
    assert queue.submit(path, name="one").spec == run.spec
    blobs = sorted((tmp_path / "queue" / "one" / "blobs").iterdir())
    (path.parent / "more.inc").write_text("# changed\n")
    with pytest.raises(NameTaken, match=r"more\.inc line 1: # more -> # changed"):
        queue.submit(path, name="one")
    assert sorted((tmp_path / "queue" / "one" / "blobs").iterdir()) == blobs
