"""Whole runs in containers of the real image: reclaimed with notice and without, and what users see of it."""

from __future__ import annotations

import json

import pytest

import lammps_jobs
from emulator.batch import Cloud
from emulator.containers import IMAGE
from emulator.journeys import attempting, checkpointed, job_of
from lammps_jobs import Checkpoints, Cluster, CutPlan
from lammps_jobs.api.run import Run
from lammps_jobs.report.page import write
from tests.conftest import assert_same, outputs, script_of
from tests.waiting import ended, finish, until

pytestmark = pytest.mark.xdist_group("containers")
SOON = Checkpoints(every_s=1.0)
STEPS = 30_000


@pytest.fixture
def stack(cloud) -> Cluster:
    return lammps_jobs.connect("dev", pool="cpu")


def lines_of(cloud: Cloud, run: Run) -> list[str]:
    """All that the containers of the run's group of jobs wrote to CloudWatch."""
    logs = cloud._client("logs")
    backend = run._backend
    jobs = {run.record.job_id(request.number) for request in run.record.job_requests()}
    streams = [one["container"]["logStreamName"] for job in jobs for one in cloud.jobs[job].attempts]
    found: list[str] = []
    for stream in streams:
        answer = logs.get_log_events(logGroupName=backend.outputs.log_group, logStreamName=stream, startFromHead=True)  # type: ignore[attr-defined]
        found += [event["message"] for event in answer["events"]]
    return found


@pytest.fixture(scope="module")
def journey(_cloud, tmp_path_factory) -> tuple[Cloud, Run]:
    """A run that is reclaimed with notice, then without, and finishes."""
    cloud, environment = _cloud
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        path = tmp_path_factory.mktemp("journey") / "in.melt"
        path.write_text(script_of("nve", STEPS))
        run = lammps_jobs.connect("dev", pool="cpu").submit(path, checkpoints=SOON)
        job = job_of(cloud, run)
        checkpointed(run, 1)
        cloud.reclaim(job, notice=True)
        attempting(run, job, 2)
        checkpointed(run, 2)
        cloud.reclaim(job, notice=False)
        state = ended(run)
        assert state.state == "finished", f"{state}\n{run.events[-6:]}\n{job.attempts}"
        until(job.over.is_set, "the end of the job", job.described)
    return cloud, run


def test_reclaimed_run_equals_the_local_run_cut_at_the_same_steps(journey, stack, cluster, tmp_path):
    _, run = journey
    assert run.status.attempt == 3
    assert run.status.fidelity.grade == "exact"
    resumed = [event for event in run.events if event.kind == "resumed"]
    assert [event.attempt for event in resumed] == [2, 3]
    cuts = tuple((event.stage or 0, event.step or 0) for event in resumed)
    path = tmp_path / "in.melt"
    path.write_text(script_of("nve", STEPS))
    local = finish(cluster.submit(path, cut_plan=CutPlan(cut_at=cuts, then="set up again")))
    assert_same(outputs(run, tmp_path / "cloud"), outputs(local, tmp_path / "local"))


def test_batch_saw_an_orderly_end_a_lost_machine_and_a_success(journey):
    cloud, run = journey
    (job,) = [one for one in cloud.jobs.values() if one.parameters["run"] == run.name]
    assert job.status == "SUCCEEDED"
    ends = [(attempt["container"].get("exitCode"), attempt["statusReason"][:8]) for attempt in job.attempts]
    assert ends == [(75, "Essentia"), (None, "Host EC2"), (0, "Essentia")]


def test_log_metrics_and_report_are_there(journey, stack, tmp_path):
    cloud, run = journey
    lines = lines_of(cloud, run)
    assert sum(line.startswith("Loop time") for line in lines) == 1
    assert any("notice: Spot notice" in line for line in lines)
    metrics = [json.loads(line) for line in lines if line.startswith('{"_aws"')]
    named = {metric["Name"] for one in metrics for metric in one["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert named >= {"Step", "StepsPerSecond", "CheckpointAge", "CheckpointSeconds", "CheckpointBytes",
                     "Interruptions", "ResumeSeconds"}  # fmt: skip
    assert all(one["Stack"] == "dev" and one["Run"] == "melt" for one in metrics)
    assert run.logs().count("Loop time") == 1
    assert list(run.thermo()["Step"]) == list(range(0, STEPS + 1, 50))
    assert "<svg" in write(run, tmp_path / "report.html").read_text()


def test_run_goes_on_beyond_batchs_last_attempt(cloud, stack, script):
    cloud.first_attempt = 10
    run = stack.submit(script(script_of("nve", 20_000)), name="longest", checkpoints=SOON)
    job = job_of(cloud, run)
    cloud.first_attempt = 1
    checkpointed(run, 1)
    cloud.reclaim(job, notice=True)
    state = ended(run)
    assert state.state == "finished"
    requests = run.record.job_requests()
    assert [request.by for request in requests] == ["user", "continuation"]
    assert {request.pool for request in requests} == {"cpu"}
    assert job.status == "SUCCEEDED", "its work goes on elsewhere: no failure to be alarmed about"


def test_run_that_gets_nowhere_on_spot_moves_to_the_fallback_pool(cloud, script, monkeypatch):
    """Three machines are lost before a first checkpoint."""
    monkeypatch.setitem(cloud.environment, "LAMMPS_JOBS_GPUS", "0")  # there are none here
    run = lammps_jobs.connect("dev", pool="t4").submit(script(script_of("nve", 10_000)), name="stuck")
    for attempt in (1, 2, 3):
        job = job_of(cloud, run)
        attempting(run, job, attempt)
        cloud.reclaim(job, notice=False)
        until(
            lambda attempt=attempt, job=job: len(job.attempts) == attempt,
            f"the end of attempt {attempt}",
            job.described,
        )
    assert ended(run).state == "finished"
    assert [request.pool for request in run.record.job_requests()] == ["t4", "t4-on-demand"]
    moved = cloud.jobs[run.record.job_id(2)]
    assert "t4-on-demand" in moved.queue
    assert "t4-on-demand" in moved.definition["jobDefinitionName"]


def test_attempt_stops_in_time_before_its_limit(cloud, stack, script, monkeypatch):
    monkeypatch.setitem(cloud.environment, "LAMMPS_JOBS_TIMEOUT_S", "6")
    monkeypatch.setitem(cloud.environment, "LAMMPS_JOBS_GRACE_S", "4")
    run = stack.submit(script(script_of("nve", 25_000)), name="limited")
    job = job_of(cloud, run)
    until(lambda: len(job.attempts) == 1, "the end of attempt 1", lambda: run.status)
    assert job.attempts[0]["container"]["exitCode"] == 75
    assert any("time limit" in event.text for event in run.events if event.kind == "notice")
    monkeypatch.delitem(cloud.environment, "LAMMPS_JOBS_TIMEOUT_S")
    assert ended(run).state == "finished"


def test_machine_without_a_working_gpu_is_given_back(cloud, script):
    cloud.first_attempt = 9
    run = lammps_jobs.connect("dev", pool="t4").submit(script(script_of("nve", 100)), name="no-gpu")
    job = job_of(cloud, run)
    until(job.over.is_set, "the end of the job", job.described)
    assert [one["container"]["exitCode"] for one in job.attempts] == [76, 76]
    state = run.status
    assert state.state == "failed"
    assert "76" in state.reason
    assert state.remedy
    assert any("nvidia-smi is missing" in line for line in lines_of(cloud, run))


def test_each_job_of_a_machine_has_a_folder_of_its_own_that_goes_with_it(cloud, stack, script):
    """HOME and TMPDIR are in it, others cannot look into it, and nothing of a killed attempt stays."""
    looks = "shell 'touch $HOME/mine $TMPDIR/also'\n"
    path = script(looks + script_of("nve", 30_000))
    first, second = (stack.submit(path, name=name, checkpoints=SOON) for name in ("mine", "theirs"))
    jobs = [job_of(cloud, run) for run in (first, second)]
    for run in (first, second):
        checkpointed(run, 1)
    volumes = cloud.podman("volume", "ls", "--format", "{{.Name}}").stdout.split()
    assert {job.machine.container for job in jobs if job.machine} <= set(volumes)
    held = [cloud.podman("exec", job.machine.container, "ls", "/home/lammps").stdout for job in jobs if job.machine]
    assert all("mine" in one and "also" in one for one in held)
    assert len({word for one in held for word in one.split() if word.endswith("-1")}) == 2, "each has its own attempt"
    asked = ["exec", jobs[0].machine.container, "sh", "-c", "stat --format '%u %a' /home/lammps/*-1"]
    assert cloud.podman(*asked).stdout.split() == ["1000", "700"]
    killed = jobs[0].machine.container
    cloud.reclaim(jobs[0], notice=False)
    attempting(first, jobs[0], 2)
    assert killed not in cloud.podman("volume", "ls", "--format", "{{.Name}}").stdout.split()
    for run in (first, second):
        run.cancel()
        ended(run)


def test_an_image_without_the_folder_of_the_jobs_says_so(cloud):
    done = cloud.podman("run", "--rm", "--network", "host", "--read-only", "--user", "1000:1000", "--env",
                        "LAMMPS_JOBS_SCRATCH=/opt", IMAGE, "python3", "-c",
                        "from pathlib import Path; from lammps_jobs.backends.aws_batch import container as c;"
                        "c._make(Path('/opt/job-1'))", check=False)  # fmt: skip
    assert "/opt cannot be written" in done.stderr


def test_without_a_metadata_service_the_attempt_runs(cloud, stack, script, monkeypatch):
    """Not on EC2, or the service is switched off: nobody announces anything, and nothing else is wrong."""
    monkeypatch.setattr(cloud, "has_metadata", False)
    run = stack.submit(script(script_of("nve", 300)), name="no-metadata")
    assert ended(run).state == "finished"


def test_image_says_what_is_in_it(cloud):
    done = cloud.podman("run", "--rm", "--network", "host", "--read-only", "--user", "1000:1000",
                        IMAGE, "lammps-jobs-attempt", "--check")  # fmt: skip
    assert "LAMMPS 2025" in done.stdout
