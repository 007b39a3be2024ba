"""The stitched log: whole, and followed without reading anything twice."""

from __future__ import annotations

from lammps_jobs.api.log import LogReader
from lammps_jobs.record.documents import FULL_LOG, Event, OutputFile, Progress
from lammps_jobs.record.run_record import RunRecord
from tests.api.test_status import Counting, checkpoint, claim, ended, record_of


class Live:
    """A place whose newest attempt has written so much of its log."""

    text = b""

    def tail(self, record, name, start=0):
        return self.text[start:]


def commit(record: RunRecord, seq: int, attempt: int, segments: tuple) -> None:
    record.commit(
        checkpoint(seq, 100 * seq, attempt).model_copy(update={"outputs": {FULL_LOG: OutputFile(segments=segments)}})
    )


def test_followed_log_is_the_whole_log_over_an_attempt_and_a_restart_within_one(tmp_path):
    record, place = record_of(tmp_path, 1, 0, 0), Live()
    reader = LogReader(record, place)
    record.publish_progress(Progress(attempt=1, step=1, target=9, stage=1, engine_pid=11))
    place.text = "a1 µ\n".encode()[:4]  # in the middle of a letter
    said = reader.more()
    place.text = "a1 µ\nb2\n".encode()
    first = record.put_bytes(place.text)
    commit(record, 1, 1, (first,))
    said += reader.more()
    assert said == "a1 µ\nb2\n"

    # the engine fails, and another one of the same attempt goes on from the checkpoint, which is removed later
    record.append_event(Event(attempt=1, kind="started", text=""), 1)
    record.append_event(Event(attempt=1, kind="started", text=""), 2)
    record.append_event(Event(attempt=1, kind="resumed", text="", from_checkpoint=1), 3)
    record.publish_progress(Progress(attempt=1, step=1, target=9, stage=1, engine_pid=12))
    place.text = b"c3\n"
    commit(record, 2, 1, (first, record.put_bytes(b"c3\n")))
    record.remove("checkpoints/000001.json")
    place.text = b"c3\nd4\n"
    said += reader.more()
    assert said == "a1 µ\nb2\nc3\nd4\n" == LogReader(record, place).more()

    # the next attempt goes on from checkpoint 2, and repeats what was lost
    record.end(ended("interrupted", 1))
    record.claim(claim(2))
    record.append_event(Event(attempt=2, kind="resumed", text="", from_checkpoint=2), 1)
    record.publish_progress(Progress(attempt=2, step=1, target=9, stage=1, engine_pid=13))
    place.text = b"d4\ne5\n"
    said += reader.more()
    place.text += b"f6\n"
    said += reader.more()
    assert said == "a1 µ\nb2\nc3\nd4\ne5\nf6\n" == LogReader(record, place).more()


def test_a_look_at_a_log_that_is_followed_reads_nothing_twice(tmp_path):
    record_of(tmp_path, 1, 0, 0)
    record, place = Counting(RunRecord(record_of(tmp_path, 1, 0, 0).root, "melt").root, "melt"), Live()
    read: list[str] = []
    record.content_of = lambda blob: read.append(blob.name) or RunRecord.content_of(record, blob)  # type: ignore[method-assign,func-returns-value]
    record.publish_progress(Progress(attempt=1, step=1, target=9, stage=1, engine_pid=11))
    for number in range(50):
        record.append_event(Event(attempt=1, kind="checkpoint", text=""), number)
    commit(record, 1, 1, tuple(record.put_bytes(f"{number}\n".encode()) for number in range(20)))
    reader = LogReader(record, place)
    assert reader.more() == "".join(f"{number}\n" for number in range(20))
    assert len(read) == 20
    place.text = "".join(f"{number}\n" for number in range(22)).encode()
    assert reader.more() == "20\n21\n"
    before = record.requests
    place.text += b"22\n"
    assert reader.more() == "22\n"
    assert record.requests - before <= 6  # and not one an event
    assert len(read) == 20
