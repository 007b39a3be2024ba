"""The store's promises, on a folder and on a real S3 server alike."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from lammps_jobs.errors import Damaged
from lammps_jobs.protocol.messages import Cut, Gained
from lammps_jobs.record import layout
from lammps_jobs.record.blobs import BY_LIST
from lammps_jobs.record.documents import Attempt, Blob, Checkpoint, Fidelity, Lineage, OutputFile
from lammps_jobs.record.object_store import is_folder, open_root
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.supervisor.recorder import Recorder
from tests.protocol.samples import engine_state


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.cloud)])
def record(request, tmp_path) -> RunRecord:
    url = str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("bucket")
    return RunRecord(open_root(url), "x")


def attempt(number: int = 1, host: str = "a") -> Attempt:
    return Attempt(number=number, host=host, supervisor_pid=1, supervisor_started=0, scratch="")


def commit(recorder: Recorder, folder: Path, step: int, *, boundary: bool = False) -> Checkpoint:
    """Commit a cut at `step` that adds a frame to the output `out`."""
    folder.mkdir()
    (folder / "restart").write_text(f"restart {step}")
    (folder / "0").write_text(f"frame {step}\n")
    size = (folder / "0").stat().st_size
    cut = Cut(
        number=step, folder=folder, state=engine_state(step=step), stage=1, boundary=boundary, stop=False,
        outputs=(Gained(name="out", source=folder / "0", start=0, stop=size, replaces=False),), fidelity=Fidelity(),
        cut_s=0.0, restart_s=0.0,
    )  # fmt: skip
    return recorder.commit(cut, Lineage(), lammps_version=20250722, ranks=1)


def test_of_many_writers_one_claims(record):
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda host: record.claim(attempt(host=str(host))), range(16)))
    assert won.count(True) == 1


def test_segments_are_joined_and_checked(record, tmp_path):
    segments = [record.put_bytes(content) for content in (b"one ", b"two ", b"three")]
    record.write_file(segments, tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == b"one two three"


def test_changed_missing_and_short_blobs_are_damaged(record, tmp_path):
    changed, missing = record.put_bytes(b"good content"), Blob(sha256="0" * 64, size=3)
    obstore.put(record.root, f"x/blobs/{changed.sha256}", b"evil content")
    for blob in (changed, missing):
        with pytest.raises(Damaged):
            record.write_file([blob], tmp_path / "out")
    assert not any(tmp_path.glob("out*"))


def test_large_file_goes_up_and_comes_down(record, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 80_000)
    blob = record.put_file(big)
    part = record.put_file(big, 1000, 19_000_000)
    assert (blob.size, part.size) == (20_480_000, 18_999_000)
    record.write_file([blob], tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == big.read_bytes()


@pytest.mark.parametrize("size", [1000, 9_000_000])
def test_file_that_grows_while_it_is_stored_keeps_to_what_was_asked(record, tmp_path, monkeypatch, size):
    """LAMMPS goes on appending to its outputs while a checkpoint is uploaded."""
    growing = tmp_path / "frames"
    growing.write_bytes(bytes(range(250)) * (size // 250))
    content, put = growing.read_bytes(), obstore.put

    def grown(*args, **how):
        with growing.open("ab") as file:
            file.write(b"the next frame")
        return put(*args, **how)

    monkeypatch.setattr(obstore, "put", grown)
    blob = record.put_file(growing, 0, size)
    assert b"".join(record.read_blob(blob)) == content


def test_torn_blob_is_stored_anew(record):
    content = b"whole content"
    obstore.put(record.root, f"x/blobs/{hashlib.sha256(content).hexdigest()}", content[:5])
    assert b"".join(record.read_blob(record.put_bytes(content))) == content


def test_large_file_that_is_stored_is_not_sent_again(record, tmp_path, monkeypatch):
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 80_000)
    blob = record.put_file(big)
    monkeypatch.setattr(obstore, "put", None)
    assert RunRecord(record.root, record.name).put_file(big) == blob


def test_retention_keeps_newest_and_stage_boundaries_and_all_outputs(record, tmp_path):
    record.claim(attempt())
    recorder = Recorder(record, 1, None, keep=2)
    for step in range(1, 7):
        commit(recorder, tmp_path / str(step), step, boundary=step == 2)
    assert record.checkpoint_seqs() == [2, 5, 6]
    for seq in record.checkpoint_seqs():
        record.verify(record.checkpoint(seq))
    record.write_file(record.checkpoint(6).outputs["out"].segments, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "".join(f"frame {step}\n" for step in range(1, 7))


def test_numbers_of_attempts_and_checkpoints_are_counted_not_spelled(record):
    """As texts 10000 comes before 9999, and no attempt would be fenced any more."""
    for number in (9998, 9999, 10000):
        assert record.claim(attempt().model_copy(update={"number": number}))
    assert record.newest_attempt() == 10000
    for seq in (999_999, 1_000_000):
        obstore.put(record.root, f"x/{layout.checkpoint(seq)}", b"{}")
    assert record.checkpoint_seqs() == [999_999, 1_000_000]


def test_missing_segment_makes_a_checkpoint_damaged(record, tmp_path):
    record.claim(attempt())
    checkpoint: Checkpoint = commit(Recorder(record, 1, None, keep=2), tmp_path / "c", 1)
    output: OutputFile = checkpoint.outputs["out"]
    obstore.delete(record.root, f"x/blobs/{output.segments[0].name}")
    with pytest.raises(Damaged, match="out"):
        record.verify(checkpoint)


def test_missing_and_short_segments_are_found_among_many(record, monkeypatch):
    """In a bucket by lists, and by no more looks at single objects than are in doubt."""
    segments = [record.put_bytes(b"segment %d" % number) for number in range(3 * BY_LIST)]
    elsewhere = Blob(sha256=hashlib.sha256(b"shared").hexdigest(), size=6)
    obstore.put(record.root, layout.shared_input(elsewhere.name), b"shared")
    gone, short = segments[7], segments[-1]
    obstore.delete(record.root, f"x/blobs/{gone.name}")
    obstore.put(record.root, f"x/blobs/{short.name}", b"s")
    looked, head = [], obstore.head
    monkeypatch.setattr(obstore, "head", lambda root, key: looked.append(key) or head(root, key))
    assert set(record.not_whole([*segments, elsewhere])) == {gone, short}
    assert is_folder(record.root) or len(looked) <= 2 * 3


def test_runs_are_listed(record):
    record.claim(attempt())
    assert run_names(record.root) == ["x"]
