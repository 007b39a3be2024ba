"""Many runs at a glance: few calls, the same states as from the records, and nothing that depends on it."""

from __future__ import annotations

import os
import socket
from collections import Counter
from datetime import timedelta

import obstore
import pytest

import lammps_jobs
from lammps_jobs.api import housekeeping
from lammps_jobs.api.cluster import Cluster
from lammps_jobs.api.run import Run
from lammps_jobs.record import index, layout
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Cancelled,
    Fidelity,
    Lineage,
    Progress,
    Result,
    ResultFacts,
    RunSpec,
    Submission,
    now,
)
from lammps_jobs.record.index import Row, parse_key
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import Summary, claimed, told
from lammps_jobs.supervisor import process

CALLS = ("put", "get", "head", "list", "list_with_delimiter", "delete")
KINDS = ("waiting", "lost", "running", "interrupted", "failed", "cancelled", "finished")


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.cloud)])
def place(request, tmp_path) -> Cluster:
    return lammps_jobs.connect(
        store=tmp_path / "store" if request.param == "folder" else request.getfixturevalue("bucket")
    )


@pytest.fixture
def calls(monkeypatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name in CALLS:
        call = getattr(obstore, name)
        monkeypatch.setattr(obstore, name, lambda *a, _n=name, _c=call, **h: counts.update([_n]) or _c(*a, **h))
    return counts


def made(place: Cluster, name: str, kind: str) -> Run:
    """A run as an attempt leaves it, told of as the supervisor tells."""
    record = RunRecord(place._root, name)
    record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={})))
    run = Run(record, place._backend)
    if kind == "waiting":
        return run
    pid = os.getpid() if kind == "running" else 2**22 + 1
    attempt = Attempt(number=1, host=socket.gethostname(), supervisor_pid=pid, boot=process.boot_id(),
                      supervisor_started=process.began(pid) or 0.0, scratch="")  # fmt: skip
    progress = Progress(attempt=1, step=5, target=9, stage=1, fidelity_so_far=Fidelity(as_if="never cut"))
    record.claim(attempt)
    record.tell_of(lambda seen: claimed(seen, attempt))
    record.publish_progress(progress)
    record.tell_of(lambda seen: told(seen, attempt, progress=progress))
    if kind == "cancelled":
        record.cancel(Cancelled(attempt=1))
        record.tell_of(lambda seen: seen.model_copy(update={"cancelled": True}))
    if kind in ("interrupted", "failed", "finished"):
        result = Result(**Lineage().model_dump(), attempt=1, step=9, outputs={}) if kind == "finished" else None
        facts = ResultFacts.model_validate(result.model_dump(exclude={"outputs"})) if result else None
        if result:
            record.finish(result)
        end = AttemptEnd(number=1, outcome=kind, last_step=9 if result else 5, reason="why")
        record.end(end)
        record.tell_of(lambda seen: told(seen, attempt, end=end, result=facts))
    return run


def core(status):
    return (status.name, status.state, status.attempt, status.step, status.target, status.fidelity.grade)


def test_list_shows_what_the_records_say(place):
    for kind in KINDS:
        made(place, f"a-{kind}", kind)
    assert {s.name: s.state for s in place.listing()} == {f"a-{kind}": kind for kind in KINDS}
    told_by_records = {s.name: core(s) for s in place.statuses()}
    assert {s.name: core(s) for s in place.listing()} == told_by_records
    assert all(s.submitted for s in place.listing())
    assert all(s.began for s in place.listing() if s.attempt)


def test_page_of_a_list_is_one_call_whatever_state_the_runs_are_in(place, calls):
    for number, kind in enumerate((*KINDS, *KINDS)):
        made(place, f"r{number}", kind)
    calls.clear()
    assert len(place.listing()) == 2 * len(KINDS)
    assert sum(calls.values()) == 1
    assert len(place.listing(most=3)) == 3
    assert {s.state for s in place.listing(states=["failed"], pattern="r*")} == {"failed"}
    assert [s.name for s in place.listing(pattern="r1")] == ["r1"]


@pytest.mark.parametrize("kind", KINDS)
def test_status_of_a_run_costs_three_calls_at_most(place, calls, kind):
    made(place, "x", kind)
    again = Run(RunRecord(place._root, "x"), place._backend)
    calls.clear()
    assert again.status.state == kind
    assert sum(calls.values()) <= 3, calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", ["lost", "torn", "older", "of a later attempt"])
def test_what_is_told_changes_no_state(tmp_path, kind, harm):
    place = lammps_jobs.connect(store=tmp_path)
    run = made(place, "x", kind)
    head = tmp_path / "x" / layout.HEAD
    seen = run.record.head() or Summary(submitted=now())
    match harm:
        case "lost":
            head.unlink(missing_ok=True)
        case "torn":
            head.write_bytes(b'{"format"')
        case "older":
            head.write_text(Summary(submitted=seen.submitted, attempt=seen.attempt).model_dump_json())
        case _:
            later = Attempt(number=7, host="h", supervisor_pid=1, supervisor_started=0, scratch="")
            end = AttemptEnd(number=7, outcome="failed")
            head.write_text(seen.model_copy(update={"attempt": later, "end": end}).model_dump_json())
    for row in (tmp_path / index.INDEX).iterdir():
        row.unlink()
    assert Run(RunRecord(place._root, "x"), place._backend).status.state == kind
    assert [s.state for s in place.listing()] == [kind]  # written anew


def test_attempt_that_was_overtaken_puts_back_no_old_head(tmp_path):
    place = lammps_jobs.connect(store=tmp_path)
    run = made(place, "x", "interrupted")
    late = RunRecord(place._root, "x")
    old = late.head().attempt
    newer = old.model_copy(update={"number": 2})
    run.record.claim(newer)
    run.record.tell_of(lambda seen: claimed(seen, newer))
    late.tell_of(lambda seen: told(seen, old, progress=Progress(attempt=1, step=1, target=9, stage=1)))
    assert late.head().number == 2
    assert [s.attempt for s in place.listing()] == [2]


def test_row_that_a_crash_left_does_not_count_and_goes(tmp_path):
    place = lammps_jobs.connect(store=tmp_path)
    run = made(place, "x", "running")
    index.put(place._root, Row("x", run.record.submission().submitted))
    assert len(list((tmp_path / index.INDEX).iterdir())) == 2
    assert [s.state for s in place.listing()] == ["running"]
    assert len(list((tmp_path / index.INDEX).iterdir())) == 1


def test_every_submitted_run_has_a_row_and_a_removed_one_has_none(tmp_path):
    place = lammps_jobs.connect(store=tmp_path)
    made(place, "x", "finished")
    made(place, "y", "waiting")
    place.rename("x", "z")
    assert sorted((s.name, s.state) for s in place.listing()) == [("y", "waiting"), ("z", "finished")]
    housekeeping.transfer(place.run("z"), str(tmp_path / "other"))
    assert [(s.name, s.state) for s in lammps_jobs.connect(store=tmp_path / "other").listing()] == [("z", "finished")]
    housekeeping.delete(place, "z")
    assert [s.name for s in place.listing()] == ["y"]


def test_newest_submission_comes_first(tmp_path):
    place = lammps_jobs.connect(store=tmp_path)
    for days, name in ((2, "old"), (0, "new"), (1, "between")):
        spec = RunSpec(name=name, script="in.x", inputs={})
        RunRecord(place._root, name).submit(Submission(spec=spec, submitted=now() - timedelta(days=days)))
    assert [s.name for s in place.listing(most=2)] == ["new", "between"]


def test_key_of_a_row_holds_all_of_it_and_fits_a_folder():
    name = "n" * 128
    row = Row(name, now().replace(microsecond=0), "running", 99, 12, 10**11, 10**11, now(), now(), "statistical", False,
              9999, 10**11, "12345678", 4194304, 10**9, "12345678")  # fmt: skip
    again = parse_key(row.key)
    assert (again.name, again.kind, again.step, again.boot) == (name, "running", 10**11, "12345678")
    assert again.key == row.key
    assert len(row.key.rpartition("/")[2]) <= 255


@pytest.mark.parametrize("key", ["_index/.DS_Store", "_index/a=b", "_index/" + "=".join(["zzzzzzz"] * 18), "_index/"])
def test_stray_keys_are_no_rows(key):
    assert parse_key(key) is None
