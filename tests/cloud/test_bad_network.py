"""S3 as it is on a bad day: slow, refusing, breaking off in the middle - nothing lost, nothing twice, nothing torn."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emulator.endpoint import Call, Fault
from lammps_jobs.errors import StoreAway, StoreError
from lammps_jobs.record import blobs, object_store
from lammps_jobs.record.documents import Attempt
from lammps_jobs.record.object_store import CHUNK, open_root
from lammps_jobs.record.run_record import RunRecord

pytestmark = pytest.mark.xdist_group("waiting")
KINDS = ("503", "500", "reset", "slow")


@pytest.fixture
def record(waiting) -> RunRecord:
    yield RunRecord(open_root(f"s3://{bucket_of(waiting)}/runs", waiting.region), "shaky")
    waiting.endpoint.faults.clear()


def bucket_of(cloud) -> str:
    buckets = cloud._client("s3").list_buckets()["Buckets"]
    return next(one["Name"] for one in buckets if "logs" not in one["Name"])


def asks(method: str, part: str):
    return lambda call: call.service == "s3" and call.method == method and part in call.path


@pytest.mark.parametrize("kind", [*KINDS, "lost"])
def test_upload_survives(waiting, record, kind):
    waiting.endpoint.faults.append(Fault(asks("PUT", "/blobs/"), kind, times=2))
    blob = record.put_bytes(f"{kind}: content".encode())
    assert b"".join(record.read_blob(blob)) == f"{kind}: content".encode()


@pytest.mark.parametrize("kind", [*KINDS, "half"])
def test_download_survives(waiting, record, tmp_path, kind):
    content = bytes(range(256)) * 4096
    blob = record.put_bytes(content)
    waiting.endpoint.faults.append(Fault(asks("GET", "/blobs/"), kind, times=2))
    record.write_file([blob], tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content


@pytest.mark.parametrize("kind", [*KINDS, "lost"])
def test_what_may_be_written_once_is_ours_although_its_answer_was_lost(waiting, record, kind):
    """Else an attempt would take itself for another one, and stop."""
    number = record.newest_attempt() + 1
    mine = Attempt(number=number, host="here", supervisor_pid=1, supervisor_started=0, scratch=kind)
    waiting.endpoint.faults.append(Fault(asks("PUT", "/attempts/"), kind))
    assert record.claim(mine)
    assert not record.claim(mine.model_copy(update={"host": "there"}))


@pytest.mark.parametrize("kind", ["409", "reset"])
def test_store_that_refuses_many_times_in_a_row_is_asked_until_it_takes_it(waiting, record, kind):
    """409 says that another request is under way; taken for "exists", it would end attempts as fenced."""
    number = record.newest_attempt() + 1
    waiting.endpoint.faults.append(Fault(asks("PUT", "/attempts/"), kind, times=6))
    assert record.claim(Attempt(number=number, host="here", supervisor_pid=1, supervisor_started=0, scratch=kind))
    assert record.newest_attempt() == number


def test_large_file_goes_in_parts_and_a_broken_part_is_sent_again(waiting, record, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"0123456789abcdef" * (5 * CHUNK // 32))
    waiting.endpoint.calls.clear()
    waiting.endpoint.faults.append(Fault(lambda call: call.method == "PUT" and "partNumber" in call.query, "503"))
    blob = record.put_file(path)
    parts = {call.query["partNumber"] for call in waiting.endpoint.calls if "partNumber" in call.query}
    assert len(parts) == 3
    record.write_file([blob], tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == path.read_bytes()


def test_parts_grow_with_the_file_because_their_number_is_limited(waiting, record, monkeypatch, tmp_path):
    monkeypatch.setattr(blobs, "MOST_PARTS", 2)
    path = tmp_path / "huge"
    path.write_bytes(b"fedcba9876543210" * (5 * CHUNK // 32))
    waiting.endpoint.calls.clear()
    record.put_file(path)
    assert {call.query["partNumber"] for call in waiting.endpoint.calls if "partNumber" in call.query} == {"1", "2"}


def impatient(cloud, monkeypatch) -> RunRecord:
    """A store that takes a second of silence for a broken connection."""
    monkeypatch.setattr(object_store, "SILENCE", timedelta(seconds=1))
    return RunRecord(open_root(f"s3://{bucket_of(cloud)}/runs", cloud.region), "shaky")


def test_silence_is_taken_for_a_broken_connection(waiting, record, monkeypatch):
    record = impatient(waiting, monkeypatch)
    waiting.endpoint.faults.append(Fault(asks("PUT", "/blobs/"), "silent"))
    blob = record.put_bytes(b"after a silence")
    waiting.endpoint.faults.append(Fault(asks("GET", "/blobs/"), "silent"))
    assert b"".join(record.read_blob(blob)) == b"after a silence"


def test_download_may_take_longer_than_any_silence(waiting, record, monkeypatch):
    content = bytes(range(250)) * 40
    record = impatient(waiting, monkeypatch)
    blob = record.put_bytes(content)
    waiting.endpoint.calls.clear()
    waiting.endpoint.faults.append(Fault(asks("GET", "/blobs/"), "trickle"))
    assert b"".join(record.read_blob(blob)) == content
    assert len([call for call in waiting.endpoint.calls if call.method == "GET"]) == 1


def test_store_that_stays_away_is_an_error_that_says_so(waiting, record, monkeypatch):
    def always(call: Call) -> bool:
        return call.service == "s3"

    monkeypatch.setitem(object_store.RETRIES, "max_retries", 2)
    monkeypatch.setattr(object_store, "PATIENCE_S", 0.0)
    shaky = RunRecord(open_root(f"s3://{bucket_of(waiting)}/runs", waiting.region), "shaky")
    waiting.endpoint.faults.append(Fault(always, "503", times=1000))
    with pytest.raises(StoreAway) as error:
        shaky.put_bytes(b"never arrives")
    assert error.value.remedy
    with pytest.raises(StoreError):
        shaky.newest_attempt()
