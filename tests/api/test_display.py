"""What a notebook shows, and errors and inputs as a user meets them in Python."""

from __future__ import annotations

import pytest

from lammps_jobs import CloudError, RunStatus
from lammps_jobs.api.display import MOST_ROWS, table
from lammps_jobs.api.naming import listed
from lammps_jobs.engine.__main__ import cause_of, text_of
from lammps_jobs.record.object_store import explained


def state(name: str, kind: str = "running", reason: str = "") -> RunStatus:
    return RunStatus(name, kind, attempt=1, step=1000, target=2000, stage=1, reason=reason)


def test_table_shows_states_escapes_reasons_and_counts_the_rest():
    shown = table([state("a"), state("b", "failed", "a < b")], "store")
    assert "1,000 of 2,000" in shown
    assert "a &lt; b" in shown
    assert "and 7 more" in table([state(str(n)) for n in range(MOST_ROWS + 7)])


def test_one_input_is_a_path_not_its_letters():
    assert listed("water.data") == ["water.data"]
    assert listed(["a", "b"]) == ["a", "b"]


def test_store_without_credentials_says_so_with_the_code_of_aws():
    error = explained(OSError("Error performing token request to http://169.254.169.254/latest"), "s3://bucket/x")
    assert isinstance(error, CloudError)
    assert "aws sso login" in str(error)


@pytest.mark.parametrize(
    ("error", "cause"),
    [(FileNotFoundError(2, "gone"), "machine"), (Exception("ERROR: x"), "script"), (KeyError(), "internal")],
)
def test_error_of_the_machine_is_neither_the_scripts_nor_ours(error, cause):
    assert cause_of(error) == cause


def test_lammps_own_link_to_an_explanation_is_kept():
    link = "For more information see https://docs.lammps.org/err0008 (src/x.cpp:1)"
    told = f"ERROR: Lost atoms: original 4000 current 3999\n{link}"
    assert text_of(Exception(f"{told}\nLast input line: run 1")) == told
