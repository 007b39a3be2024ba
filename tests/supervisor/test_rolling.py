"""Small segments become few: the same bytes, in objects that do not grow in number as the checkpoints do."""

from __future__ import annotations

import threading

import obstore
import pytest

from lammps_jobs.protocol.messages import Finished
from lammps_jobs.record.documents import Blob, Checkpoint, Lineage, OutputFile
from lammps_jobs.record.object_store import CHUNK, open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.recorder import Recorder
from lammps_jobs.supervisor.rolling import Roller, applied, due, rolled
from tests.record.test_run_record import attempt, commit


@pytest.fixture
def record(tmp_path) -> RunRecord:
    found = RunRecord(open_root(str(tmp_path / "store")), "x")
    found.claim(attempt())
    return found


def recorder_of(record: RunRecord, origin: Checkpoint | None = None, *, keep: int = 2) -> Recorder:
    """One that makes one segment of four."""
    recorder = Recorder(record, 1, origin, keep)
    recorder.roller = Roller(record, recorder.outputs, least=4)
    return recorder


def content_of(record: RunRecord, output: OutputFile) -> str:
    return b"".join(record.content_of(one) for one in output.segments).decode()


def frames(last: int) -> str:
    return "".join(f"frame {step}\n" for step in range(1, last + 1))


def of_sizes(*sizes: int) -> OutputFile:
    return OutputFile(segments=tuple(Blob(sha256=f"{at:064x}", size=size) for at, size in enumerate(sizes)))


def test_checkpoints_of_one_attempt_leave_few_segments_and_every_byte(record, tmp_path):
    recorder = recorder_of(record, keep=10**6)
    for step in range(1, 61):
        commit(recorder, tmp_path / str(step), step)
        recorder.roller.settle()
    fresh = RunRecord(record.root, "x")
    counts = []
    for seq in fresh.checkpoint_seqs():
        checkpoint = fresh.checkpoint(seq)
        fresh.verify(checkpoint)
        assert content_of(fresh, checkpoint.outputs["out"]) == frames(checkpoint.step)
        counts.append(len(checkpoint.outputs["out"].segments))
    assert max(counts) <= 12
    assert recorder.finish(Finished(step=60, outputs=()), Lineage())
    assert content_of(fresh, fresh.outputs()["out"]) == frames(60)


def test_what_an_earlier_attempt_recorded_is_let_alone(record, tmp_path):
    """The log of an attempt that goes on is told from the one before it by the segments between them."""
    first = recorder_of(record)
    for step in range(1, 4):
        commit(first, tmp_path / str(step), step)
    before = first.outputs["out"].segments
    second = recorder_of(record, record.checkpoint(3))
    for step in range(4, 12):
        commit(second, tmp_path / str(step), step)
        second.roller.settle()
    assert second.outputs["out"].segments[:3] == before
    assert len(second.outputs["out"].segments) < 11
    assert content_of(record, second.outputs["out"]) == frames(11)


def test_nothing_is_rolled_up_of_pieces_that_are_damaged(record, tmp_path):
    recorder = recorder_of(record)
    pieces = tuple(record.put_bytes(text) for text in (b"a", b"b", b"c", b"d"))
    for step in range(1, 4):
        commit(recorder, tmp_path / str(step), step)
    piece = recorder.outputs["out"].segments[1]
    obstore.put(record.root, f"x/blobs/{piece.name}", b"f")
    for step in range(4, 8):
        commit(recorder, tmp_path / str(step), step)
        recorder.roller.settle()
    assert piece in recorder.outputs["out"].segments
    both = {"out": recorder.outputs["out"], "whole": OutputFile(segments=pieces)}
    assert [one.name for one in rolled(record, both, {}, least=4)] == ["whole"]


def test_output_that_was_written_anew_meanwhile_stays_as_it_is(record):
    pieces = tuple(record.put_bytes(text) for text in (b"a", b"b", b"c", b"d"))
    found = list(rolled(record, {"out": OutputFile(segments=pieces)}, {}, least=4))
    assert found
    for now in ({"out": OutputFile(segments=(*pieces[:3], record.put_bytes(b"e")))}, {}):
        assert applied(now, found) == now


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ((1,) * 3, 0),
        ((1,) * 4, 4),
        ((100, 1, 1, 1, 1), 4),  # what was rolled up waits for its like
        ((100, 100, 100, 100, 1), 0),
        ((5, 1, 9, 3, 2), 5),
        ((CHUNK, CHUNK, CHUNK, CHUNK), 0),
        ((CHUNK // 2, CHUNK // 3, CHUNK // 4, CHUNK // 4), 0),
    ],
)
def test_segments_of_about_one_size_become_one(sizes, count):
    assert len(due(of_sizes(*sizes), 0, 4)) == count


def test_each_byte_is_written_again_a_few_times_at_most():
    """As over a week of checkpoints: 2,000 of them, in files of few segments."""
    segments, written = list[int](), 0
    for _ in range(2000):
        segments.append(1)
        while count := len(due(of_sizes(*segments), 0)):
            written += sum(segments[-count:])
            segments[-count:] = [sum(segments[-count:])]
    assert len(segments) <= 64
    assert written <= 2 * 2000


def test_pieces_are_read_side_by_side(record, tmp_path, monkeypatch):
    """One after the other would be a wait for each: here the first one waits until others have been asked for, too."""
    pieces = [record.put_bytes(b"%d," % number) for number in range(40)]
    together, get = threading.Barrier(4), obstore.get  # 40 and 8 reads: no remainder waits

    def meets(*args, **how):
        together.wait(60)
        return get(*args, **how)

    monkeypatch.setattr(obstore, "get", meets)
    record.write_file(pieces, tmp_path / "joined")
    assert (tmp_path / "joined").read_text() == "".join(f"{number}," for number in range(40))
    assert record.joined(pieces[:8]).size == sum(piece.size for piece in pieces[:8])
