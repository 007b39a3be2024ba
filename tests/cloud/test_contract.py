"""AWS Batch as a place where runs run: the contract of all backends, in containers of the real image."""

from __future__ import annotations

import pytest

import lammps_jobs
from lammps_jobs import Cluster
from lammps_jobs.testing import BackendTests
from tests.waiting import scaled, until

pytestmark = pytest.mark.xdist_group("containers")


class TestBatch(BackendTests):
    wait_s = scaled(240)

    @pytest.fixture
    def cluster(self, cloud) -> Cluster:
        return lammps_jobs.connect("dev", pool="cpu")

    def test_script_that_lammps_rejects_fails_in_its_words(self, submit, cloud) -> None:
        """And is not tried again."""
        super().test_script_that_lammps_rejects_fails_in_its_words(submit)
        (job,) = [one for one in cloud.jobs.values() if "rejects" in one.parameters["run"]]
        until(job.over.is_set, "the end of the job", job.described)
        assert len(job.attempts) == 1
