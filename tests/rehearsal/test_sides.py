"""The folder of a rehearsal: nothing writes there any more when it is removed."""

from __future__ import annotations

import pytest

from lammps_jobs import Resources
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.rehearsal.sides import Workspace
from tests.conftest import script_of


@pytest.mark.engine
def test_leaving_waits_until_nothing_writes_there(script, tmp_path):
    with Workspace(tmp_path / "place", script(script_of("nve", 20_000)), (), {}, Resources(), None, None) as place:
        run = place.cluster.submit(place.script, start=place.source)
        assert not LocalBackend(place.backend.url).settle(run.record, 0.0)
    assert LocalBackend(place.backend.url).settle(run.record, 0.0)
    assert run.status.state == "finished"
