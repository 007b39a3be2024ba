"""Sweeps that begin when others have finished, on AWS Batch: array jobs that depend on jobs and arrays as a whole."""

from __future__ import annotations

from collections import Counter

import pytest

import lammps_jobs
from lammps_jobs.backends.aws_batch import following
from lammps_jobs.record.documents import Result
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.sweep_record import SweepRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from tests.cloud.test_arrays import SWEPT, asked, works
from tests.cloud.test_following import job_of
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("waiting")


@pytest.fixture
def stack(waiting):
    return lammps_jobs.connect("dev", pool="cpu")


@pytest.fixture
def path(script):
    return script(SWEPT, name="in.swept")


def array_of(cloud, stack, sweep, number: int = 1):
    return cloud.jobs[SweepRecord(stack._root, sweep.name).job_id(number)]


def reasons(sweep) -> set[tuple[str, str]]:
    return {(state.state, state.reason) for state in sweep.statuses()}


def test_array_depends_on_arrays_and_jobs_and_fails_with_them_in_words(waiting, stack, path):
    alone = stack.submit(path, name="h-alone")
    first = stack.sweep(path, {"T": "1,2,3"}, name="h-first")
    calls = len(waiting.calls)
    second = stack.sweep(path, {"T": "1,2,3"}, name="h-second", after=[first, alone])
    stack.sweep(path, {"T": "1,2,3"}, name="h-second", after=[first, alone])
    last = stack.submit(path, name="h-last", after="h-second")
    (array, single) = asked(waiting, "submitjob", calls)
    mine = array_of(waiting, stack, first).job_id
    assert array["arrayProperties"] == {"size": 3}
    assert array["dependsOn"] == [{"jobId": mine}, {"jobId": job_of(waiting, alone).job_id}]
    assert single["dependsOn"] == [{"jobId": array_of(waiting, stack, second).job_id}]
    assert reasons(second) == {("waiting", "It starts when the sweep h-first and h-alone have finished.")}
    first.cancel()
    until(lambda: Counter(s.state for s in second.statuses()) == {"failed": 3}, "the end of those that follow",
          lambda: reasons(second))  # fmt: skip
    words = "It did not start: the sweep h-first did not finish: it was cancelled."
    assert reasons(second) == {("failed", words)}
    until(lambda: last.status.is_ended, "the end of the last", lambda: last.status)
    alone.cancel()
    second.retry()  # its user wants it all the same
    assert works(waiting, stack, second, 1, array=2).returncode == 0
    assert second.run(T="2").status.state == "finished"
    second.cancel()
    last.resume()
    job = job_of(waiting, last).job_id
    environment = JobEnvironment(job=job, job_attempt=1, stack="dev", pool="cpu")
    assert following.is_put_off(RunRecord(stack._root, last.name), stack.store, environment, last.name) == ""


def test_array_whose_forerunner_goes_on_as_another_job_waits_for_that_one(waiting, stack, path):
    first = stack.sweep(path, {"T": "1,2"}, name="i-first")
    second = stack.sweep(path, {"T": "5,6"}, name="i-second", after="i-first")
    assert works(waiting, stack, first, 0).returncode == 0
    late = first.run(T="2")  # its job ends, as another one goes on with it
    fresh = late.record.job_requests()[-1].model_copy(update={"number": 2, "name": "i-first-T2-2"})
    late.record.ask_job(fresh)
    late.record.answer_job(2, "i-next")
    old = array_of(waiting, stack, first)
    waiting.jobs["i-next"] = type(old)("i-next", fresh.name, old.queue, old.definition, {"run": late.name}, {})

    said = works(waiting, stack, second, 0)
    assert (said.returncode, "It starts when the sweep i-first has finished." in said.stdout) == (0, True)
    run = second.run(T="5")
    assert run.status.attempt == 0
    assert job_of(waiting, run).depends_on == ("i-next",)
    late.record.finish(Result(attempt=1, step=0, outputs={}))
    environment = JobEnvironment(job=job_of(waiting, run).job_id, job_attempt=1, stack="dev", pool="cpu")
    assert following.is_put_off(run.record, stack.store, environment) == ""
    assert works(waiting, stack, second, 1).returncode == 0
    assert second.run(T="6").status.state == "finished"


def test_sweep_after_what_has_finished_depends_on_nothing(waiting, stack, path):
    alone = stack.submit(path, name="j-alone")
    alone.record.finish(Result(attempt=1, step=0, outputs={}))
    second = stack.sweep(path, {"T": "1,2"}, name="j-second", after=alone)
    assert array_of(waiting, stack, second).depends_on == ()
