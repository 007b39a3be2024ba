"""What a run leaves that did not finish: its outputs up to the last byte, as bare LAMMPS leaves them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from lammps_jobs import CutPlan
from tests.conftest import ENSEMBLES, START, WATCHED, outputs, script_of
from tests.waiting import ended, scaled, wait_for_progress, wait_until

BLOWN_UP = f"{START}{ENSEMBLES['nve']}\n{WATCHED}\nrun 500\ntimestep 0.03\nrun 1000\n"


def failing(script: Path, folder: Path) -> dict[str, bytes]:
    """What plain `lmp` leaves of a script that fails."""
    shutil.copytree(script.parent, folder)
    lmp = str(Path(sys.executable).parent / "lmp")
    done = subprocess.run([lmp, "-in", script.name, "-screen", "none"], cwd=folder, timeout=scaled(60), check=False,
                          stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
    assert done.returncode
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != script.name}


def frames(content: bytes) -> list[int]:
    return [int(step) for step in re.findall(rb"ITEM: TIMESTEP\n(\d+)", content)]


def test_failed_run_keeps_what_bare_lammps_keeps_up_to_the_failure(cluster, script, tmp_path):
    path = script(BLOWN_UP)
    theirs = failing(path, tmp_path / "bare")
    plain = cluster.submit(path, name="plain")
    cut = cluster.submit(path, name="cut", cut_plan=CutPlan(cut_at=((1, 275),), then="stop"))
    assert ended(cut).state == "interrupted"
    cut.resume()
    for run in (plain, cut):
        state = ended(run)
        assert state.state == "failed"
        ours = outputs(run, tmp_path / run.name)
        there = frames(ours["frames.lammpstrj"])
        assert there == frames(theirs["frames.lammpstrj"])
        assert there[-1] > 500
        assert ours.keys() == theirs.keys()
        if run is plain:  # the other one was set up again at its cut
            assert all(ours[name] == theirs[name] for name in ("frames.lammpstrj", "averages.dat"))
        assert "ERROR: " in ours["log.lammps"].decode()
        assert state.step > 500  # not where it was when it was last heard of


def test_killed_engine_and_lost_machine_leave_the_frames_since_the_checkpoint(cluster, script, tmp_path):
    path = script(script_of("nve", 200_000))
    run = cluster.submit(path, name="killed")
    wait_for_progress(run, 600)
    os.killpg(run.progress.engine_pid, signal.SIGKILL)
    assert ended(run).state == "failed"
    assert frames(outputs(run, tmp_path / "killed")["frames.lammpstrj"])[:12] == list(range(0, 600, 50))
    run.resume()
    wait_until(lambda: run.record.newest_attempt() == 2, run, "the next attempt")
    wait_for_progress(run, 600)
    assert run.download(tmp_path / "running") == []  # what the first attempt left is not the present
    run.kill()
    assert ended(run).state == "lost"
    assert frames(outputs(run, tmp_path / "lost")["frames.lammpstrj"])[:12] == list(range(0, 600, 50))
    run.cancel()
    assert (run.status.state, run.status.attempt) == ("cancelled", 2)
    assert run.status.step >= 600
    assert "frames.lammpstrj" in outputs(run, tmp_path / "cancelled")
