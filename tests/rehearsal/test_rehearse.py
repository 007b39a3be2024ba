"""The rehearsal's verdicts, each on a script that deserves it, and its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from lammps_jobs.errors import InternalError, ScriptError, UsageError
from lammps_jobs.record.documents import Fidelity
from lammps_jobs.rehearsal import rehearse as module
from lammps_jobs.rehearsal.rehearse import rehearse
from lammps_jobs.rehearsal.render import text
from lammps_jobs.rehearsal.verdict import judge
from tests.conftest import FLOW, START, THREADED, script_of
from tests.waiting import scaled


def test_exact_script_and_its_text(script, tmp_path):
    found = rehearse(script(script_of("nve", 3000)), keep=tmp_path / "sides")
    assert (found.verdict, found.as_if, found.equals_bare, found.uncut) == ("exact", "never cut", True, ())
    sides = {path.name for path in (tmp_path / "sides").iterdir()}
    assert {"bare", "checkpointed", "lost", "lost again"} <= sides
    assert not {"kept", "machines", "store"} & sides
    state = (tmp_path / "sides" / "lost" / "final.state").read_text()
    assert "ITEM: ATOMS id type x y z vx vy vz" in state
    assert state.startswith("ITEM: TIMESTEP\n3000\n")
    assert "as if nothing had happened" in text(found)


def test_flow_is_cut_in_every_stage_that_can_be(script):
    path = script(FLOW, settings__inc="neighbor 0.3 bin\n")
    found = rehearse(path, variables={"t": 1.2}, cuts=2)
    assert (found.verdict, found.harm, found.differences) == ("exact", (), ())
    assert len(found.stages) == 7
    assert all(bool(stage.resumed) == bool(stage.steps) for stage in found.stages)
    assert found.uncut == tuple(stage.stage for stage in found.stages if not stage.steps)


def test_random_stream_goes_on_as_if_never_cut(script):
    found = rehearse(script(script_of("langevin", 3000)), cuts=1)
    assert (found.verdict, found.harm, found.differences, found.reasons) == ("exact", (), (), ())


def test_random_stream_of_which_nothing_is_proven_is_statistical_and_named(script, monkeypatch):
    caught = []
    monkeypatch.setattr(module, "judge", lambda found: caught.append(found) or judge(found))
    found = rehearse(script(THREADED + script_of("langevin", 3000)), cuts=1)
    assert found.verdict == "statistical"
    assert any("not proven" in reason for reason in found.reasons)
    assert any("fix bath (langevin)" in reason for reason in found.reasons)
    assert found.differences
    assert not found.harm
    (findings,) = caught
    promising = tuple(replace(side, fidelity=Fidelity()) for side in findings.lost)
    assert judge(replace(findings, lost=promising)).verdict == "different", "a grade that promises too much"


def test_shrink_wrapped_box_is_exact(script):
    open_box = START.replace("units           lj", "units lj\nboundary p s s")
    found = rehearse(script(f"{open_box}fix 1 all nve\nthermo_style custom step temp press vol\nthermo 50\nrun 1500\n"
                            "write_data end.data\n"), cuts=2)  # fmt: skip
    assert (found.verdict, found.differences) == ("exact", ())


@pytest.mark.parametrize("log", ["", "log mine.log", "log none"])
def test_script_that_bare_lammps_rejects_is_answered_in_its_words_whatever_the_log_is_called(script, log):
    with pytest.raises(ScriptError, match="Bare LAMMPS") as error:
        rehearse(script(f"{log}\n{START}frobnicate\n"))
    assert "Unknown command: frobnicate" in error.value.where


def test_run_of_ours_that_fails_where_bare_lammps_does_not_is_our_fault(script):
    """A script that fails in a folder of ours only."""
    here = "case $PWD in */tree*) echo 'print ok' ;; *) echo frobnicate ;; esac > what.inc"
    with pytest.raises(InternalError, match="The side 'checkpointed' failed") as error:
        rehearse(script(f'{START}shell """{here}"""\ninclude what.inc\n', what__inc=""))
    assert "a fault of lammps-jobs, not of the script" in error.value.what
    assert "report" in error.value.remedy


def test_folder_with_a_rehearsal_is_not_overwritten(script, tmp_path):
    (tmp_path / "sides" / "bare").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds a rehearsal"):
        rehearse(script(START), keep=tmp_path / "sides")


def test_steps_are_capped_also_through_a_variable(script):
    body = "fix 1 all nve\nvariable n index 100000\nthermo 50\nrun ${n}\nrun 100000\n"
    found = rehearse(script(START + body), steps=300, cuts=1)
    assert found.verdict == "exact"
    assert max(step for _, step in found.cuts) < 600


def test_time_limit_ends_everything(script):
    with pytest.raises(TimeoutError):
        rehearse(script(START + "fix 1 all nve\nrun 10000000\n"), limit_s=3)


def call(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lammps_jobs.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(120), check=False)


def test_command_line_text_json_page_and_exit_codes(script, tmp_path):
    path = script(script_of("nve", 500))
    page = tmp_path / "page.html"
    said = call("--json", "rehearse", path, "--report", page, "--cuts", "1")
    assert said.returncode == 0
    assert json.loads(said.stdout)["verdict"] == "exact"
    assert "Rehearsal of in.test" in page.read_text()
    refused = script(START + "fix 1 all nve\ndump z all custom/gz 50 z.gz id x\nthermo 50\nrun 300\n", name="in.no")
    said = call("rehearse", refused)
    assert said.returncode == 20
    assert "refused" in said.stdout
    assert "write one a frame" in said.stdout


def test_script_without_a_place_to_cut_is_untested_and_has_its_last_state_on_all_sides(script, tmp_path):
    text = START + "neigh_modify delay 0 every 1000 check no\nfix 1 all nve\nrun 5\n"  # a cut waits for a rebuild
    said = call("rehearse", script(text), "--keep", tmp_path / "sides")
    assert said.returncode == 23
    assert "in.test: untested" in said.stdout
    assert "exact" not in said.stdout
    for side in ("checkpointed", "lost"):
        assert (tmp_path / "sides" / side / "final.state").stat().st_size > 0
