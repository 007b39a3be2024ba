"""Thermo tables hold LAMMPS's own rows, all of them and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs.formats.thermo import sections, table
from tests.conftest import START
from tests.waiting import scaled

PRINTS_LIKE_A_TABLE = f"""{START}
fix             integrate all nve
fix             p all print 25 "$(step) $(temp)"
thermo          50
thermo_style    custom step temp
run             100
print           "1 2"
thermo_style    custom temp press
run             100
thermo_modify   colname temp T_K format float %8.2f
run             50
thermo_style    one
minimize        1e-4 1e-4 5 10
"""


@pytest.mark.engine
def test_rows_are_lammps_own_whatever_the_script_prints(tmp_path):
    (tmp_path / "in.x").write_text(PRINTS_LIKE_A_TABLE)
    lmp = str(Path(sys.executable).parent / "lmp")
    subprocess.run([lmp, "-in", "in.x", "-screen", "none"], cwd=tmp_path, check=True, timeout=scaled(60))
    log = (tmp_path / "log.lammps").read_text()
    found = sections(log)
    assert [len(section.rows) for section in found] == [3, 3, 2, 2]
    assert [section.columns[:2] for section in found] == [
        ["Step", "Temp"], ["Temp", "Press"], ["T_K", "Press"], ["Step", "Temp"],
    ]  # fmt: skip
    assert [row[0] for row in found[0].rows] == [0.0, 50.0, 100.0]
    whole = table(log)
    assert list(whole["Stage"]) == [1] * 3 + [2] * 3 + [3] * 2 + [4] * 2


@pytest.mark.unit
def test_runs_whose_rows_have_several_lines_are_sections_of_their_own():
    row = "------------ Step {step:14d} ----- CPU =            0 (sec) -------------\nTotEng   = 1.0 KinEng = 0.5\n"
    log = f"""{row.format(step=0)}{row.format(step=10)}Loop time of 0.1 on 1 procs for 10 steps with 8 atoms

Minimization stats:
{row.format(step=10)}{row.format(step=60)}Loop time of 0.1 on 1 procs for 50 steps with 8 atoms
"""
    assert [(s.is_minimization, [r[0] for r in s.rows]) for s in sections(log)] == [(True, [0, 10]), (False, [10, 60])]
