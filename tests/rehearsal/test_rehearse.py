"""The rehearsal's verdicts, each on a script that deserves it, and its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from lammps_jobs.errors import ScriptError, UsageError
from lammps_jobs.record.documents import Fidelity
from lammps_jobs.rehearsal import rehearse as module
from lammps_jobs.rehearsal.compare import Difference, compare
from lammps_jobs.rehearsal.rehearse import rehearse
from lammps_jobs.rehearsal.render import text
from lammps_jobs.rehearsal.verdict import judge
from tests.conftest import FLOW, START, script_of
from tests.waiting import scaled


def test_exact_script_and_its_text(script, tmp_path):
    found = rehearse(script(script_of("nve", 8000)), keep=tmp_path / "sides")
    assert (found.verdict, found.as_if, found.equals_bare) == ("exact", "never cut", True)
    assert {"bare", "checkpointed", "kept", "lost"} <= {path.name for path in (tmp_path / "sides").iterdir()}
    state = (tmp_path / "sides" / "lost" / "final.state").read_text()
    assert "ITEM: ATOMS id type x y z vx vy vz" in state
    assert state.startswith("ITEM: TIMESTEP\n8000\n")
    assert "as if nothing had happened" in text(found)


def test_flow_is_cut_in_its_stages(script):
    path = script(FLOW, settings__inc="neighbor 0.3 bin\n")
    found = rehearse(path, variables={"t": 1.2})
    assert found.verdict == "exact"
    assert len({stage for stage, _ in found.cuts}) >= 3
    assert len(found.stages) == 7


def test_random_stream_is_statistical_and_named(script):
    found = rehearse(script(script_of("langevin")))
    assert found.verdict == "statistical"
    assert any("fix bath (langevin)" in reason for reason in found.reasons)
    assert found.differences
    assert not found.harm


def test_shrink_wrapped_box_is_exact(script):
    open_box = START.replace("units           lj", "units lj\nboundary p s s")
    found = rehearse(script(f"{open_box}fix 1 all nve\nthermo_style custom step temp press vol\nthermo 50\nrun 1500\n"
                            "write_data end.data\n"))  # fmt: skip
    assert (found.verdict, found.differences) == ("exact", ())


def test_wrong_resume_is_found_out(script, monkeypatch):
    """With a grade that promises too much, the rehearsal says so."""
    monkeypatch.setattr(module, "judge", lambda found: judge(replace(found, fidelity=Fidelity(grade="exact"))))
    assert rehearse(script(script_of("langevin"))).verdict == "different"


def test_script_that_bare_lammps_rejects(script):
    with pytest.raises(ScriptError, match="Bare LAMMPS") as error:
        rehearse(script(f"{START}frobnicate\n"))
    assert "frobnicate" in error.value.where


def test_script_without_a_place_to_cut_has_its_last_state_on_all_sides(script, tmp_path):
    found = rehearse(script(START + "fix 1 all nve\nrun 5\n"), keep=tmp_path / "sides")
    assert (found.verdict, found.cuts, found.differences) == ("exact", (), ())
    for side in ("checkpointed", "kept", "lost"):
        assert (tmp_path / "sides" / side / "final.state").stat().st_size > 0


def test_folder_with_a_rehearsal_is_not_overwritten(script, tmp_path):
    (tmp_path / "sides" / "bare").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds a rehearsal"):
        rehearse(script(START), keep=tmp_path / "sides")


def test_steps_are_capped_also_through_a_variable(script):
    body = "fix 1 all nve\nvariable n index 100000\nthermo 50\nrun ${n}\nrun 100000\n"
    found = rehearse(script(START + body), steps=300)
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
    said = call("--json", "rehearse", path, "--report", page)
    assert said.returncode == 0
    assert json.loads(said.stdout)["verdict"] == "exact"
    assert "Rehearsal of in.test" in page.read_text()
    refused = script(START + "fix 1 all nve\ndump z all custom/gz 50 z.gz id x\nthermo 50\nrun 300\n", name="in.no")
    said = call("rehearse", refused)
    assert said.returncode == 20
    assert "refused" in said.stdout
    assert "write one a frame" in said.stdout


def test_comparison_names_the_first_place(tmp_path):
    for side, value in (("a", "1.0"), ("b", "1.5")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "x.dat").write_text(f"# head\n0 {value}\n")
        (tmp_path / side / "same").write_text("same")
    (tmp_path / "a" / "extra").write_text("")
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found == [
        Difference("extra", "the file itself", "here", "missing"),
        Difference("x.dat", "line 2", "0 1.0", "0 1.5", pytest.approx(1 / 3)),
    ]
