"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "module"), [("exit-codes.md", "lammps_jobs.errors"), ("api.md", "tools.api_page")])
def test_page_is_current(page, module):
    command = [sys.executable, "-m", module]
    made = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=scaled(60), cwd=DOCS.parent
    ).stdout
    assert (DOCS / page).read_text() == made, f"run: python -m {module} > docs/{page}"
