"""Runs that begin when others have finished, on AWS Batch: jobs that depend on jobs."""

from __future__ import annotations

import pytest

import lammps_jobs
from lammps_jobs.backends.aws_batch import following
from lammps_jobs.record.documents import Result
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("waiting")


@pytest.fixture
def stack(waiting):
    return lammps_jobs.connect("dev", pool="cpu")


def job_of(cloud, run):
    return next(job for job in reversed(cloud.jobs.values()) if job.parameters["run"] == run.name)


def test_job_depends_on_those_that_have_not_finished_and_fails_with_them(waiting, stack, script):
    path = script("units lj\n")
    done, first = stack.submit(path, name="f-done"), stack.submit(path, name="f-first")
    done.record.finish(Result(attempt=1, step=0, outputs={}))
    second = stack.submit(path, name="f-second", after=[done, first])
    assert stack.submit(path, name="f-second", after=[done, first]).is_new is False
    job = job_of(waiting, second)
    assert job.depends_on == (job_of(waiting, first).job_id,)
    until(lambda: job.status == "PENDING", "the job to wait for the other", lambda: job.status)
    assert second.status.state == "waiting"
    assert "runs before it" in second.status.reason
    first.cancel()
    until(lambda: second.status.is_ended, "the end of the one that follows", lambda: second.status)
    assert second.status.reason == "It did not start: f-first was cancelled."


def test_job_whose_forerunner_goes_on_as_another_job_waits_for_that_one(waiting, stack, script):
    path = script("units lj\n")
    first = stack.submit(path, name="g-first")
    second = stack.submit(path, name="g-second", after=first)
    mine, old = job_of(waiting, second), job_of(waiting, first)
    fresh = first.record.job_requests()[0].model_copy(update={"number": 2, "name": "g-first-2"})
    first.record.ask_job(fresh)
    waiting.jobs["next"] = type(old)("next", "g-first-2", old.queue, old.definition, {"run": "g-first"}, {})
    first.record.answer_job(2, "next")
    environment = JobEnvironment(job=mine.job_id, job_attempt=1, stack="dev", pool="cpu")
    assert following.is_put_off(second.record, stack.store, environment) == "It starts when g-first has finished."
    assert job_of(waiting, second).depends_on == ("next",)
    # that one ends, too, and the run has not finished: it would go on so for ever
    environment = JobEnvironment(job=job_of(waiting, second).job_id, job_attempt=1, stack="dev", pool="cpu")
    assert "has ended without finishing" in following.is_put_off(second.record, stack.store, environment)
    assert second.status.state == "cancelled"
    second.resume()  # its user wants it all the same
    environment = JobEnvironment(job=job_of(waiting, second).job_id, job_attempt=1, stack="dev", pool="cpu")
    assert following.is_put_off(RunRecord(stack._root, second.name), stack.store, environment) == ""
    third = stack.submit(path, name="g-third")
    assert following.is_put_off(third.record, stack.store, environment) == ""
