"""The command line on an ordinary day: options anywhere, lmp's switches, downloads, names that are taken, failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs import UsageError
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.cli import commands
from lammps_jobs.cli.lammps_switches import translated
from lammps_jobs.cli.options import DURATION
from tests.conftest import script_of
from tests.waiting import scaled

COMMAND = [sys.executable, "-m", "lammps_jobs"]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs `lammps-jobs` in this process, in a folder and on a store of its own; returns its result."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object, code: int = 0) -> str:
        words = ["--store", str(tmp_path / "store"), *map(str, args)]
        done = CliRunner().invoke(commands, words, prog_name="lammps-jobs")
        assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
        return done.output

    return run


# -- words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("-in in.melt", "in.melt"),
        ("in.melt -var T 1 2 -3 --name x", "in.melt --var T=1 --var T=2 --var T=-3 --name x"),
        ("-v T 1 -i in.melt", "--var T=1 in.melt"),
        ("in.x -sf omp -pk omp 4", "in.x --lammps -sf --lammps omp --lammps -pk --lammps omp --lammps 4"),
        ("-k on g 1 -sc none -nocite in.x", "--lammps -k --lammps on --lammps g --lammps 1 in.x"),
    ],
)
def test_switches_of_lmp_are_understood_as_lmp_does(given, made):
    assert translated(given.split()) == made.split()


@pytest.mark.parametrize("given", ["in.x -p 2x1", "in.x -log my.log", "in.x -var T", "in.x -in"])
def test_switch_that_makes_no_sense_is_named(given):
    with pytest.raises(UsageError, match=given.split()[1]):
        translated(given.split())


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("10m", 600), ("1h30m", 5400), ("0.5s", 0.5)])
def test_times_are_read_as_people_write_them(text, seconds):
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["-1", "0", "soon", "10x", "1h 3q", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)


# -- without LAMMPS ------------------------------------------------------------------------------------


@pytest.mark.engine
def test_options_work_after_the_command_and_every_error_is_one_text(call, script, tmp_path):
    (tmp_path / "file").write_text("")
    assert json.loads(call("list", "--json")) == []
    assert json.loads(call("status", "nothing", "--json", code=6))["error"] == "NoSuchRun"
    assert "exit-codes" in call("--help")
    assert "130" in call("exit-codes")
    path = script("units lj\n")
    for words, code in (
        (["list", "--store", "foo://x"], 7),
        (["list", "--store", tmp_path / "file" / "below"], 7),
        (["run", path, "--every", "soon"], 2),
        (["run", path, "--name", "x" * 200], 2),
        (["run", path, "-var", "T", "2"], 2),
    ):
        said = call(*words, code=code)
        assert "Traceback" not in said
        assert len(said) < 600
    with pytest.raises(UsageError, match="ranks"):
        lammps_jobs.Resources(ranks=0)
    with pytest.raises(UsageError, match="'N'"):
        lammps_jobs.connect(store=tmp_path / "store").submit(path, variables={"N": None})


@pytest.mark.engine
def test_typo_failure_and_replacement(call, script, tmp_path):
    path = script(f"{script_of('nve', 100)}\nfrobnicate\n", name="in.case")
    said = call("run", path, "--every", "1h", code=3)
    assert "frobnicate" in said
    assert "  | " in said  # the end of the log
    assert "lammps-jobs download case" in said
    with pytest.raises(lammps_jobs.ScriptError, match="frobnicate"):
        lammps_jobs.connect(store=tmp_path / "store").run("case").wait()
    said = call("download", "case")
    assert "step 100, where it failed" in said
    assert (tmp_path / "case" / "frames.lammpstrj").read_bytes()

    path.write_text(path.read_text().replace("frobnicate", "print done"))
    said = call("run", path, code=5)
    assert "frobnicate -> print done" in said
    assert "every_s: 3600.0 -> 600.0" in said
    assert "finished" in call("run", path, "--replace")
    assert "nothing is run anew" in call("run", path)
    assert [run["name"] for run in json.loads(call("list", "--json"))] == ["case", "case.past-1"]
    assert "case.past-1" in call("list", "--state", "failed")
    assert "Did you mean case?" in call("status", "caze", code=6)

    other = tmp_path / "T2" / "in.case"
    other.parent.mkdir()
    other.write_text("units lj\nprint hello\n")
    assert json.loads(call("run", other, "--json").splitlines()[-1])["name"] == "T2-case"


@pytest.mark.engine
def test_download_never_overwrites_unasked_and_names_its_folder_itself(call, script, tmp_path):
    path = script(script_of("nve", 100), name="in.melt")
    assert "frames.lammpstrj" in call("run", path, "--threads", "2", "--out", "out")
    assert "-sf omp" not in call("logs", "melt")
    assert "lj/cut/omp" in call("logs", "melt")  # more than an environment variable
    call("download", "melt")
    frames, whole = tmp_path / "melt" / "frames.lammpstrj", (tmp_path / "out" / "frames.lammpstrj").read_bytes()
    assert frames.read_bytes() == whole
    before = frames.stat().st_mtime_ns
    call("download", "melt")
    assert frames.stat().st_mtime_ns == before  # equal ones are left alone
    frames.write_text("mine")
    (tmp_path / "melt" / "averages.dat").unlink()
    assert "frames.lammpstrj" in call("download", "melt", code=19)
    assert frames.read_text() == "mine"
    assert not (tmp_path / "melt" / "averages.dat").exists()
    call("download", "melt", "--overwrite")
    assert frames.read_bytes() == whole
    assert "averages.dat" in call("download", "melt", "some", "--only", "*.dat")
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["averages.dat"]
    (tmp_path / "file").write_text("")
    for place in ("file", "/proc/x"):
        said = call("download", "melt", place, code=7)
        assert "Traceback" not in said
        assert "cannot be written" in said
        assert "store" not in said, "the user's folder is none"
        assert "cannot be written" in call("report", "melt", "--out", f"{place}/x.html", code=7)
    call("report", "melt", "--out", ".")
    assert (tmp_path / "melt.html").exists()
    assert "frames.lammpstrj" in call("files", "melt")


@pytest.mark.engine
def test_ctrl_c_is_130_progress_needs_no_terminal_and_a_second_cancel_says_so(call, script, tmp_path):
    path = script(script_of("nve", 2_000_000), name="in.long")
    words = [*COMMAND, "run", str(path), "--store", str(tmp_path / "store")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        assert "long: stage 1" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "lammps-jobs watch long" in process.communicate(timeout=scaled(30))[1]
        assert process.returncode == 130
    finally:
        process.kill()
    assert "LAMMPS" in call("logs", "--raw", "long")  # of a run that runs
    for text in ("is cancelled", "was cancelled before"):
        assert text in call("cancel", "lon*")
    state = json.loads(call("status", "long", "--json"))
    assert (state["state"], state["attempt"]) == ("cancelled", 1)
    assert state["step"] > 0


@pytest.mark.engine
def test_supervisor_hands_over_why_it_could_not_start(stopped):
    with pytest.raises(lammps_jobs.StoreError, match="foo"):
        LocalBackend("foo://nowhere").start(stopped.record)
