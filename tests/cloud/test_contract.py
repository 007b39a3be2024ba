"""AWS Batch as a place where runs run: the contract of all backends, in containers of the real image."""

from __future__ import annotations

import pytest

import lammps_jobs
from lammps_jobs import Cluster
from lammps_jobs.testing import BackendTests
from tests.waiting import scaled

pytestmark = pytest.mark.xdist_group("containers")


class TestBatch(BackendTests):
    wait_s = scaled(240)

    @pytest.fixture
    def cluster(self, cloud) -> Cluster:
        return lammps_jobs.connect("dev", pool="cpu")
