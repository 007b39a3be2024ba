"""The command line as users type it: texts, JSON, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lammps_jobs.cli import commands
from tests.conftest import script_of
from tests.waiting import scaled

pytestmark = pytest.mark.engine

COMMANDS = [sys.executable, "-m", "lammps_jobs.cli"]


@pytest.fixture
def call(tmp_path):
    """Runs `lammps-jobs` on a store of its own; returns (exit code, stdout, stderr)."""

    def run(*args: str, code: int = 0) -> str:
        command = [*COMMANDS, "--store", str(tmp_path / "store"), *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120), check=False, cwd=tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def document(text: str) -> dict:
    return json.loads(text)


def test_a_run_from_the_first_command_to_the_report(call, script, tmp_path):
    path = script(script_of("nve", 200_000), name="in.melt")
    assert "lammps-jobs watch melt" in call("submit", path, "--every", "5")
    assert "melt" in call("list")
    said = call("interrupt", "melt")
    assert "interrupted" in said
    assert "lammps-jobs resume melt" in said
    state = document(call("--json", "status", "melt"))
    assert state["state"] == "interrupted"
    assert state["checkpoint_step"] > 0
    call("resume", "melt", "--no-follow")
    said = document(call("--json", "interrupt", "melt"))
    assert (said["attempt"], said["fidelity"]["grade"]) == (2, "exact")
    assert "Step" in call("logs", "melt")
    assert "LAMMPS" in call("logs", "--raw", "melt")
    files = document(call("--json", "download", "melt", tmp_path / "got"))["files"]
    assert str(tmp_path / "got" / "frames.lammpstrj") in files
    assert not any(Path(file).name.startswith(".") for file in files)
    page = Path(document(call("--json", "report", "melt"))["file"])
    assert "<svg" in page.read_text()
    call("cancel", "melt")
    assert document(call("--json", "status", "melt"))["state"] == "cancelled"
    assert [run["name"] for run in document(call("--json", "list"))] == ["melt"]


def test_run_follows_to_the_end_and_watch_finds_it_finished(call, script):
    path = script(script_of("nve", 300))
    assert "finished, step 300" in call("run", path, "--name", "short")
    assert "finished" in call("watch", "short")
    assert "finished, step 300" in call("run", path, "--name", "short")  # the same again is the same run
    assert call("logs", "-f", "short").count("Loop time") == 1


def test_every_command_explains_itself(call):
    for name, command in commands.commands.items():
        said = CliRunner().invoke(commands, [name, "--help"], prog_name="lammps-jobs").output
        assert command.help.split()[0] in said
        assert "Usage: lammps-jobs" in said
    assert "Exit codes" in call("--help")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "in.nowhere"], 4, "in.nowhere"),
        (["status", "nothing"], 6, "lammps-jobs list"),
        (["run"], 2, "SCRIPT"),
        (["frobnicate"], 2, "No such command"),
        (["resume", "nothing"], 6, "nothing"),
    ],
)
def test_errors_have_their_exit_code_and_say_what_to_do(call, args, code, words):
    assert words in call(*args, code=code)


def test_list_of_values_and_a_script_started_from_above(call, script, tmp_path):
    text = "label again\nread_data more.data\nprint 'T is $T' append seen.txt\nclear\nnext T\njump SELF again\n"
    path = script(f"{text}read_data never.data\n")
    (tmp_path / "more.data").write_text("none\n\n0 atoms\n1 atom types\n0 1 xlo xhi\n0 1 ylo yhi\n0 1 zlo zhi\n")
    said = call("run", path.relative_to(tmp_path), "--name", "list", "--var", "T=1.0", "--var", "T=1.5", code=3)
    assert "Warning: The script reads a file that is not there: never.data" in said
    assert "UserWarning" not in said
    assert "T is 1.0" in call("logs", "list")
    assert "T is 1.5" in call("logs", "list")


def test_bad_numbers_and_variables_are_refused(call, script):
    path = script(script_of("nve", 100))
    assert "ranks" in call("run", path, "--ranks", "0", code=2)
    assert "--var" in call("run", path, "--var", "T", code=2)
    assert "every" in call("run", path, "--every", "-1", code=2)


def test_errors_are_json_too(call):
    said = document(call("--json", "status", "nothing", code=6))
    assert (said["error"], said["exit_code"]) == ("NoSuchRun", 6)


def test_script_that_lammps_rejects_is_exit_code_3_with_its_line(call, script):
    said = call("run", script("units lj\nfrobnicate\n"), code=3)
    assert "in.test:2" in said
    assert "Unknown command" in said


def test_other_specification_is_exit_code_5(call, script):
    path = script(script_of("nve", 100))
    call("run", path)
    assert "--name" in call("run", path, "--ranks", "2", code=5)
