"""What a submission says of its user."""

from __future__ import annotations

import pytest

from lammps_jobs.backends.aws_batch import submission


@pytest.mark.parametrize(("user", "share"), [("anna.lee", "annalee"), ("müller", "mller"), ("李", "anybody")])
def test_a_share_is_one_that_aws_batch_takes(user, share):
    assert submission._share(user) == share
