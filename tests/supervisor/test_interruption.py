"""Interruptions as they come on real machines: a Spot notice, a killed supervisor, another store."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

import lammps_jobs
from emulator.servers import metadata, noticing
from lammps_jobs import Checkpoints, CutPlan, Resources
from tests.conftest import assert_same, outputs, script_of
from tests.waiting import ended, finish, scaled, wait_for_checkpoint, wait_for_progress, wait_until


def test_spot_notice_stops_with_a_checkpoint_and_the_next_attempt_goes_on(cluster, script, monkeypatch):
    with metadata() as service:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
        monkeypatch.setenv("LAMMPS_JOBS_NOTICE_EVERY_S", "0.2")
        run = cluster.submit(script(script_of("nve", 200_000)))
        wait_for_progress(run)
        wait_until(lambda: len(service.asked) > 2, run, "the metadata service to be asked")
        assert run.status.state == "running"
        service.notice.set()
        state = ended(run)
    assert (state.state, state.exit_code) == ("interrupted", 75)
    assert "Spot notice" in state.reason
    assert state.checkpoint_step
    assert any(event.kind == "notice" and "120 s" in event.text for event in run.events)
    monkeypatch.delenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
    run.resume()
    wait_for_progress(run, state.checkpoint_step + 1)


def test_spot_notice_reaches_a_job_that_may_not_ask_for_it(cluster, script, monkeypatch, tmp_path):
    """As on a stack's machines: the machine's own service reads the metadata, which jobs cannot reach."""
    with metadata() as service, noticing(service, tmp_path / "notices"):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setenv("LAMMPS_JOBS_NOTICES", str(tmp_path / "notices"))
        monkeypatch.setenv("LAMMPS_JOBS_NOTICE_EVERY_S", "0.2")
        run = cluster.submit(script(script_of("nve", 200_000)), checkpoints=Checkpoints(every_s=1e6))
        wait_for_progress(run)
        service.at_risk.set()
        wait_for_checkpoint(run)
        assert run.status.state == "running"
        service.notice.set()
        state = ended(run)
    assert (state.state, state.exit_code) == ("interrupted", 75)
    assert "Spot notice" in state.reason
    assert [event.kind for event in run.events if event.kind in ("warning", "notice")] == ["warning", "notice"]


def test_recommendation_to_rebalance_takes_a_checkpoint_and_goes_on(cluster, script, monkeypatch):
    with metadata() as service:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
        monkeypatch.setenv("LAMMPS_JOBS_NOTICE_EVERY_S", "0.2")
        run = cluster.submit(script(script_of("nve", 200_000)), checkpoints=Checkpoints(every_s=1e6))
        wait_for_progress(run)
        service.at_risk.set()
        wait_for_checkpoint(run)
        wait_until(lambda: run.status.step > run.status.checkpoint_step, run, "steps beyond the checkpoint")
    assert any("EC2 expects to take this machine" in event.text for event in run.events if event.kind == "warning")


def test_a_stop_while_a_checkpoint_is_on_its_way_is_no_end_of_the_run(cluster, script):
    path = script(script_of("nve", 200_000).replace("0 4 0 4 0 4", "0 12 0 12 0 12"))
    run = cluster.submit(path, checkpoints=Checkpoints(every_s=0.2))
    for pause in (0.0, 0.2, 0.4):
        wait_for_progress(run)
        time.sleep(pause)
        run.interrupt()
        assert ended(run).state == "interrupted"
        run.resume()


@pytest.mark.parametrize("ranks", [1, 2])
def test_killed_supervisor_takes_the_engine_along_and_the_run_is_resumable(cluster, script, ranks):
    run = cluster.submit(script(script_of("nve", 2_000_000)), checkpoints=Checkpoints(every_s=0.2),
                         resources=Resources(ranks=ranks))  # fmt: skip
    wait_for_checkpoint(run)
    engine = psutil.Process(run.progress.engine_pid)
    processes = [engine, *engine.children(recursive=True)]
    os.kill(run.record.attempts()[-1].supervisor_pid, signal.SIGKILL)
    assert ended(run).state == "lost"
    assert not psutil.wait_procs(processes, timeout=scaled(20))[1], "an engine without a supervisor goes on"
    scratch = run.record.attempts()[-1].scratch
    run.resume()
    wait_until(lambda: any(event.kind == "resumed" for event in run.events), run, "attempt 2 to have resumed")
    assert not os.path.exists(scratch), "the lost attempt's scratch folder was left behind"


def test_the_whole_of_it_on_s3(bucket, script, tmp_path, cluster):
    path = script(script_of("nvt"))
    there = lammps_jobs.connect(store=bucket)
    lost = finish(there.submit(path, cut_plan=CutPlan(cut_at=((1, 350), (1, 800)), then="stop")))
    assert [event.step for event in lost.events if event.kind == "resumed"] == [350, 800]
    kept = finish(cluster.submit(path, cut_plan=CutPlan(cut_at=((1, 350), (1, 800)), then="set up again")))
    assert_same(outputs(lost, tmp_path / "lost"), outputs(kept, tmp_path / "kept"))
    run = there.submit(script(script_of("nve", 200_000)), name="killed", checkpoints=Checkpoints(every_s=0.2))
    wait_for_checkpoint(run)
    run.kill()
    state = ended(run)
    assert state.state == "lost"
    run.resume()
    wait_for_progress(run, state.checkpoint_step + 1)
    run.cancel()
    assert "frames.lammpstrj" in outputs(run, tmp_path / "killed")
    assert run.settle()
    assert {run.name: run.status.state for run in there.runs()} == {"test": "finished", "killed": "cancelled"}


def test_expired_credentials_are_named_not_hidden(bucket, script, monkeypatch):
    cluster = lammps_jobs.connect(store=bucket.replace("s3://", "s3://no-such-"))
    with pytest.raises(lammps_jobs.LammpsJobsError) as error:
        cluster.submit(script(script_of("nve", 100)))
    assert error.value.exit_code == 7


def test_log_and_thermo_of_a_running_run_reach_to_the_present(cluster, script):
    run = cluster.submit(script("log other.log\n" + script_of("nve", 2_000_000)))
    wait_until(lambda: len(run.thermo()) > 3, run, "rows in the log")
    assert not run.record.checkpoint_seqs()
    run.interrupt()
    state = ended(run)
    assert run.thermo()["Step"].max() == state.checkpoint_step // 50 * 50
    run.resume()
    wait_until(lambda: run.thermo()["Step"].max() > state.checkpoint_step, run, "rows of attempt 2 in the log")
    steps = list(run.thermo()["Step"])
    assert steps == list(range(0, steps[-1] + 1, 50))


def test_log_of_a_failed_run_reaches_to_the_failure(cluster, script):
    run = cluster.submit(script(script_of("nve", 200) + "nonsense\n"))
    assert ended(run).state == "failed"
    assert run.logs().rstrip().splitlines()[-1].startswith(("Last", "ERROR"))
    assert list(run.thermo()["Step"]) == [0, 50, 100, 150, 200]
