"""Sweeps on a stack: array jobs, each of which finds its run in the record; looked at and ended in few calls."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

import lammps_jobs
from lammps_jobs import Cluster, InputMissing, NameTaken, Sweep, UsageError
from lammps_jobs.backends.aws_batch import submission
from lammps_jobs.dashboard.pages import Pages
from lammps_jobs.record.index import remove_rows
from lammps_jobs.record.sweep_record import SweepRecord
from tests.conftest import START
from tests.waiting import scaled, wait_until

pytestmark = pytest.mark.xdist_group("waiting")

SWEPT = (
    f"variable T index 1.0\nvariable seed index 1\n{START}\nvelocity all create $T ${{seed}}\nfix 1 all nve\nrun 20\n"
)


@pytest.fixture
def stack(waiting) -> Cluster:
    return lammps_jobs.connect("dev", pool="cpu")


@pytest.fixture
def path(script):
    return script(SWEPT, name="in.swept")


def asked(cloud, operation: str, since: int = 0) -> list[dict]:
    return [said for what, said in cloud.calls[since:] if what == operation]


def states(sweep: Sweep) -> Counter[str]:
    return Counter(state.state for state in sweep.statuses())


def begin(
    cloud, stack: Cluster, sweep: Sweep, index: int, *, array: int = 1, attempt: int = 1
) -> subprocess.Popen[str]:
    """What the container of an array's job does, here: the stack's own command line and environment."""
    job = cloud.job(f"{SweepRecord(stack._root, sweep.name).job_id(array)}:{index}")
    told = {"AWS_BATCH_JOB_ID": job.job_id, "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
            "AWS_BATCH_JOB_ATTEMPT": str(attempt)}  # fmt: skip
    words = ["-m", "lammps_jobs.backends.aws_batch.container", "--store", stack.store, "--run", job.parameters["run"]]
    job.status = "RUNNING"
    return subprocess.Popen([sys.executable, *words], env=os.environ | told, stdout=subprocess.PIPE, text=True)


def works(cloud, stack: Cluster, sweep: Sweep, index: int, **how: int) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    process = begin(cloud, stack, sweep, index, **how)
    said, _ = process.communicate(timeout=scaled(120))
    job = cloud.job(f"{SweepRecord(stack._root, sweep.name).job_id(how.get('array', 1))}:{index}")
    job.status = "FAILED" if process.returncode else "SUCCEEDED"
    stack._backend._seen.clear()  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def test_thousands_of_runs_are_one_job_and_a_handful_of_objects(waiting, stack, path):
    calls, requests = len(waiting.calls), len(waiting.endpoint.calls)
    values = [f"{1 + at / 10000:.4f}" for at in range(3000)]
    sweep = stack.sweep(path, {"T": values}, name="thousands")
    (job,) = asked(waiting, "submitjob", calls)
    assert job["arrayProperties"] == {"size": 3000}
    assert job["parameters"]["run"] == "thousands@1"
    stored = [one for one in waiting.endpoint.calls[requests:] if one.method == "PUT"]
    assert len(stored) <= 5
    assert states(sweep) == {"waiting": 3000}
    stack.sweep(path, {"T": values[:10]}, name="thousands")
    stack.sweep(path, {"T": ["7", "8"]}, name="thousands")  # these join it
    assert [one["arrayProperties"]["size"] for one in asked(waiting, "submitjob", calls)] == [3000, 2]
    sweep = stack.find_sweep("thousands")
    calls = len(waiting.calls)
    sweep.cancel()
    assert len(asked(waiting, "terminatejob", calls)) == 2
    assert states(sweep) == {"cancelled": 3002}


def test_each_job_of_an_array_runs_its_own_member_and_only_what_failed_runs_again(waiting, stack, script):
    path = script(SWEPT + 'if "${seed}==13" then "frobnicate"\n', name="in.some")
    sweep = stack.sweep(path, {"T": "1.0,1.5", "seed": "11,13"}, name="some")
    assert works(waiting, stack, sweep, 2).returncode == 0
    assert works(waiting, stack, sweep, 3).returncode == 3
    assert [(s.name, s.state) for s in sweep.statuses()] == [
        ("some-T1.0-seed11", "waiting"), ("some-T1.0-seed13", "waiting"), ("some-T1.5-seed11", "finished"),
        ("some-T1.5-seed13", "failed"),
    ]  # fmt: skip
    assert [run.name for run in sweep] == ["some-T1.5-seed11", "some-T1.5-seed13"]
    run = sweep.run(T="1.5", seed="11")
    assert run.spec.variables == {"T": ("1.5",), "seed": ("11",)}
    assert b"frobnicate" in b"".join(run.record.read_blob(run.spec.inputs["in.some"]))
    assert "velocity all create 1.5 11" in run.logs()
    assert stack.run("some-T1.0-seed11").status.state == "waiting", "it can be looked at before it begins"

    (attempt,) = run.cost.attempts
    assert (attempt.pool, attempt.outcome) == ("cpu", "finished")
    page = Pages(stack).answer("/sweep/some", {"state": "failed"})[1]
    assert "some-T1.5-seed13" in page
    assert "some-T1.0-seed13" not in page

    calls = len(waiting.calls)
    sweep.retry()
    (job,) = asked(waiting, "submitjob", calls)
    assert "arrayProperties" not in job  # a single one is no array
    again = sweep.run(T="1.5", seed="13")
    assert again.status.state == "waiting"
    assert states(sweep) == {"waiting": 3, "finished": 1}
    assert "was cancelled" not in works(waiting, stack, sweep, 0).stdout
    run = sweep.run(T="1.0", seed="11")
    assert (run.status.state, len(run.record.job_requests())) == ("finished", 1)

    sweep.cancel()
    assert states(sweep) == {"finished": 2, "cancelled": 2}
    remove_rows(stack._root, {run.name})
    assert states(sweep) == {"finished": 2, "cancelled": 2}, "a lost row changes nothing"
    assert "cancelled" in works(waiting, stack, sweep, 1).stdout, "a job that starts nevertheless does nothing"
    assert sweep.statuses()[1].attempt == 0


def test_one_that_is_interrupted_goes_on_and_disturbs_no_other(waiting, stack, script):
    path = script(SWEPT.replace("run 20", "thermo 100\nrun 1000000"), name="in.long")
    sweep = stack.sweep(path, {"T": "1.0,1.5"}, name="long")
    process = begin(waiting, stack, sweep, 0)
    run = sweep.run(T="1.0")
    wait_until(lambda: bool(run.status.step), run, "some steps")
    process.terminate()
    process.communicate(timeout=scaled(120))
    assert process.returncode == 75, "AWS Batch tries this job again, and no other"
    assert [state.state for state in sweep.statuses()] == ["waiting", "waiting"]
    cut = run.checkpoint
    assert cut
    again = begin(waiting, stack, sweep, 0, attempt=2)
    wait_until(lambda: run.status.step > cut.step, run, "more steps")
    state = run.status
    assert (state.attempt, state.fidelity.grade) == (2, "exact")
    sweep.cancel(now=True)
    again.terminate()
    again.communicate(timeout=scaled(120))
    assert states(sweep) == {"cancelled": 2}


@pytest.mark.parametrize("when", ["before the job", "after the job"])
def test_crash_of_the_submitter_neither_loses_nor_doubles_an_array(waiting, stack, path, when, monkeypatch):
    name = "swept-" + when.replace(" ", "-")
    monkeypatch.setattr(submission, "OTHERS_S", 0.0)
    calls = len(waiting.calls)
    with monkeypatch.context() as dying:
        if when == "before the job":
            dying.setattr(submission, "call_for", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
        else:
            dying.setattr(SweepRecord, "answer", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            stack.sweep(path, {"T": "1,2,3"}, name=name)
    sweep = stack.sweep(path, {"T": "1,2,3"}, name=name)
    assert len(asked(waiting, "submitjob", calls)) == 1
    assert states(sweep) == {"waiting": 3}


def test_members_that_make_no_sense_are_named_before_anything_is_stored(waiting, stack, path, script):
    before = len(waiting.endpoint.calls)
    with pytest.raises(UsageError, match="50,001 values"):
        stack.sweep(path, {"T": "1..50001"})
    with pytest.raises(UsageError, match="Members 1 and 3 of the sweep are the same: T=1"):
        stack.sweep(path, {"T": "1,2,1"})
    with pytest.raises(UsageError, match="never uses the variable 'temp'"):
        stack.sweep(path, {"temp": "1,2"})
    bad = script("variable d index a\nread_data data.$d\n", name="in.bad", data__a="x", data__b="x")
    with pytest.raises(InputMissing, match=r"data\.c") as error:
        stack.sweep(bad, {"d": "a,b,c"}, name="bad")
    assert error.value.where.startswith("member 3 (d=c)")
    assert not [call for call in waiting.endpoint.calls[before:] if call.method in ("PUT", "POST")]


def test_member_whose_name_or_script_is_another_runs_is_refused(waiting, stack, path):
    stack.submit(path, name="taken-T2")
    with pytest.raises(NameTaken, match="'taken-T2' exists, which is not of this sweep"):
        stack.sweep(path, {"T": "1,2"}, name="taken")
    stack.sweep(path, {"T": "3,4"}, name="taken")
    path.write_text(SWEPT.replace("run 20", "run 30"))
    with pytest.raises(NameTaken, match=r"line .*run 20 -> run 30"):
        stack.sweep(path, {"T": "4,5"}, name="taken")


def test_budget_of_a_sweep_is_shared_by_its_jobs_and_what_one_leaves_goes_to_those_that_are_started_again(
    waiting, stack, script
):
    path = script(SWEPT + 'if "${seed}==13" then "frobnicate"\n', name="in.paid")
    sweep = stack.sweep(path, {"seed": "11,12,13"}, name="paid", budget_s=300.0)
    assert [works(waiting, stack, sweep, index).returncode for index in (0, 2)] == [0, 3]
    failed = sweep.run(seed="13")
    assert failed.spec.resources.budget_s == 100.0
    used = [sweep.run(seed=seed).cost.seconds for seed in ("11", "13")]
    sweep.retry()
    left = 300.0 - sum(used) - 100.0  # seed 12 has yet to begin, and keeps its share
    assert stack.run("paid-seed13").record.wanted().resources.budget_s == pytest.approx(used[1] + left)
    assert sweep.run(seed="12").spec.resources.budget_s == 100.0
    sweep.cancel(now=True)
