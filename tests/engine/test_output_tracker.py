"""Which bytes of which files are recorded at a cut, and that joined they are the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lammps_jobs.engine import output_tracker
from lammps_jobs.engine.output_tracker import OutputTracker
from lammps_jobs.protocol.messages import Gained, OutputChange, Removed


class Record:
    """Keeps what the supervisor would keep of every cut."""

    def __init__(self, folder: Path, inputs: tuple[str, ...] = (), before: dict[str, bytes] | None = None) -> None:
        self.files = dict(before or {})
        self.work, self._copies = folder / "work", folder / "copies"
        self.tracker = OutputTracker(self.work, inputs, {".full.log": folder / "full.log"}, self.files)
        self._cuts = 0

    def cut(self, rewritten: frozenset[str] = frozenset()) -> list[OutputChange]:
        self._cuts += 1
        copies = self._copies / str(self._cuts)
        copies.mkdir(parents=True)
        changes = self.tracker.changes(copies, rewritten)
        for change in changes:
            if isinstance(change, Removed):
                del self.files[change.name]
            else:
                content = change.source.read_bytes()[change.start : change.stop]
                self.files[change.name] = (b"" if change.replaces else self.files.get(change.name, b"")) + content
        return changes


@pytest.fixture
def record(tmp_path) -> Record:
    (tmp_path / "work" / "sub").mkdir(parents=True)
    (tmp_path / "work" / "in.test").write_text("run 1\n")
    (tmp_path / "work" / "table.txt").write_text("1 2 3\n")
    return Record(tmp_path, ("in.test", "table.txt"))


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_file_that_grows_is_recorded_piece_by_piece(record):
    append(record.work / "sub" / "dump", b"frame 1\n")
    (first,) = record.cut()
    append(record.work / "sub" / "dump", b"frame 2\n")
    (second,) = record.cut()
    assert isinstance(first, Gained)
    assert isinstance(second, Gained)
    assert (first.name, second.stop - second.start, second.replaces) == ("sub/dump", 8, False)
    assert record.files == {"sub/dump": b"frame 1\nframe 2\n"}
    assert record.cut() == []


def test_inputs_are_no_outputs_until_they_are_written_to(record):
    assert record.cut() == []
    append(record.work / "table.txt", b"4 5 6\n")
    record.cut()
    assert record.files == {"table.txt": b"1 2 3\n4 5 6\n"}


def test_file_that_is_written_again_replaces_what_was_recorded(record):
    (record.work / "end.data").write_bytes(b"x" * 100)
    record.cut()
    for content in (b"short", b"y" * 200):
        (record.work / "end.data").write_bytes(content)
        record.cut()
        assert record.files == {"end.data": content}


def test_rewritten_file_is_recorded_whole_even_if_it_seems_to_grow(record):
    append(record.work / "latest.dat", b"row 1\n")
    record.cut(frozenset({"latest.dat"}))
    append(record.work / "latest.dat", b"row 2\n")
    (change,) = record.cut(frozenset({"latest.dat"}))
    assert isinstance(change, Gained)
    assert change.replaces
    assert record.files == {"latest.dat": b"row 1\nrow 2\n"}


def test_removed_file_is_gone_and_may_come_again(record):
    append(record.work / "a", b"1")
    record.cut()
    (record.work / "a").unlink()
    assert record.cut() == [Removed(name="a")]
    append(record.work / "a", b"2")
    record.cut()
    assert record.files == {"a": b"2"}


def test_short_pieces_are_copied_at_once_and_long_ones_read_in_place(record, monkeypatch):
    monkeypatch.setattr(output_tracker, "COPIED_AT_ONCE", 10)
    append(record.work / "dump", b"0123456789")
    record.cut()
    append(record.work / "dump", b"abc")
    (short,) = record.cut()
    append(record.work / "dump", b"0123456789ABCDEF")
    (long,) = record.cut()
    assert isinstance(short, Gained)
    assert isinstance(long, Gained)
    assert short.source != record.work / "dump"
    assert (long.source, long.start, long.stop) == (record.work / "dump", 13, 29)
    assert record.files == {"dump": b"0123456789abc0123456789ABCDEF"}


def test_resumed_attempt_goes_on_behind_the_record_without_what_it_repeats(tmp_path):
    (tmp_path / "work").mkdir()
    record = Record(tmp_path, before={"dump": b"frame 1\n", "averages": b"# header\n1 2\n"})
    append(record.work / "averages", b"# header\n")  # LAMMPS opens it, and writes its header once more
    append(record.work / "new", b"# header\n")
    record.tracker.forget_new_bytes(frozenset({"new"}))
    append(record.work / "averages", b"3 4\n")
    append(record.work / "dump", b"frame 2\n")  # opened at its first frame only: a file of its own
    record.cut()
    assert record.files["averages"] == b"# header\n1 2\n3 4\n"
    assert record.files["new"] == b"# header\n"
    assert record.files["dump"] == b"frame 2\n"


def test_fetched_file_is_known_and_not_recorded_twice(tmp_path):
    (tmp_path / "work").mkdir()
    record = Record(tmp_path, before={"start.data": b"atoms"})
    append(record.work / "start.data", b"atoms")
    record.tracker.know("start.data")
    assert record.cut() == []


def test_file_beside_the_folder_is_recorded_under_its_own_name(record, tmp_path):
    append(tmp_path / "full.log", b"LAMMPS\n")
    record.cut()
    assert record.files == {".full.log": b"LAMMPS\n"}
