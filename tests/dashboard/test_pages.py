"""The dashboard's pages, from records that were written by hand: what they show, and that they read the index only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import obstore
import pytest

import lammps_jobs
from lammps_jobs.dashboard.pages import A_PAGE, Pages
from lammps_jobs.record.documents import Attempt, AttemptEnd, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import claimed
from lammps_jobs.record.sweep_record import Member, SweepRecord

START = datetime(2026, 11, 1, tzinfo=UTC)


def submit(root, name: str, minute: int, outcome: str = "") -> None:
    record = RunRecord(root, name)
    spec = RunSpec(name=name, script="in.x", inputs={}, variables={"T": ("1.5",)})
    record.submit(Submission(spec=spec, submitted=START + timedelta(minutes=minute)))
    if outcome:
        attempt = Attempt(number=1, host="<b>h</b>", supervisor_pid=1, supervisor_started=1, scratch="")
        record.claim(attempt)
        end = AttemptEnd(number=1, outcome=outcome, reason="<script>alert(1)</script>", error="ScriptError")  # type: ignore[arg-type]
        record.end(end)
        record.tell_of(lambda seen: (claimed(seen, attempt) or seen).model_copy(update={"end": end}))


@pytest.fixture
def pages(tmp_path):
    root = lammps_jobs.connect(store=tmp_path)._root
    for number in range(A_PAGE + 5):
        submit(root, f"melt-{number:03d}", number)
    submit(root, "broken", 100, "failed")
    SweepRecord(root, "melt").add([Member(run="melt-000", variables={"T": "1"})])
    return Pages(lammps_jobs.connect(store=tmp_path))


def test_runs_come_page_by_page_from_the_index_and_no_record_is_read(pages, monkeypatch):
    get, read = obstore.get, []
    monkeypatch.setattr(obstore, "get", lambda root, key, **more: read.append(key) or get(root, key, **more))
    status, first = pages.answer("/", {})
    assert status == 200
    assert first.index("broken") < first.index(f"melt-{A_PAGE + 4:03d}")
    assert "melt-000" not in first
    after = first.split("after=")[1].split('"')[0]
    _, second = pages.answer("/", {"after": after.replace("%3D", "=").replace("%7E", "~")})
    assert "melt-000" in second
    assert "melt-010" not in second
    assert 'href="/"' in second
    assert [key for key in read if not key.startswith("_")] == []


def test_runs_are_filtered_by_name_and_state(pages):
    _, page = pages.answer("/", {"name": "brok", "state": "failed"})
    assert "/run/broken" in page
    assert "/run/melt" not in page
    _, page = pages.answer("/", {"name": "melt-00*"})
    assert page.count("/run/melt-00") == 10
    assert "No such runs" in pages.answer("/", {"name": "'\"><script>"})[1]
    assert "<script>" not in pages.answer("/", {"name": "'\"><script>"})[1].split("</head>")[1]


def test_a_run_that_failed_says_why_and_its_words_are_no_markup(pages):
    status, page = pages.answer("/run/broken", {})
    assert status == 200
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert 'data-live="no"' in page


def test_what_is_not_there_is_said(pages):
    assert pages.answer("/run/nobody", {})[0] == 404
    assert pages.answer("/elsewhere", {})[0] == 404
    assert pages.answer("/run/..%2f..%2fetc", {})[0] in (404, 500)
    assert pages.answer("/sweep/melt", {})[0] == 200
