"""Submitting: what is wrong with it is named with its place, before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lammps_jobs
from lammps_jobs.errors import (
    CloudError,
    InputMissing,
    NameTaken,
    NoSuchRun,
    StoreError,
    UsageError,
)
from tests.conftest import START, script_of
from tests.waiting import finish


def test_missing_script_is_named(cluster, tmp_path):
    with pytest.raises(InputMissing, match="nowhere"):
        cluster.submit(tmp_path / "in.nowhere")
    assert cluster.runs() == []


def test_missing_input_is_named_with_line_before_submission(cluster, script):
    with pytest.raises(InputMissing, match=r"missing\.data") as error:
        cluster.submit(script("units lj\nread_data missing.data\n"))
    assert "in.test:2" in error.value.where
    assert cluster.runs() == []


def test_missing_extra_input_is_named(cluster, script):
    with pytest.raises(InputMissing, match="table"):
        cluster.submit(script(START), inputs=["table.txt"])


def test_undefined_variable_is_named_before_submission(cluster, script):
    with pytest.raises(UsageError, match="'temperature'") as error:
        cluster.submit(script(f"{START}\nfix 1 all nvt temp ${{temperature}} 1.0 0.5\n"))
    assert "in.test:13" in error.value.where


def test_output_by_an_absolute_path_is_warned_of(cluster, script, tmp_path):
    with pytest.warns(UserWarning, match=r"writes to .*end\.data, which another machine may not have"):
        run = cluster.submit(script(f"variable o string {tmp_path}\n{START}\nwrite_data ${{o}}/end.data\n"))
    finish(run)
    assert [path.name for path in run.download(tmp_path / "got")] == ["end.data", "log.lammps"]
    assert (tmp_path / "end.data").read_bytes() == (
        tmp_path / "got" / "outside" / tmp_path.relative_to("/") / "end.data"
    ).read_bytes()
    run.settle()


def test_output_above_the_folder_does_not_lead_a_download_out_of_its_folder(cluster, script, tmp_path):
    run = finish(cluster.submit(script(f"{START}\nfix 1 all nve\nlog ../log.above\nrun 10\n")))
    run.download(tmp_path / "got" / "here")
    found = {str(path.relative_to(tmp_path / "got")) for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert found == {"here/log.lammps", "here/outside/up/log.above"}


def test_what_may_be_missing_is_warned_of_and_runs(cluster, script):
    text = (
        f'{START}\nif "1 > 2" then "read_restart old.*"\njump SELF over\nread_data never.data ${{what}}\nlabel over\n'
    )
    with pytest.warns(UserWarning, match="not there") as found:
        run = cluster.submit(script(text))
    texts = [str(warning.message) for warning in found]
    assert any("never.data" in text and "in.test:15" in text for text in texts)
    assert any("'what'" in text for text in texts)
    assert not any("old" in text for text in texts)
    finish(run)


def test_bad_name_is_refused(cluster, script):
    with pytest.raises(UsageError, match="no name"):
        cluster.submit(script(START), name="../escape")


def test_same_name_and_spec_is_the_same_run(cluster, script):
    path = script(script_of("nve", 200))
    first = finish(cluster.submit(path, name="one"))
    again = cluster.submit(path, name="one")
    assert again.name == first.name
    assert len(again.record.attempts()) == 1


def test_same_name_with_another_spec_is_refused(cluster, script):
    path = script(script_of("nve", 200))
    finish(cluster.submit(path, name="one"))
    with pytest.raises(NameTaken, match="x: not given -> 1"):
        cluster.submit(path, name="one", variables={"x": 1})


def test_unknown_run_and_unknown_cluster(cluster, monkeypatch, tmp_path):
    with pytest.raises(NoSuchRun):
        cluster.run("nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CloudError, match="No AWS region is set"):
        lammps_jobs.connect("prod")
    with pytest.raises(UsageError, match="has its own store"):
        lammps_jobs.connect("prod", store=tmp_path)
    with pytest.raises(UsageError, match="this machine has none"):
        lammps_jobs.connect(pool="t4")


def test_read_only_store_says_so(tmp_path, script):
    if os.geteuid() == 0:
        target = Path("/proc/lammps-jobs")  # the one place where root may not write either
    else:
        target = tmp_path / "store"
        target.mkdir(mode=0o500)
    with pytest.raises(StoreError):
        lammps_jobs.connect(store=str(target)).submit(script(START))
