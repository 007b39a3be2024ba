"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parents[1] / "docs"


def blocks(language: str) -> list[str]:
    """The README's blocks of code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS.parent / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_readme_can_be_followed_line_by_line(tmp_path):
    shutil.copytree(DOCS.parent / "examples", tmp_path / "examples")
    python = Path(sys.executable).parent
    environment = {**os.environ, "LAMMPS_JOBS_STORE": str(tmp_path / "store"), "PATH": f"{python}:{os.environ['PATH']}"}
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("lammps-jobs")]
    assert len(lines) > 5
    script = "\n".join(line.replace("lammps-jobs", f"{python}/python -m lammps_jobs", 1) for line in lines)
    for command in (["sh", "-e", "-c", script], [f"{python}/python", "-c", blocks("python")[0]]):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=scaled(120), check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "melt" / "melt.lammpstrj").stat().st_size == (
        tmp_path / "results" / "melt.lammpstrj"
    ).stat().st_size
    assert (tmp_path / "melt.html").exists()


def test_example_in_cells_runs_from_its_first_to_its_last(tmp_path):
    environment = {**os.environ, "LAMMPS_JOBS_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, DOCS.parent / "examples" / "everyday.py"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=scaled(180), check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "units: lj {'Time': 'τ', 'Temp': 'ε/k'" in done.stdout
    assert "day-hot is waiting - It starts when day-longer has finished." in done.stdout
    assert done.stdout.splitlines()[-1] == "['day-hot', 'day-first']"
    assert "<svg" in (tmp_path / "day-plot.html").read_text()


def test_tests_that_the_findings_name_are_there():
    page = next((DOCS / "decisions").glob("0032-*.md")).read_text()
    rows = [line for line in page.splitlines() if "`tests/" in line and line.startswith("|")]
    assert len(rows) >= 22 + 29
    for row in rows:
        file = ""
        for path, name in re.findall(r"`(tests/\S+\.py)?::(test_\w+)`", row):
            file = path or file
            assert f"def {name}(" in (DOCS.parent / file).read_text(), f"{file} has no {name}"


@pytest.mark.parametrize(("page", "module"), [("exit-codes.md", "lammps_jobs.errors"), ("api.md", "tools.api_page")])
def test_page_is_current(page, module):
    command = [sys.executable, "-m", module]
    made = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=scaled(60), cwd=DOCS.parent
    ).stdout
    assert (DOCS / page).read_text() == made, f"run: python -m {module} > docs/{page}"
