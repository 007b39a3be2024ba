"""The protocol of the record under a scheduler: all plans of one preemption or crash, and a draw of those of two."""

from __future__ import annotations

import pytest

from tests.record.explorer import SCENES, execute, plans


@pytest.mark.parametrize("scene", SCENES)
def test_every_single_preemption_or_crash_leaves_a_whole_record(scene):
    for plan in plans(scene, 1):
        execute(scene, plan)


@pytest.mark.parametrize("scene", SCENES)
def test_pairs_of_preemptions_and_crashes_leave_a_whole_record(scene, chance):
    for plan in chance.sample(list(plans(scene, 2)), 150):
        execute(scene, plan)
