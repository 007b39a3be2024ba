"""An attempt in its container: what it prints, what it makes of the machine, when it moves on."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lammps_jobs.backends.aws_batch import continuation, gpu_health
from lammps_jobs.backends.aws_batch.container import printing
from lammps_jobs.backends.aws_batch.metrics import NAMESPACE, UNITS, Metrics
from lammps_jobs.record.documents import Attempt, AttemptEnd, Event, Progress
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment


def test_log_is_printed_to_its_end_though_the_attempt_removes_it(tmp_path, capsys):
    path = tmp_path / "log"
    with printing(path, every_s=0.05):
        path.write_text("first\n")
        import time

        time.sleep(0.3)
        with path.open("a") as file:
            file.write("last\n")
        path.unlink()
    assert capsys.readouterr().out == "first\nlast\n"


def test_log_that_is_begun_anew_is_printed_from_its_beginning(tmp_path, capsys):
    path = tmp_path / "log"
    with printing(path, every_s=0.05):
        path.write_text("a first try\n")
        import time

        time.sleep(0.3)
        path.rename(tmp_path / "old")
        path.write_text("a second\n")
    assert capsys.readouterr().out == "a first try\na second\n"


# -- the machine -----------------------------------------------------------------------------------------


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts an nvidia-smi on the path that prints `text` and ends with `code`."""

    def put(text: str, code: int = 0) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


@pytest.mark.parametrize(
    ("said", "code", "count", "expected"),
    [
        ("0", 0, 1, ""),
        ("0\n0", 0, 2, ""),
        ("[N/A]", 0, 1, ""),  # a T4 without ECC switched on
        ("0", 0, 2, "1 GPUs of 2"),
        ("3", 0, 1, "uncorrected ECC errors: 3"),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, 1, "Driver/library version mismatch"),
    ],
)
def test_gpu_that_cannot_be_used_is_told(nvidia_smi, said, code, count, expected):
    nvidia_smi(said, code)
    assert (expected in gpu_health.fault(count)) if expected else gpu_health.fault(count) == ""


@pytest.mark.engine
def test_no_driver_and_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no driver" in gpu_health.fault(1)
    assert gpu_health.fault(0) == ""
    assert gpu_health.use(1) is None


def test_use_is_the_mean_over_the_gpus(nvidia_smi):
    nvidia_smi("90\n70")
    assert gpu_health.use(2) == 80


# -- surroundings ----------------------------------------------------------------------------------------


def test_surroundings_of_a_batch_job_and_of_ones_own_machine():
    here = JobEnvironment.from_variables({})
    assert (here.job, here.job_attempt, here.grace_s, here.time_limit_s) == ("", 0, None, None)
    there = JobEnvironment.from_variables(
        {"AWS_BATCH_JOB_ID": "1", "AWS_BATCH_JOB_ATTEMPT": "4", "LAMMPS_JOBS_TIMEOUT_S": "60", "LAMMPS_JOBS_GPUS": "8"}
    )
    assert (there.job, there.job_attempt, there.grace_s, there.time_limit_s, there.gpus) == ("1", 4, 110.0, 60.0, 8)


# -- moving on -------------------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path) -> RunRecord:
    return RunRecord(open_root(str(tmp_path / "store")), "x")


def ended(record: RunRecord, *outcomes: str | None) -> None:
    for number, outcome in enumerate(outcomes, start=1):
        record.claim(Attempt(number=number, host="", supervisor_pid=0, supervisor_started=0, scratch=""))
        if outcome:
            record.end(AttemptEnd(number=number, outcome=outcome))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ((), 0),
        ((None, None, None), 3),  # machines that vanished
        ((None, "interrupted"), 2),
        (("failed", "failed", "failed"), 0),  # the script's fault: another machine does not help
    ],
)
def test_standstill_counts_lost_machines(record, outcomes, count):
    ended(record, *outcomes)
    assert continuation.standstill(record) == count
    spot = JobEnvironment.from_variables({"LAMMPS_JOBS_FALLBACK": "lammps-jobs-dev-t4-on-demand"})
    assert continuation.is_stuck(record, spot) == (count >= 3)
    assert not continuation.is_stuck(record, JobEnvironment.from_variables({}))


# -- metrics ---------------------------------------------------------------------------------------------


def test_metrics_are_in_the_embedded_format():
    """Each name that the directive announces has a number beside it, and a unit that CloudWatch knows."""
    metrics = Metrics("dev", "melt", "cpu", every_s=0.0)
    progress = Progress(attempt=2, step=500, target=1000, stage=1, phase="running", steps_per_s=1000.0, timestep=1.0,
                        units="real")  # fmt: skip
    made = [
        metrics.progress(progress, lambda: 75.0),
        metrics.event(Event(attempt=2, kind="checkpoint", text="", seconds=0.5, size=1000)),
        metrics.event(Event(attempt=2, kind="notice", text="")),
        metrics.event(Event(attempt=2, kind="resumed", text="", seconds=3.0)),
    ]
    named = set()
    for line in made:
        one = json.loads(line or "")
        (directive,) = one["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE
        assert all(isinstance(one[key], str) for keys in directive["Dimensions"] for key in keys)
        for metric in directive["Metrics"]:
            assert isinstance(one[metric["Name"]], int | float)
            named.add(metric["Name"])
    assert named == set(UNITS)
    assert json.loads(made[0] or "")["NsPerDay"] == pytest.approx(86.4)  # 1000 steps/s of 1 fs


def test_metrics_wait_their_minute_and_for_a_running_simulation():
    metrics = Metrics("dev", "melt", "cpu")
    running = Progress(attempt=1, step=1, target=10, stage=1, phase="running")
    assert metrics.progress(running.model_copy(update={"phase": "starting"})) is None
    assert metrics.progress(running)
    assert metrics.progress(running, lambda: pytest.fail("the GPUs are asked only when a line is due")) is None
    assert metrics.event(Event(attempt=1, kind="started", text="")) is None


def test_dashboard_and_alarms_ask_for_metrics_that_exist():
    """The names in the Pulumi program are those that attempts write."""
    text = (Path(__file__).parent.parent.parent / "infra" / "observability.py").read_text()
    asked = {name for name in UNITS if f'"{name}"' in text}
    assert {"CheckpointAge", "StepsPerSecond", "Interruptions"} <= asked
