"""How runs are shared out among array jobs."""

from __future__ import annotations

import pytest

from lammps_jobs.backends.aws_batch.arrays import chunks


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (10_000, [10_000]), (10_001, [5000, 5001]), (50_000, [10_000] * 5)]
)
def test_arrays_are_as_few_and_as_equal_as_can_be(count, sizes):
    runs = [str(at) for at in range(count)]
    made = list(chunks(runs))
    assert [len(one) for one in made] == sizes
    assert [run for one in made for run in one] == runs
