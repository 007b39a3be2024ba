"""The status of a run follows from its record and its backend's answer: no LAMMPS, no processes."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest

import lammps_jobs
from lammps_jobs.api.run import LOOKS, Run
from lammps_jobs.api.status import LOST, Reading, derive
from lammps_jobs.backends.base import JobStatus
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.record import index
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Blob,
    Checkpoint,
    Event,
    Fidelity,
    Progress,
    Result,
    ResultFacts,
    RunSpec,
    Submission,
)
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import claimed, told

GONE, RUNNING, PENDING = JobStatus("gone"), JobStatus("running"), JobStatus("pending", "no capacity", "wait")
BLOB = Blob(sha256="0" * 64, size=1)


def claim(number: int = 1) -> Attempt:
    return Attempt(number=number, host=socket.gethostname(), supervisor_pid=1, supervisor_started=0, scratch="")


def ended(outcome: str, number: int = 1, **words: object) -> AttemptEnd:
    return AttemptEnd.model_validate({"number": number, "outcome": outcome, **words})


def checkpoint(seq: int, step: int = 500, attempt: int = 1) -> Checkpoint:
    return Checkpoint(seq=seq, attempt=attempt, step=step, stage=1, stage_boundary=False, restart={"restart": BLOB},
                      state=BLOB, outputs={}, lammps_version=20250722, ranks=1)  # fmt: skip


PROGRESS = Progress(attempt=1, step=700, target=3000, stage=2)
SOME = Reading("melt", attempt=claim(), progress=PROGRESS, checkpoint=checkpoint(3))


def seen(**found: object) -> Reading:
    return Reading(**{**vars(SOME), **found})


@pytest.mark.parametrize(
    ("reading", "job", "state"),
    [
        (Reading("melt"), GONE, "failed"),
        (Reading("melt"), PENDING, "waiting"),
        (Reading("melt"), RUNNING, "starting"),
        (seen(progress=None), RUNNING, "starting"),
        (SOME, RUNNING, "running"),
        (SOME, GONE, "lost"),
        (seen(end=ended("interrupted")), GONE, "interrupted"),
        (seen(end=ended("interrupted")), PENDING, "waiting"),
        (seen(end=ended("fenced")), GONE, "interrupted"),
        (seen(end=ended("failed")), PENDING, "failed"),
        (seen(cancelled=True), RUNNING, "cancelled"),
        (Reading("melt", cancelled=True), PENDING, "cancelled"),
        (seen(result=Result(attempt=1, step=3000, outputs={})), RUNNING, "finished"),
    ],
)
def test_state(reading, job, state):
    status = derive(reading, job)
    assert (status.state, status.is_ended) == (state, state not in ("waiting", "starting", "running"))


def test_words_of_a_failure_are_those_of_the_attempt():
    end = ended("failed", reason="ERROR: Lost atoms", where="in.melt:7", remedy="a smaller step", exit_code=3)
    status = derive(seen(end=end), GONE)
    assert (status.reason, status.where, status.remedy) == ("ERROR: Lost atoms", "in.melt:7", "a smaller step")
    assert status.exit_code == 3


def test_words_of_an_earlier_attempt_are_not_those_of_a_run_that_waits():
    end = ended("interrupted", reason="Spot notice", where="w", remedy="r", exit_code=75)
    status = derive(seen(end=end), PENDING)
    assert (status.reason, status.where, status.remedy, status.exit_code) == ("no capacity", "", "wait", 0)


def test_lost_run_says_what_the_backend_knows_of_it():
    assert derive(SOME, GONE).reason == LOST
    assert derive(SOME, JobStatus("gone", "Host EC2 terminated.")).reason == f"{LOST} Host EC2 terminated."


def test_run_that_never_started_can_be_resumed():
    status = derive(Reading("melt"), GONE)
    assert (status.reason, status.remedy) == ("No attempt ever started.", "lammps-jobs resume melt")
    assert derive(Reading("melt"), JobStatus("gone", "Queue deleted.")).reason == "Queue deleted."


def test_step_is_the_best_that_is_known():
    result = Result(attempt=1, step=3000, outputs={})
    assert derive(seen(result=result), GONE).step == 3000
    assert derive(SOME, RUNNING).step == 700
    assert derive(seen(progress=None, end=ended("interrupted", last_step=650)), GONE).step == 650
    assert derive(seen(progress=None), GONE).step == 500
    assert derive(Reading("melt"), GONE).step == 0


FAITHFUL, STATISTICAL = Fidelity(grade="faithful"), Fidelity(grade="statistical", reasons=("a random stream",))


@pytest.mark.parametrize(
    ("found", "fidelity"),
    [
        ({}, Fidelity(as_if="never cut")),
        ({"checkpoint": checkpoint(3).model_copy(update={"fidelity_so_far": FAITHFUL})}, FAITHFUL),
        ({"progress": PROGRESS.model_copy(update={"fidelity_so_far": STATISTICAL})}, STATISTICAL),
        ({"progress": None, "checkpoint": None}, Fidelity(as_if="never cut")),
        ({"end": ended("interrupted", fidelity_so_far=FAITHFUL)}, FAITHFUL),
        ({"result": Result(attempt=1, step=3000, outputs={}, fidelity_so_far=STATISTICAL)}, STATISTICAL),
    ],
)
def test_fidelity_is_the_weakest_of_what_is_on_record(found, fidelity):
    assert derive(seen(**found), GONE).fidelity == fidelity


def test_what_was_published_does_not_weaken_what_is_on_record():
    """Progress is advice, and may be of a try that was given up."""
    weaker = PROGRESS.model_copy(update={"fidelity_so_far": STATISTICAL})
    assert derive(seen(progress=weaker, end=ended("interrupted", fidelity_so_far=FAITHFUL)), GONE).fidelity == FAITHFUL


# -- reading it ----------------------------------------------------------------------------------------


class Counting(RunRecord):
    """A record that counts what it asks of the store."""

    requests = 0

    def _read(self, tail: str) -> bytes | None:
        self.requests += 1
        return super()._read(tail)

    def _names(self, folder: str) -> list[str]:
        self.requests += 1
        return super()._names(folder)


def record_of(folder: Path, attempts: int, checkpoints: int, events: int) -> RunRecord:
    """A lost run with so many attempts, checkpoints and events an attempt."""
    record = RunRecord(open_root(str(folder)), "melt")
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    for number in range(1, attempts + 1):
        record.claim(claim(number))
        for event in range(events):
            happened = Event(attempt=number, kind="resumed", text="", fidelity=Fidelity(grade="faithful"))
            record.append_event(happened, event)
        if number < attempts:
            record.end(ended("interrupted", number))
    for seq in range(1, checkpoints + 1):
        record.commit(checkpoint(seq, 100 * seq, attempts))
    return record


def test_status_costs_the_same_however_long_the_run_was(tmp_path):
    costs = []
    for name, size in {"short": (1, 1, 1), "long": (9, 40, 30)}.items():
        record_of(tmp_path / name, *size)
        record = Counting(open_root(str(tmp_path / name)), "melt")
        status = Run(record, LocalBackend(str(tmp_path / name))).status
        assert (status.state, status.attempt, status.checkpoint) == ("lost", size[0], size[1])
        costs.append(record.requests)
    assert costs[0] == costs[1] < 15


def test_damaged_newest_checkpoint_is_passed_over(tmp_path):
    record_of(tmp_path, 1, 2, 0)
    newest = tmp_path / "melt" / "checkpoints" / "000002.json"
    newest.write_bytes(newest.read_bytes()[:50])
    assert lammps_jobs.connect(store=tmp_path).run("melt").status.checkpoint == 1


class EndsWhileLookedAt(LocalBackend):
    """A place where the newest attempt ends just before each answer, and another one begins after it."""

    questions = 0

    def status(self, record: RunRecord) -> JobStatus:
        self.questions += 1
        number = record.newest_attempt()
        record.end(ended("interrupted", number))
        if self.questions < self.rounds:
            record.claim(claim(number + 1))
        return GONE

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds


def test_attempt_that_ends_while_looked_at_is_not_called_lost(tmp_path):
    run = Run(record_of(tmp_path, 1, 1, 0), EndsWhileLookedAt(rounds=1))
    assert run.status.state == "interrupted"


def test_looking_again_is_bounded(tmp_path):
    backend = EndsWhileLookedAt(rounds=1000)
    status = Run(record_of(tmp_path, 1, 1, 0), backend).status
    assert (backend.questions, status.attempt) == (LOOKS, LOOKS + 1)


def test_cancelled_run_keeps_its_attempt_its_step_and_its_fidelity(tmp_path):
    record = record_of(tmp_path, 1, 0, 0)
    record.commit(checkpoint(1).model_copy(update={"fidelity_so_far": FAITHFUL, "resumed_at": ((1, 250),)}))
    run = lammps_jobs.connect(store=tmp_path).run("melt")
    for _ in range(2):
        run.cancel()
        status = run.status
        assert (status.state, status.attempt, status.step, status.fidelity) == ("cancelled", 1, 500, FAITHFUL)
    assert run.resumed_at == ((1, 250),)
    record.claim(record.attempt(1).model_copy(update={"number": 2}))
    assert run.status.state == "lost"  # another attempt is another matter


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("outcome", ["cancelled", "failed", "interrupted"])
def test_result_of_an_attempt_that_was_overtaken_counts_however_the_newer_one_ended(tmp_path, outcome, is_told):
    """It passed its last look for newer ones before there was one: found by the explorer of the protocol."""
    record = RunRecord(open_root(str(tmp_path)), "melt")
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    backend = LocalBackend(str(tmp_path))  # of these attempts no process is left
    run = Run(record, backend)
    for number in (1, 2):
        record.claim(claim(number))
        record.tell_of(partial(claimed, attempt=claim(number)), may_remove=True)
    if outcome == "cancelled":
        run.cancel()
    else:
        end = ended(outcome, 2)
        record.end(end)
        record.tell_of(partial(told, attempt=claim(2), end=end), may_remove=True)
    assert run.status.state == outcome
    result = Result(attempt=1, step=9, outputs={})
    assert RunRecord(record.root, "melt").finish(result)
    if is_told:  # else it died just then
        facts = ResultFacts(attempt=1, step=9, finished=result.finished)
        record.tell_of(partial(told, attempt=claim(1), result=facts), may_remove=True)
        assert [row.kind for row in index.rows(record.root)] == ["finished"]
    assert Run(RunRecord(record.root, "melt"), backend).status.state == "finished"
