"""The examples run from their first line to their last, as script, as notebook and as workflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs import connect
from tests.waiting import scaled
from tools.notebook import cells, notebook

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOK = EXAMPLES / "everyday.ipynb"


def test_notebook_is_the_script_and_holds_no_outputs():
    text = NOTEBOOK.read_text()
    assert text == notebook(EXAMPLES / "everyday.py"), (
        "run: python -m tools.notebook examples/everyday.py > examples/everyday.ipynb"
    )
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_cells_of_a_script_are_code_and_text():
    text = "# not a cell\n# %% [markdown]\n# # Title\n#\n# words\n\n# %%\nrun = 1\nrun  # noqa: B018\n\n# %%\nx\n"
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells(text)] == [
        ("markdown", "# Title\n\nwords"), ("code", "run = 1\nrun"), ("code", "x"),
    ]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A copy of the examples, with a store and a user's folders of its own."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LAMMPS_JOBS_STORE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "examples"


@pytest.mark.engine
def test_notebook_runs_from_its_first_cell_to_its_last_and_shows_tables_and_charts(place):
    import nbformat
    from nbclient import NotebookClient

    made = nbformat.read(place / NOTEBOOK.name, as_version=4)
    NotebookClient(
        made, timeout=int(scaled(120)), kernel_name="python3", resources={"metadata": {"path": place}}
    ).execute()
    shown = [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in shown if output.output_type == "stream")
    pages = "".join(output.data.get("text/html", "") for output in shown if "data" in output)
    assert "units: lj {'Time': 'τ', 'Temp': 'ε/k'" in said
    assert re.search(r"resumes: exact", said)
    assert "day-longer finished" in said
    assert re.search(r"0 +1\.2 +1\.\d+ .*\n1 +1\.6 .*\n2 +2\.0 ", said), said
    assert "['day-hot', 'day-first']" in said
    assert "<svg" in pages, "no charts"
    assert "<table" in pages, "no table of runs"
    assert connect().find_sweep("day-sweep").wait() == {"finished": 3}


@pytest.mark.engine
def test_workflow_runs_what_is_missing_and_nothing_twice(place, tmp_path):
    def again() -> list[str]:
        done = subprocess.run([sys.executable, place / "workflow.py"], cwd=tmp_path, env=os.environ,
                              capture_output=True, text=True, timeout=scaled(180), check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    said = again()
    assert said[0] == "3 state points, 3 to run"
    assert [line.split()[-1] for line in said[1:]] == ["crystal", "liquid", "liquid"]
    runs = connect(store=tmp_path / "melting" / "runs").runs()
    assert [run.status.attempt for run in runs] == [1, 1, 1]
    script = place / "workflow.py"
    script.write_text(script.read_text().replace("(0.5, 1.5, 2.5)", "(0.5, 1.5, 2.5, 3.0)"))
    said = again()
    assert said[0] == "4 state points, 1 to run"
    assert len(said) == 5
    assert all(run.status.attempt == 1 for run in connect(store=tmp_path / "melting" / "runs").runs())
