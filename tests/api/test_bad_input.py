"""Bad input: a clear error with its place, nothing half-written, and the record intact."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lammps_jobs
from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.errors import (
    CloudError,
    InputMissing,
    NameTaken,
    NoSuchRun,
    OtherFormat,
    StoreError,
    UsageError,
    WrongState,
)
from lammps_jobs.record.documents import Attempt
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from tests.conftest import (
    START,
    WAIT_S,
    assert_same,
    finish,
    outputs,
    script_of,
    wait_for_checkpoint,
    wait_for_progress,
)

STOP_AT_500 = CutPlan(cut_at=((1, 250), (1, 500)), then="stop")


def test_missing_script_is_named(cluster, tmp_path):
    with pytest.raises(InputMissing, match="nowhere"):
        cluster.submit(tmp_path / "in.nowhere")
    assert cluster.runs() == []


def test_missing_input_is_named_with_line_before_submission(cluster, script):
    with pytest.raises(InputMissing, match=r"missing\.data") as error:
        cluster.submit(script("units lj\nread_data missing.data\n"))
    assert "in.test:2" in error.value.where
    assert cluster.runs() == []


def test_missing_extra_input_is_named(cluster, script):
    with pytest.raises(InputMissing, match="table"):
        cluster.submit(script(START), inputs=["table.txt"])


def test_undefined_variable_is_named_before_submission(cluster, script):
    with pytest.raises(UsageError, match="'temperature'") as error:
        cluster.submit(script(f"{START}\nfix 1 all nvt temp ${{temperature}} 1.0 0.5\n"))
    assert "in.test:13" in error.value.where


@pytest.mark.parametrize("line", ["dump 1 all atom 10 ../out.dump", "write_data /data/out.data", "log ../log.x"])
def test_output_outside_the_folder_is_refused(cluster, script, line):
    with pytest.raises(UsageError, match="outside"):
        cluster.submit(script(f"{START}\n{line}\n"))


def test_bad_name_is_refused(cluster, script):
    with pytest.raises(UsageError, match="no name"):
        cluster.submit(script(START), name="../escape")


def test_lammps_error_says_file_line_and_lammps_own_words(cluster, script):
    run = cluster.submit(script(f"{START}\ninclude more.inc\n", more__inc="fix 1 all nve\nfix 2 all nosuchfix\n"))
    state = run.wait(WAIT_S)
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "nosuchfix" in state.reason
    assert state.where.startswith("more.inc:2:")


def test_lost_atoms_fail_with_lammps_words_and_keep_the_checkpoint(cluster, script):
    explode = f"{START}\nfix 1 all nve\nthermo 10\nrun 100\ntimestep 50\nrun 1000\n"
    state = cluster.submit(script(explode), checkpoints=Checkpoints(every_s=0.01)).wait(WAIT_S)
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "ERROR" in state.reason
    assert "in.test:" in state.where
    assert state.checkpoint_step is not None


def test_error_on_one_rank_only_is_reported_too(cluster, script):
    state = cluster.submit(script("units lj\nnonsense 1 2\n"), resources=Resources(ranks=2)).wait(WAIT_S)
    assert (state.state, state.exit_code) == ("failed", 3)
    assert "nonsense" in state.where


def test_failing_quit_is_a_failure(cluster, script):
    state = cluster.submit(script(f"{START}\nquit 4\n")).wait(WAIT_S)
    assert state.state == "failed"
    assert "quit 4" in state.reason


def test_same_name_and_spec_is_the_same_run(cluster, script):
    path = script(script_of("nve", 200))
    first = finish(cluster.submit(path, name="one"))
    again = cluster.submit(path, name="one")
    assert again.name == first.name
    assert len(again.record.attempts()) == 1


def test_same_name_with_another_spec_is_refused(cluster, script):
    path = script(script_of("nve", 200))
    finish(cluster.submit(path, name="one"))
    with pytest.raises(NameTaken, match="variables"):
        cluster.submit(path, name="one", variables={"x": 1})


def test_unknown_run_and_unknown_cluster(cluster, monkeypatch, tmp_path):
    with pytest.raises(NoSuchRun):
        cluster.run("nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CloudError, match="No AWS region is set"):
        lammps_jobs.connect("prod")
    with pytest.raises(UsageError, match="has its own store"):
        lammps_jobs.connect("prod", store=tmp_path)
    with pytest.raises(UsageError, match="this machine has none"):
        lammps_jobs.connect(pool="t4")


def test_killed_engine_leaves_the_record_and_a_resumable_run(cluster, script):
    run = cluster.submit(script(script_of("nve", 60_000)), checkpoints=Checkpoints(every_s=0.2))
    wait_for_checkpoint(run)
    os.killpg(run.progress.engine_pid, signal.SIGKILL)
    state = run.wait(WAIT_S)
    assert (state.state, state.exit_code) == ("failed", 11)
    assert "SIGKILL" in state.reason
    run.resume()
    time.sleep(1.0)
    assert run.status.state in ("running", "starting")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_with_a_checkpoint(cluster, script, number):
    run = cluster.submit(script(script_of("nve", 200_000)))
    wait_for_progress(run)
    os.kill(run.record.attempts()[-1].supervisor_pid, number)
    state = run.wait(WAIT_S)
    assert (state.state, state.exit_code) == ("interrupted", 75)
    assert state.checkpoint_step > 0
    assert number.name in state.reason


def test_damaged_checkpoint_is_reported_and_the_one_before_is_used(cluster, script, tmp_path):
    path = script(script_of("nve"))
    run = cluster.submit(path, cut_plan=STOP_AT_500)
    run.wait(WAIT_S)
    run.resume()
    assert run.wait(WAIT_S).checkpoint_step == 500
    newest = run.record.checkpoint(2)
    blob = tmp_path / "store" / run.name / "blobs" / newest.restart["restart"].sha256
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    run.resume()
    assert run.wait(WAIT_S).state in ("interrupted", "finished")
    finish_run = finish(run)
    assert any(event.kind == "damaged" and "Checkpoint 2" in event.text for event in run.events)
    whole = finish(cluster.submit(path, name="whole", cut_plan=CutPlan(cut_at=((1, 250),), then="set up again")))
    ours, reference = outputs(finish_run, tmp_path / "ours"), outputs(whole, tmp_path / "whole")
    assert ours["averages.dat"].count(b"\n") == reference["averages.dat"].count(b"\n")


def test_truncated_manifest_falls_back(cluster, script, tmp_path):
    run = cluster.submit(script(script_of("nve")), cut_plan=STOP_AT_500)
    run.wait(WAIT_S)
    manifest = tmp_path / "store" / run.name / "checkpoints" / "000001.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    run.resume()
    finish(run)
    assert any(event.kind == "damaged" for event in run.events)


def test_newer_record_is_refused_with_a_remedy(cluster, script, tmp_path):
    run = finish(cluster.submit(script(script_of("nve", 100))))
    spec = tmp_path / "store" / run.name / "spec.json"
    spec.write_text(spec.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(OtherFormat, match="99"):
        cluster.run(run.name)


def test_overtaken_attempt_stops_and_commits_nothing_more(cluster, script):
    run = cluster.submit(script(script_of("nve", 100_000)), checkpoints=Checkpoints(every_s=0.2))
    wait_for_checkpoint(run)
    claim = Attempt(number=2, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch="")
    assert run.record.claim(claim)
    end = time.monotonic() + WAIT_S
    while not run.record.ended(1) and time.monotonic() < end:
        time.sleep(0.05)
    assert run.record.ended(1).outcome == "fenced"


def test_running_run_is_not_resumed_and_finished_one_not_interrupted(cluster, script):
    run = cluster.submit(script(script_of("nve", 3000)))
    with pytest.raises(WrongState):
        run.resume()
    finish(run)
    with pytest.raises(WrongState):
        run.interrupt()


def test_cancelled_run_keeps_its_outputs(cluster, script, tmp_path):
    run = cluster.submit(script(script_of("nve", 200_000)))
    wait_for_progress(run)
    run.cancel()
    assert run.status.state == "cancelled"
    assert "frames.lammpstrj" in outputs(run, tmp_path / "ours")


def test_resume_with_another_lammps_version_is_allowed_and_noted(cluster, script, tmp_path):
    run = cluster.submit(script(script_of("nve")), cut_plan=STOP_AT_500)
    run.wait(WAIT_S)
    manifest = tmp_path / "store" / run.name / "checkpoints" / "000001.json"
    manifest.write_text(manifest.read_text().replace('"lammps_version": 2025', '"lammps_version": 2024'))
    run.resume()
    finish(run)
    assert any("wrote the checkpoint" in reason for reason in run.status.fidelity.reasons)


def test_lammps_not_installed_says_what_to_install(script, tmp_path):
    """An interpreter that sees our package and its light core, but no LAMMPS."""
    path = script(START)
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sys\nclass No:\n  def find_spec(s, name, *a):\n"
        "    if name == 'lammps': raise ModuleNotFoundError(name)\nsys.meta_path.insert(0, No())\n"
        "import importlib.util as u\nold = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'lammps' else old(name, *a)\n"
    )
    command = [sys.executable, "-m", "lammps_jobs.cli", "--store", str(tmp_path / "s"), "run", str(path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(hide)}, capture_output=True, text=True,
                          timeout=WAIT_S, check=False)  # fmt: skip
    assert done.returncode == 10
    assert 'pip install "lammps-jobs[local]"' in done.stdout


needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="needs root to mount a small tmpfs: run `make test` as root"
)


@needs_mount
def test_full_disk_during_a_checkpoint_loses_nothing_committed(script, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=True)
    try:
        cluster = lammps_jobs.connect(store=str(small / "store"))
        run = cluster.submit(script(script_of("nve", 100_000)), checkpoints=Checkpoints(every_s=0.1, keep=50))
        state = run.wait(WAIT_S)
        assert state.state in ("failed", "lost")
        assert state.checkpoint_step
        for seq in run.record.checkpoint_seqs():
            run.record.verify(run.record.checkpoint(seq))
        subprocess.run(["mount", "-o", "remount,size=400m", str(small)], check=True)
        run.resume()
        wait_for_progress(run)
        run.kill()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_read_only_store_says_so(tmp_path, script):
    if os.geteuid() == 0:
        target = Path("/proc/lammps-jobs")  # the one place where root may not write either
    else:
        target = tmp_path / "store"
        target.mkdir(mode=0o500)
    with pytest.raises(StoreError):
        lammps_jobs.connect(store=str(target)).submit(script(START))


def test_two_claims_of_one_number_leave_one_winner(tmp_path):
    record = RunRecord(open_root(str(tmp_path)), "x")
    claim = Attempt(number=1, host="a", supervisor_pid=1, supervisor_started=0, scratch="")
    assert [record.claim(claim), record.claim(claim.model_copy(update={"host": "b"}))] == [True, False]
    assert record.attempts()[0].host == "a"


def test_outputs_of_two_equal_runs_are_equal(cluster, script, tmp_path):
    path = script(script_of("nve", 300))
    first, second = (finish(cluster.submit(path, name=name)) for name in ("a", "b"))
    assert_same(outputs(first, tmp_path / "a"), outputs(second, tmp_path / "b"))
