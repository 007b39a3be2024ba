"""Which bytes of which files are recorded at a cut, and that joined they are the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lammps_jobs.engine import output_tracker
from lammps_jobs.engine.open_files import follow
from lammps_jobs.engine.output_tracker import OutputTracker
from lammps_jobs.protocol.messages import Alias, Gained, OutputChange, Removed


class Record:
    """Keeps what the supervisor would keep of every cut."""

    def __init__(
        self, folder: Path, inputs: tuple[str, ...] = (), before: dict[str, bytes] | None = None, **options: Any
    ) -> None:
        self.files = dict(before or {})
        self.work, self._copies = folder / "work", folder / "copies"
        self.tracker = OutputTracker(self.work, inputs, {".full.log": folder / "full.log"}, self.files, **options)
        self._cuts = 0

    def cut(self, rewritten: frozenset[str] = frozenset()) -> list[OutputChange]:
        self._cuts += 1
        copies = self._copies / str(self._cuts)
        copies.mkdir(parents=True)
        changes = self.tracker.changes(copies, rewritten)
        for change in changes:
            if isinstance(change, Removed):
                del self.files[change.name]
            elif isinstance(change, Alias):
                self.files[change.name] = self.files[change.of]
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


def missing(record: Record) -> frozenset[str]:
    return record.tracker.absent | record.tracker.owed


def resumed(folder: Path, before: dict[str, bytes], inputs: tuple[str, ...] = (), **options: Any) -> Record:
    (folder / "work").mkdir()
    for name in inputs:
        (folder / "work" / name).write_bytes(b"given")
    return Record(folder, inputs, before, **options)


def test_what_a_resumed_attempt_lacks_is_known_until_it_is_brought_or_written_anew(tmp_path):
    record = resumed(tmp_path, {"dump": b"frame 1\n", "end.data": b"atoms", "old": b"1", ".full.log": b"LAMMPS\n"})
    append(record.work / "dump", b"")
    record.tracker.forget_new_bytes()
    assert missing(record) == {"dump", "end.data", "old"}
    append(record.work / "old", b"2")
    record.cut()
    assert missing(record) == {"dump", "end.data"}
    append(record.work / "end.data", b"atoms")
    record.tracker.know("end.data")
    assert missing(record) == {"dump"}


def test_open_file_gets_back_what_the_record_has_of_it_and_its_writer_goes_on_behind(tmp_path):
    record = resumed(tmp_path, {"averages": b"# header\n1 2\n3 4\n"})
    path, content = record.work / "averages", tmp_path / "recorded"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"# header\n")
        record.tracker.forget_new_bytes()
        writer.write(b"5 6\n")
        content.write_bytes(record.files["averages"])
        grown = record.tracker.give_back("averages", content)
        assert grown
        follow(grown)
        assert path.read_bytes() == b"# header\n1 2\n3 4\n5 6\n"
        writer.write(b"7 8\n")
    assert path.read_bytes() == b"# header\n1 2\n3 4\n5 6\n7 8\n"
    assert missing(record) == frozenset()
    record.cut()
    assert record.files["averages"] == path.read_bytes()


def test_file_that_was_brought_and_is_appended_to_in_the_set_up_does_not_keep_what_is_repeated(tmp_path):
    record = resumed(tmp_path, {"rows": b"# header\n1 2\n", "anew": b"# header\n1 2\n"})
    for name in ("rows", "anew"):
        append(record.work / name, b"# header\n1 2\n")
        record.tracker.know(name)
    append(record.work / "rows", b"# header\n")
    (record.work / "anew").write_bytes(b"# header\n")
    record.tracker.forget_new_bytes()
    assert (record.work / "rows").read_bytes() == b"# header\n1 2\n"
    assert missing(record) == {"anew"}
    for name in ("rows", "anew"):
        append(record.work / name, b"3 4\n")
    record.cut()
    assert record.files == {"rows": b"# header\n1 2\n3 4\n", "anew": b"# header\n1 2\n3 4\n"}


def test_surroundings_tell_of_folders_links_executables_and_of_inputs_as_they_were_given(tmp_path):
    record = resumed(tmp_path, {"post.sh": b"", "tool": b""}, inputs=("a", "b", "c"), executables=("tool",))
    append(record.work / "a", b" and more")
    (record.work / "b").unlink()
    (record.work / "empty" / "inner").mkdir(parents=True)
    (record.work / "latest").symlink_to("empty")
    append(record.work / "post.sh", b"")
    (record.work / "post.sh").chmod(0o755)
    record.cut()
    found = record.tracker.surroundings()
    assert found.inputs == ("c",)
    assert found.folders == ("empty", "empty/inner")
    assert found.links == {"latest": "empty"}
    assert set(found.executables) == {"post.sh", "tool"}
    append(record.work / "tool", b"")
    record.tracker.know("tool")
    assert (record.work / "tool").stat().st_mode & 0o111


def test_input_that_is_moved_is_an_output_under_its_new_name_and_may_be_removed(tmp_path):
    record = resumed(tmp_path, {}, inputs=("a",))
    (record.work / "a").rename(record.work / "moved")
    record.cut()
    assert record.files == {"moved": b"given"}
    (record.work / "moved").rename(record.work / "a")
    record.cut()
    assert record.files == {"a": b"given"}
    (record.work / "a").unlink()
    record.cut()
    assert record.files == {}


def test_link_shows_the_file_that_it_points_at_until_it_is_gone(record):
    append(record.work / "frame.1", b"1")
    (record.work / "latest").symlink_to("frame.1")
    record.cut()
    assert record.files == {"frame.1": b"1", "latest": b"1"}
    (record.work / "latest").unlink()
    record.cut()
    assert record.files == {"frame.1": b"1"}


def test_file_above_the_folder_is_recorded_by_its_path_from_there(tmp_path):
    record = resumed(tmp_path, {}, top=tmp_path)
    (tmp_path / "copies").mkdir()
    append(tmp_path / "beside", b"x")
    changes = record.tracker.changes(tmp_path / "copies")
    assert "../beside" in {change.name for change in changes}


def test_keywords_of_a_yaml_file_stand_in_it_once_also_after_a_resume(tmp_path):
    head, keywords = b"# Time-averaged data\n---\n", b"keywords: ['Step', 'v_t', ]\ndata:\n"
    (tmp_path / "first").mkdir()
    first = resumed(tmp_path / "first", {})
    for new in (head, keywords + b"  - [100, 1, ]\n"):
        append(first.work / "t.yaml", new)
        first.cut()
    assert first.tracker.surroundings().headed == ("t.yaml",)
    (tmp_path / "second").mkdir()
    second = resumed(tmp_path / "second", dict(first.files), headed=("t.yaml",))
    append(second.work / "t.yaml", head)
    second.tracker.forget_new_bytes()
    second.cut()
    assert second.tracker.surroundings().headed == ("t.yaml",)
    append(second.work / "t.yaml", keywords + b"  - [200, 1, ]\n")
    second.cut()
    append(second.work / "t.yaml", b"  - [300, 1, ]\n")
    second.cut()
    whole = head + keywords + b"".join(b"  - [%d, 1, ]\n" % step for step in (100, 200, 300))
    assert second.files["t.yaml"] == whole
    (tmp_path / "recorded").write_bytes(whole)
    second.tracker.give_back("t.yaml", tmp_path / "recorded")
    assert (second.work / "t.yaml").read_bytes() == whole


def test_file_that_lammps_has_begun_anew_after_a_resume_is_not_brought_from_the_record(tmp_path):
    (tmp_path / "work").mkdir()
    record = Record(tmp_path, before={"state.a": b"step 440", "state.b": b"step 400", "/elsewhere/out": b"rows"})
    (record.work / "state.a").write_bytes(b"step 480")
    assert record.tracker.absent == {"state.b", "/elsewhere/out"}
    record.cut()
    assert record.files["state.a"] == b"step 480"


def test_file_that_is_rewritten_in_its_middle_is_recorded_as_it_is_now(record):
    parts = [b"head" * 2000, b"old middle", b"tail" * 2000]
    (record.work / "state").write_bytes(b"".join(parts))
    record.cut()
    parts[1] = b"new middle"
    (record.work / "state").write_bytes(b"".join(parts))
    record.cut()
    assert record.files["state"] == b"".join(parts)
