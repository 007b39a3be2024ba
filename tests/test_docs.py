"""Pages that are made from the code say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine

DOCS = Path(__file__).parents[1] / "docs"


def test_page_of_exit_codes_is_current():
    command = [sys.executable, "-m", "lammps_jobs.errors"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=scaled(60)).stdout
    assert (DOCS / "exit-codes.md").read_text() == made, "run: python -m lammps_jobs.errors > docs/exit-codes.md"
