"""Pieces of what was rolled up go, once nobody can go on from a checkpoint that names them, and not before."""

from __future__ import annotations

import pytest

from lammps_jobs.errors import Damaged, Fenced
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Blob, Checkpoint
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.recorder import Recorder
from lammps_jobs.supervisor.rolling import Roller
from lammps_jobs.supervisor.superseded import Superseded
from tests.record.test_run_record import attempt, commit
from tests.supervisor.test_rolling import content_of, frames


class Hours:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def record(tmp_path) -> RunRecord:
    found = RunRecord(open_root(str(tmp_path / "store")), "x")
    found.claim(attempt())
    return found


def recorder_of(record: RunRecord, *, keep: int = 2, grace_s: float = 0.0, clock: Hours | None = None) -> Recorder:
    """One that makes one segment of four, and looks for what may go after each checkpoint."""
    recorder = Recorder(record, 1, None, keep)
    recorder.roller = Roller(record, recorder.outputs, least=4, of=1)
    recorder.superseded = Superseded(record, 1, grace_s=grace_s, least=1, clock=clock or Hours())
    return recorder


def committed(recorder: Recorder, folder, first: int, last: int) -> None:
    for step in range(first, last + 1):
        commit(recorder, folder / str(step), step)
        recorder.roller.settle()


def stored(record: RunRecord) -> set[str]:
    return {tail.removeprefix(layout.BLOBS).lstrip("/") for tail in record.sizes(layout.BLOBS)}


def named(record: RunRecord) -> set[str]:
    fresh = RunRecord(record.root, record.name)
    checkpoints = [fresh.checkpoint(seq) for seq in fresh.checkpoint_seqs()]
    outputs = {s.name for one in checkpoints if one for output in one.outputs.values() for s in output.segments}
    return outputs | {blob.name for one in checkpoints if one for blob in one.to_load}


def test_what_was_rolled_up_is_removed_and_every_kept_checkpoint_stays_whole(record, tmp_path):
    recorder = recorder_of(record)
    for step in range(1, 61):
        committed(recorder, tmp_path, step, step)
        fresh = RunRecord(record.root, "x")
        for seq in fresh.checkpoint_seqs():
            checkpoint = fresh.checkpoint(seq)
            fresh.verify(checkpoint)
            assert content_of(fresh, checkpoint.outputs["out"]) == frames(checkpoint.step)
    left = stored(record) - named(record)
    assert len(left) < 24, "of 60 frames the last ones that were rolled up"


@pytest.mark.parametrize("keep", [2, 9])
def test_pieces_that_a_kept_checkpoint_names_stay_however_many_are_kept(record, tmp_path, keep):
    recorder = recorder_of(record, keep=keep)
    committed(recorder, tmp_path, 1, 40)
    assert named(record) <= stored(record)
    assert len(record.checkpoint_seqs()) == keep
    assert len(stored(record) - named(record)) < 24


def test_whoever_reads_the_outputs_of_a_checkpoint_has_an_hour(record, tmp_path):
    clock = Hours()
    recorder = recorder_of(record, grace_s=3600.0, clock=clock)
    committed(recorder, tmp_path, 1, 4)
    read = recorder.outputs["out"].segments
    for step in range(5, 18):
        clock.now += 600.0
        committed(recorder, tmp_path, step, step)
        if clock.now <= 3600.0:
            assert {one.name for one in read} <= stored(record)
    assert not {one.name for one in read} & stored(record)


def test_nothing_goes_from_under_an_attempt_that_takes_over_while_old_checkpoints_are_removed(
    record, tmp_path, monkeypatch
):
    """It has read the last checkpoint that names pieces right before that was removed."""
    recorder, remove = recorder_of(record, keep=3), RunRecord.remove
    committed(recorder, tmp_path, 1, 6)
    going = min(record.checkpoint_seqs())
    assert len(record.checkpoint(going + 1).outputs["out"].segments) == 2, "the one behind it names what they became"
    other = RunRecord(record.root, "x")
    taken: list[set[Blob]] = []

    def overtaken(self: RunRecord, tail: str) -> None:
        if tail == layout.checkpoint(going) and not taken:
            assert other.claim(attempt().model_copy(update={"number": 2}))
            checkpoint = other.checkpoint(going)
            taken.append(set(checkpoint.outputs["out"].segments))
        remove(self, tail)

    monkeypatch.setattr(RunRecord, "remove", overtaken)
    with pytest.raises(Fenced):
        committed(recorder, tmp_path, 7, 12)
    (segments,) = taken
    assert {one.name for one in segments} <= stored(record)


def test_content_that_comes_again_is_stored_again(record):
    piece = record.put_bytes(b"a frame", of=1)
    superseded = Superseded(record, 1, grace_s=0.0, least=1, clock=Hours())
    superseded.add([piece])
    superseded.collect(set())
    superseded.collect(set())
    assert piece.name not in stored(record)
    assert record.put_bytes(b"a frame", of=1) == piece
    assert record.content_of(piece) == b"a frame"


def test_what_is_named_again_or_of_another_attempt_is_let_alone(record):
    mine, of_another = record.put_bytes(b"mine", of=1), record.put_bytes(b"of another", of=2)
    superseded = Superseded(record, 1, grace_s=0.0, least=1, clock=Hours())
    superseded.add([mine, of_another])
    superseded.collect(set())
    superseded.collect({mine.name})
    superseded.collect(set())
    assert {mine.name, of_another.name} <= stored(record)


@pytest.mark.parametrize("what", ["manifest", "list"])
def test_nothing_is_removed_while_a_checkpoint_cannot_be_read(record, tmp_path, monkeypatch, what):
    """It may be whole, and name the pieces: a read of it, or of a list that it relies on, can go wrong."""
    recorder, step = recorder_of(record, keep=4), 8
    committed(recorder, tmp_path, 1, step)
    while not recorder.superseded.is_due():
        step += 1
        committed(recorder, tmp_path, step, step)
    load = RunRecord._load_readable
    bad = record.checkpoint_seqs()[-1]
    recorder.record._loaded.clear()
    whole = RunRecord.checkpoint

    def unreadable(self: RunRecord, seq: int) -> Checkpoint | None:
        if seq == bad:
            raise Damaged("A list is damaged.")
        return whole(self, seq)

    if what == "list":
        monkeypatch.setattr(RunRecord, "checkpoint", unreadable)
    else:
        monkeypatch.setattr(
            RunRecord, "_load_readable",
            lambda self, tail, kind: None if tail == layout.checkpoint(bad) else load(self, tail, kind))  # fmt: skip
    removed: list[str] = []
    monkeypatch.setattr(RunRecord, "remove_blobs", lambda self, blobs: removed.extend(one.name for one in blobs))
    committed(recorder, tmp_path, step + 1, step + 3)
    assert not removed
