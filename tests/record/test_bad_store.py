"""Damage, outages and rivals: what is committed stays readable, and what can be had again is had again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError

import lammps_jobs
from lammps_jobs.errors import Damaged, Fenced, StoreAway, StoreError
from lammps_jobs.protocol.messages import Cut, Gained
from lammps_jobs.record import object_store
from lammps_jobs.record.blobs import PUT_AT_ONCE
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Cancelled,
    Fidelity,
    JobRequest,
    Lineage,
    Result,
    RunSpec,
    Submission,
)
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_objects import MOST_MANIFESTS
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import recovery
from lammps_jobs.supervisor.blame import Barred
from lammps_jobs.supervisor.recorder import Recorder
from tests.protocol.samples import engine_state
from tests.record.test_run_record import attempt, commit

AWAY = "Generic S3 error: HTTP error: error sending request"


@pytest.fixture
def record(tmp_path, monkeypatch) -> RunRecord:
    monkeypatch.setattr(object_store, "PATIENCE_S", 0.0)
    return RunRecord(open_root(str(tmp_path / "store")), "x")


def failing(monkeypatch, on: str, error: Exception, times: int = 10**9) -> None:
    put, left = obstore.put, [times]

    def fails(root, key, *args, **how):
        if on in key and left[0]:
            left[0] -= 1
            raise error
        return put(root, key, *args, **how)

    monkeypatch.setattr(obstore, "put", fails)


def joined(record: RunRecord, tmp_path: Path) -> str:
    record.write_file(record.outputs()["out"].segments, tmp_path / "joined")
    return (tmp_path / "joined").read_text()


@pytest.mark.parametrize("on", ["/blobs/", "/checkpoints/"])
def test_checkpoint_that_could_not_be_committed_leaves_no_gap_in_the_outputs(record, tmp_path, monkeypatch, on):
    record.claim(attempt())
    recorder = Recorder(record, 1, None, keep=2)
    commit(recorder, tmp_path / "1", 1)
    with monkeypatch.context() as bad:
        failing(bad, on, GenericError(AWAY))
        for step in (2, 3):
            with pytest.raises(StoreAway):
                commit(recorder, tmp_path / str(step), step)
    commit(recorder, tmp_path / "4", 4)
    assert joined(record, tmp_path) == "".join(f"frame {step}\n" for step in range(1, 5))


@pytest.mark.parametrize("failing_at", [None, 7])
def test_pieces_go_up_side_by_side_and_the_manifest_after_all_of_them(
    record, tmp_path, monkeypatch, chance, failing_at
):
    """The one put that is made to fail is the seventh piece's, while others are under way."""
    record.claim(attempt())
    recorder, put, lock = Recorder(record, 1, None, keep=2), obstore.put, threading.Lock()
    under_way, most, stored, manifests = set[str](), [0], set[str](), list[set[str]]()

    def slowly(root, key, *args, **how):
        if "/checkpoints/" in key:
            manifests.append(set(under_way))
        if "/blobs/" not in key:
            return put(root, key, *args, **how)
        with lock:
            under_way.add(key)
            most[0] = max(most[0], len(under_way))
            number = len(stored | under_way)
        time.sleep(pauses[number % len(pauses)])
        try:
            if number == failing_at:
                raise GenericError("Generic S3 error: it will not pass")
            return put(root, key, *args, **how)
        finally:
            with lock:
                under_way.discard(key)
                stored.add(key)

    pauses = [chance.uniform(0.0, 0.05) for _ in range(31)]
    monkeypatch.setattr(obstore, "put", slowly)
    cut = cut_of(tmp_path / "cut", 1, outputs=20)
    if failing_at:
        with pytest.raises(StoreError):
            recorder.commit(cut, Lineage(), lammps_version=1, ranks=1)
        assert not record.checkpoint_seqs()
        failing_at = None
        recorder.commit(cut, Lineage(), lammps_version=1, ranks=1)
    else:
        recorder.commit(cut, Lineage(), lammps_version=1, ranks=1)
    assert not under_way
    assert manifests == [set()], "the manifest was put while pieces were under way"
    assert 1 < most[0] <= PUT_AT_ONCE
    checkpoint = RunRecord(record.root, "x").checkpoint(1)
    assert checkpoint
    record.verify(checkpoint)
    read = {name: b"".join(record.read_blob(one.segments[0])) for name, one in checkpoint.outputs.items()}
    assert read == {f"out{at}": f"frame 1 of {at}\n".encode() for at in range(20)}


def cut_of(folder: Path, step: int, outputs: int) -> Cut:
    """A cut at which each of so many outputs has gained a frame, and each of two ranks has its files."""
    folder.mkdir()
    for rank in range(2):
        (folder / f"restart.{rank}").write_text(f"restart of rank {rank} at {step}")
    gained = []
    for at in range(outputs):
        (folder / str(at)).write_text(f"frame {step} of {at}\n")
        size = (folder / str(at)).stat().st_size
        gained.append(Gained(name=f"out{at}", source=folder / str(at), start=0, stop=size, replaces=False))
    return Cut(number=step, folder=folder, state=engine_state(step=step), stage=1, boundary=False, stop=False,
               outputs=tuple(gained), fidelity=Fidelity(), cut_s=0.0, restart_s=0.0)  # fmt: skip


def test_last_checkpoint_that_is_tried_again_records_its_outputs_once(record, tmp_path, monkeypatch):
    record.claim(attempt())
    tried = []

    class Patient(Recorder):
        """As the supervisor does with the last cut before its machine goes."""

        def commit(self, cut, *args, **options):
            with monkeypatch.context() as bad:
                failing(bad, "/checkpoints/", GenericError(AWAY))
                with pytest.raises(StoreAway):
                    super().commit(cut, *args, **options)
            tried.append(cut)
            return super().commit(cut, *args, **options)

    recorder = Patient(record, 1, None, keep=2)
    commit(recorder, tmp_path / "1", 1)
    assert tried
    assert joined(record, tmp_path) == "frame 1\n"


def test_run_that_is_resumed_on_aws_after_it_was_cancelled_is_not_cancelled(record):
    def asked(number, by="user"):
        request = JobRequest(number=number, name=f"j{number}", stack="s", pool="p", queue="q", definition="d", by=by)
        assert record.ask_job(request)

    asked(1)
    record.cancel(Cancelled(attempt=0))
    assert record.newest() == (0, True)
    asked(2, by="continuation")  # by a job that had not heard of it
    assert record.newest() == (0, True)
    asked(3)
    assert record.newest() == (0, False)


def test_broken_connection_is_tried_again(record, monkeypatch):
    failing(monkeypatch, "/attempts/", GenericError(AWAY), times=2)
    assert record.claim(attempt())


def test_error_of_the_store_that_will_not_pass_is_not_tried_again(record, monkeypatch):
    failing(monkeypatch, "/attempts/", GenericError("No space left on device"), times=1)
    with pytest.raises(StoreError, match="full"):
        record.claim(attempt())


def test_what_counts_is_on_the_disk_before_it_counts(record, tmp_path, monkeypatch):
    import os

    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    blob = record.put_bytes(b"content")
    record.claim(attempt())
    folder = tmp_path / "store" / "x"
    assert {str(folder / "blobs" / blob.sha256), str(folder / "blobs"), str(folder)} <= set(synced)
    assert str(folder / "attempts" / "0001.json") in synced


def test_store_is_its_owners_business_only(tmp_path):
    open_root(str(tmp_path / "store"))
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


def test_one_bad_transfer_damages_nothing(record, tmp_path, monkeypatch):
    record.claim(attempt())
    checkpoint = commit(Recorder(record, 1, None, keep=2), tmp_path / "1", 1)
    read, bad = RunRecord.read_blob, [1]

    def once_bad(self, blob):
        if bad and bad.pop():
            raise Damaged("a flipped bit")
        yield from read(self, blob)

    monkeypatch.setattr(RunRecord, "read_blob", once_bad)
    record.verify(checkpoint)
    bad.append(1)
    record.write_file([checkpoint.state], tmp_path / "state")


def test_damaged_blob_is_not_removed_and_is_healed_by_its_content(record, tmp_path):
    record.claim(attempt())
    checkpoint = commit(Recorder(record, 1, None, keep=2), tmp_path / "1", 1)
    key = f"x/blobs/{checkpoint.restart['restart'].name}"
    obstore.put(record.root, key, b"RESTART 1")
    with pytest.raises(Damaged):
        record.verify(checkpoint)
    assert bytes(obstore.get(record.root, key).bytes()) == b"RESTART 1"
    record.put_bytes(b"restart 1", of=1)
    record.verify(checkpoint)


def test_damaged_checkpoint_is_no_stumbling_block_for_retention(record, tmp_path):
    record.claim(attempt())
    recorder = Recorder(record, 1, None, keep=2)
    first = commit(recorder, tmp_path / "1", 1)
    for blob in first.to_load:
        obstore.delete(record.root, f"x/blobs/{blob.name}")
    for step in (2, 3, 4):
        commit(recorder, tmp_path / str(step), step)
    assert record.checkpoint_seqs() == [3, 4]


def test_newer_attempt_takes_the_next_number_where_an_older_one_was_faster(record, tmp_path, monkeypatch):
    """Else both stop: the newer one for the conflict, the older one because it is overtaken."""
    record.claim(attempt(1))
    old = Recorder(record, 1, None, keep=2)
    record.claim(attempt(2))
    put = record.commit

    def late(checkpoint):
        monkeypatch.undo()
        assert RunRecord(record.root, "x").commit(checkpoint.model_copy(update={"attempt": 1}))
        return put(checkpoint)

    monkeypatch.setattr(record, "commit", late)
    assert commit(Recorder(record, 2, None, keep=2), tmp_path / "2", 2).seq == 2
    with pytest.raises(Fenced):
        commit(old, tmp_path / "3", 3)


def test_attempt_that_was_overtaken_removes_nothing(record, tmp_path, monkeypatch):
    record.claim(attempt(1))
    recorder = Recorder(record, 1, None, keep=1)
    for step in (1, 2):
        commit(recorder, tmp_path / str(step), step)
    put = record.commit

    def then_overtaken(checkpoint):
        done = put(checkpoint)
        record.claim(attempt(2))
        return done

    monkeypatch.setattr(record, "commit", then_overtaken)
    with pytest.raises(Fenced):
        commit(recorder, tmp_path / "3", 3)
    assert record.checkpoint_seqs() == [1, 2, 3]


def test_resume_uses_the_checkpoint_that_was_committed_while_it_looked(record, tmp_path, monkeypatch):
    record.claim(attempt(1))
    recorder = Recorder(record, 1, None, keep=2)
    first = commit(recorder, tmp_path / "1", 1)
    verify = RunRecord.verify

    def tidied(self, checkpoint):
        monkeypatch.undo()
        commit(recorder, tmp_path / "2", 2)
        record.drop_checkpoint(first, set())
        return verify(self, checkpoint)

    monkeypatch.setattr(RunRecord, "verify", tidied)
    found = recovery.newest_usable(RunRecord(record.root, "x"), Barred())
    assert found.checkpoint
    assert found.checkpoint.seq == 2


def test_retention_reads_no_manifest_that_this_attempt_wrote(record, tmp_path, monkeypatch):
    """Manifests grow with the run: reading and keeping them all was quadratic, in time and in memory."""
    record.claim(attempt())
    recorder, read = Recorder(record, 1, None, keep=2), []
    get = obstore.get
    monkeypatch.setattr(obstore, "get", lambda root, key: read.append(key) or get(root, key))
    for step in range(1, 8):
        commit(recorder, tmp_path / str(step), step)
    assert not read
    kept = [record.checkpoint(seq).outputs["out"].segments for seq in record.checkpoint_seqs()]
    assert kept[0][0] is kept[1][0]


def test_boundaries_do_not_pile_up_and_memory_stays_bounded(record, tmp_path):
    record.claim(attempt())
    recorder = Recorder(record, 1, None, keep=2)
    for step in range(1, 14):
        commit(recorder, tmp_path / str(step), step, boundary=True)
    assert len(record.checkpoint_seqs()) <= 5
    assert len([key for key in record._loaded if key.startswith("checkpoints/")]) <= MOST_MANIFESTS


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 200_000, b'{"format": 99}'])
@pytest.mark.parametrize(
    "tail",
    [
        "spec.json",
        "result.json",
        "attempts/0001.json",
        "attempts/0001.end.json",
        "attempts/0001/events/00001.json",
        "attempts/0001/progress.json",
        "checkpoints/000001.json",
        "decisions/0001.json",
        "checkpoints/.DS_Store",
    ],
)
def test_one_unreadable_document_costs_one_row_at_most(tmp_path, tail, content):
    cluster = lammps_jobs.connect(store=tmp_path / "store")
    for name in ("good", "bad"):
        record = RunRecord(cluster._root, name)
        record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={})))
        record.claim(attempt())
        record.end(AttemptEnd(number=1, outcome="failed", reason="why"))
    path = tmp_path / "store" / "bad" / tail
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    (tmp_path / "store" / "lost+found").mkdir()
    (tmp_path / "store" / "stray").mkdir()
    found = {state.name: state for state in cluster.statuses()}
    assert set(found) == {"good", "bad"}
    assert found["good"].state == "failed"
    RunRecord(cluster._root, "bad").events()


def test_document_of_gigabytes_is_not_read(tmp_path):
    """Whoever may write to a store could fill the memory of all who list it."""
    cluster = lammps_jobs.connect(store=tmp_path / "store")
    for name in ("good", "bad"):
        record = RunRecord(cluster._root, name)
        record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={})))
        record.cancel(Cancelled(attempt=0))
    for tail in ("spec.json", "attempts/0000.cancelled.json", "head.json"):
        with (tmp_path / "store" / "bad" / tail).open("wb") as file:
            file.truncate(8 * 2**30)  # takes no room, and more memory than there may be
    assert {state.name: state.state for state in cluster.statuses()} == {"good": "cancelled", "bad": "unreadable"}
    with pytest.raises(Damaged, match="far too long"):
        RunRecord(cluster._root, "bad").submission()


def test_torn_specification_and_result_are_healed_by_writing_them_again(record, tmp_path):
    submission = Submission(spec=RunSpec(name="x", script="in.x", inputs={}))
    result = Result(**Lineage().model_dump(), attempt=1, step=9, outputs={})
    for tail in ("spec.json", "result.json"):
        obstore.put(record.root, f"x/{tail}", b"")
    assert not record.is_submitted()
    assert record.submit(submission)
    assert record.finish(result)
    assert RunRecord(record.root, "x").submission() == submission
    assert not record.finish(result.model_copy(update={"step": 8}))


def test_submitting_the_same_again_puts_a_damaged_input_back(tmp_path):
    (tmp_path / "in.x").write_text("units lj\n")
    cluster = lammps_jobs.connect(store=tmp_path / "store")
    record = RunRecord(cluster._root, "x")
    spec = RunSpec(name="x", script="in.x", inputs={"in.x": record.put_file(tmp_path / "in.x")})
    record.submit(Submission(spec=spec, origin=str(tmp_path / "in.x")))
    record.claim(Attempt(number=1, host="a", supervisor_pid=1, supervisor_started=0, scratch=""))
    record.end(AttemptEnd(number=1, outcome="failed", error="InputMissing"))
    blob = tmp_path / "store" / "x" / "blobs" / spec.inputs["in.x"].sha256
    for damage in (lambda: blob.write_bytes(b"UNITS lj\n"), blob.unlink):
        damage()
        cluster.submit(tmp_path / "in.x", name="x")
        assert blob.read_bytes() == b"units lj\n"
