"""The fault campaign in short; and that it would notice what it looks for."""

from __future__ import annotations

import pytest

from lammps_jobs.record.documents import OutputFile
from tools.chaos import scenario
from tools.chaos.__main__ import table, told
from tools.chaos.scenario import Harm, Scenario, begun, lines_to, played
from tools.chaos.world import world

SHORT = 900


@pytest.mark.engine
def test_run_that_is_harmed_six_times_is_whole_in_the_end(monkeypatch, chance):
    """`make chaos` is the long form of it."""
    monkeypatch.setattr(scenario, "STEPS", SHORT)
    monkeypatch.setattr(scenario, "FAULTS_EACH", 6)
    kinds = [
        "kill -9 of both", "kill -9 of the supervisor", "SIGTERM, then SIGKILL", "two writers", "torn: manifest",
        "disk of the store full", "cancelled and resumed", "torn: head", "torn: claim", "an old head put back",
    ]  # fmt: skip
    with world("folder", real=False) as place:
        scene = played(begun(place, "harmed"), chance.randrange(10**6), kinds)
    assert not scene.broken
    assert sum(harm.hits for harm in scene.harms)


@pytest.fixture
def scene(tmp_path) -> Scenario:
    from lammps_jobs import connect
    from lammps_jobs.api.run import Run
    from lammps_jobs.record.run_record import RunRecord
    from tools.chaos.world import World

    cluster = connect(store=tmp_path / "store")
    record = RunRecord(cluster._root, "x")
    return Scenario(
        World("folder", cluster, tmp_path), "x", record, Run(record, cluster._backend), tmp_path / "journal"
    )


@pytest.mark.parametrize(
    ("lines", "word"),
    [([1, 2, 2, 3], "doubled"), ([1, 3], "lost"), ([1, 2, 4], "forked"), ([], "lost"), ([1, 2, 3], "")],
)
def test_campaign_notices_frames_that_are_lost_doubled_or_forked(scene, lines, word):
    good = dict(enumerate(lines_to(5), start=1))
    blob = scene.record.put_bytes("".join(f"{good[line]}\n" for line in lines).encode())
    scene._check_frames("the result", {"frames": OutputFile(segments=(blob,))}, 3)
    assert [text.partition(":")[0] for text in scene.broken] == ([word] if word else [])


def test_table_says_what_each_kind_cost(scene, capsys):
    scene.harms += [Harm("SIGTERM", 1, 4, 0.5), Harm("SIGTERM", 1, 2, 1.5), Harm("engine frozen", 1)]
    scene.broken.append("hung")
    text = table([told(scene, "folder", 7, real=False)])
    assert "| SIGTERM | 2 | 2 | 3, 4 | 1.0, 1.5 |" in text
    assert "| engine frozen | 1 | 0 | - | - |" in text
    assert "python -m tools.chaos --seed 7 --store folder --scenarios 1" in capsys.readouterr().out
