"""The protocol of the record under a scheduler: all plans of one preemption or crash, and of two in short runs, and a
draw of those of two in longer ones. `make protocol` tries all."""

from __future__ import annotations

import obstore
import pytest

from lammps_jobs.record import index
from tests.record.explorer import CRASH, SCENES, Explorer, World, execute, plans


@pytest.mark.parametrize("scene", SCENES)
def test_every_single_preemption_or_crash_leaves_a_whole_record(scene):
    explorer = Explorer(scene)
    explorer.explore(1)
    assert explorer.left_out < 2 * explorer.executed, "so few that they were chosen wrongly"


@pytest.mark.parametrize("scene", ["two attempts", "an attempt, and the loss of all advice"])
def test_every_pair_of_preemptions_and_crashes_leaves_a_whole_record_of_a_short_run(scene):
    Explorer(scene, frames=1).explore(2)


def test_plans_that_are_left_out_leave_what_others_do(monkeypatch):
    """All plans of one preemption, one by one, end in no other states than those that were chosen."""
    found: set[tuple[object, ...]] = set()
    check = World.check

    def noted(self, ends, *, has_cancelled):
        keys = [meta["path"] for batch in obstore.list(self.root) for meta in batch]
        found.add((*sorted(ends.items()), *sorted(key for key in keys if not key.startswith(index.INDEX))))
        check(self, ends, has_cancelled=has_cancelled)

    monkeypatch.setattr(World, "check", noted)
    Explorer("two attempts", frames=1).explore(1)
    chosen = set(found)
    for place in range(1, len(execute("two attempts", (), frames=1)) + 1):
        for move in ("a", "b", CRASH):
            execute("two attempts", ((place, move),), frames=1)
    assert found == chosen
    assert len(found) > 5


@pytest.mark.parametrize("scene", SCENES)
def test_pairs_of_preemptions_and_crashes_leave_a_whole_record(scene, chance):
    for plan in chance.sample(list(plans(scene, 2)), 150):
        execute(scene, plan)
