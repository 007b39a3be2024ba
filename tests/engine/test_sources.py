"""What a command has read is kept, and lies there again for the moment in which it is issued again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lammps_jobs.engine.output_tracker import OutputTracker
from lammps_jobs.engine.sources import Sources
from lammps_jobs.protocol.messages import Gained, Removed


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "given.txt").write_text("given")
    return made


def sources_in(tmp_path: Path, folder: Path, record: dict[str, str], before: tuple[str, ...] = ()) -> Sources:
    def fetch(name: str, target: Path) -> None:
        target.write_text(record[name])

    place = tmp_path / "sources"
    shutil.rmtree(place, ignore_errors=True)
    return Sources(place, OutputTracker(folder, ("given.txt",), {}, before), fetch)


def recorded(tmp_path: Path, sources: Sources, needed: dict[str, str]) -> dict[str, str | None]:
    copies = tmp_path / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    sources.forget(needed.values())
    changes = sources._outputs.changes(copies)
    return {change.name: change.source.read_text() if isinstance(change, Gained) else None for change in changes
            if isinstance(change, Gained | Removed)}  # fmt: skip


def test_input_as_it_was_given_needs_no_copy(tmp_path, folder):
    sources = sources_in(tmp_path, folder, {"given:given.txt": "given"})
    kept = sources.of(["given.txt", "no-file", "."])
    assert kept == {"given.txt": "given:given.txt"}
    assert recorded(tmp_path, sources, kept) == {}
    with sources.laid_out(kept):
        assert (folder / "given.txt").read_text() == "given"
    (folder / "given.txt").write_text("changed")
    with sources.laid_out(kept):
        assert (folder / "given.txt").read_text() == "given"
    assert (folder / "given.txt").read_text() == "changed"


def test_file_of_the_scripts_own_is_copied_once_and_recorded_while_it_is_needed(tmp_path, folder):
    (folder / "made.txt").write_text("first")
    sources = sources_in(tmp_path, folder, {})
    kept = sources.of(["made.txt"])
    assert sources.of(["made.txt"]) == kept
    (folder / "made.txt").write_text("second")
    found = recorded(tmp_path, sources, kept)
    assert found == {"made.txt": "second", kept["made.txt"]: "first"}
    assert recorded(tmp_path, sources, {}) == {kept["made.txt"]: None}


def test_resumed_attempt_lays_out_what_is_in_the_record_and_lets_go_of_it(tmp_path, folder):
    kept = {"made.txt": ".source-abc"}
    sources = sources_in(tmp_path, folder, {".source-abc": "first"}, before=(".source-abc",))
    assert sources._outputs.absent == frozenset(), "no look at the folder may bring it"
    with sources.laid_out(kept):
        assert (folder / "made.txt").read_text() == "first"
    assert list(folder.iterdir()) == [folder / "given.txt"]
    assert recorded(tmp_path, sources, kept) == {}
    assert recorded(tmp_path, sources, {}) == {".source-abc": None}


def test_file_that_the_command_opens_for_writing_is_its_output(tmp_path, folder):
    (folder / "out.txt").write_text("rows")
    sources = sources_in(tmp_path, folder, {".source-abc": "old"}, before=(".source-abc",))
    with sources.laid_out({"out.txt": ".source-abc"}):
        output = (folder / "out.txt").open("w")
    output.write("new")
    output.close()
    assert (folder / "out.txt").read_text() == "new"
    assert {path.name for path in folder.iterdir()} == {"given.txt", "out.txt"}
