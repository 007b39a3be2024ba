"""What the command line says before anything runs: help, completion, and the words of states. No LAMMPS."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

import lammps_jobs
from lammps_jobs.api.naming import name_from
from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.local import too_many
from lammps_jobs.cli import commands
from lammps_jobs.cli.follow import state_text
from lammps_jobs.errors import exit_codes
from lammps_jobs.record.documents import Asked
from tests.api.test_status import record_of


def said(*words: str) -> str:
    done = CliRunner().invoke(commands, list(words), prog_name="lammps-jobs", terminal_width=80)
    assert done.exit_code == 0, done.output
    return done.output


def test_help_fits_80_columns_and_no_line_of_it_is_cut():
    text = said("--help")
    commands_listed = text.partition("\nRun:")[2]
    assert "..." not in commands_listed
    assert max(map(len, text.splitlines())) <= 80


def test_no_two_exit_codes_mean_the_same_in_words():
    meanings = [text for _, _, text in exit_codes()]
    assert len(set(meanings)) == len(meanings)
    assert all(text in said("exit-codes") for text in meanings)


@pytest.mark.parametrize("shell", [pytest.param("bash", marks=pytest.mark.engine), "zsh", "fish"])
def test_completion_for_a_shell_can_be_had(shell):
    """Click asks bash for its version."""
    assert "_LAMMPS_JOBS_COMPLETE" in said("completion", shell)
    assert "lammps-jobs completion bash" in said("completion", "--help")


def test_names_of_runs_are_completed(tmp_path):
    record_of(tmp_path, 1, 0, 0)
    complete = ShellComplete(commands, {}, "lammps-jobs", "_LAMMPS_JOBS_COMPLETE")
    found = complete.get_completions(["--store", str(tmp_path), "status"], "me")
    assert [one.value for one in found] == ["melt"]


def test_run_that_began_anew_each_time_is_not_called_exactly_resumed():
    state = RunStatus("melt", "failed", attempt=2, step=5, target=9, stage=1)
    assert "each attempt began anew" in state_text(state)
    assert "exact" not in state_text(state)


@pytest.mark.parametrize(("file", "name"), [("in.schmölze 1", "schmolze-1"), ("2melt.lmp", "2melt"), ("in.", "run")])
def test_names_from_scripts_are_as_near_as_letters_allow(tmp_path, file, name):
    assert name_from(tmp_path / file) == name


def test_more_cores_than_there_are_is_said():
    assert too_many(2, 2) == ""
    assert "8 cores" in too_many(8, 2)
    assert "has 2" in too_many(8, 2)


def test_error_of_a_whole_specification_is_one_text():
    class Strange(Asked):
        def model_post_init(self, _: object) -> None:
            raise ValueError("no sense at all")

    with pytest.raises((lammps_jobs.UsageError, ValueError), match="no sense"):
        Strange()
