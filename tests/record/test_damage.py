"""Damaged, newer and foreign documents: reported, passed over or refused, never believed."""

from __future__ import annotations

import pytest

from lammps_jobs import CutPlan
from lammps_jobs.errors import (
    OtherFormat,
)
from lammps_jobs.record.documents import FORMAT, Attempt
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from tests.conftest import outputs, script_of
from tests.waiting import ended, finish


def test_damaged_checkpoint_is_reported_and_the_one_before_is_used(cluster, stopped, script, tmp_path):
    path, run = script(script_of("nve")), stopped
    newest = run.record.checkpoint(2)
    blob = tmp_path / "store" / run.name / "blobs" / newest.restart["restart"].name
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    run.resume()
    assert ended(run).state in ("interrupted", "finished")
    finish_run = finish(run)
    assert any(event.kind == "damaged" and "Checkpoint 2" in event.text for event in run.events)
    whole = finish(cluster.submit(path, name="whole", cut_plan=CutPlan(cut_at=((1, 250),), then="set up again")))
    ours, reference = outputs(finish_run, tmp_path / "ours"), outputs(whole, tmp_path / "whole")
    assert ours["averages.dat"].count(b"\n") == reference["averages.dat"].count(b"\n")


def test_truncated_manifest_falls_back(stopped, tmp_path):
    run = stopped
    manifest = tmp_path / "store" / run.name / "checkpoints" / "000002.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    run.resume()
    finish(run)
    assert any(event.kind == "damaged" for event in run.events)


def test_newer_record_is_refused_with_a_remedy(cluster, script, tmp_path):
    run = finish(cluster.submit(script(script_of("nve", 100))))
    spec = tmp_path / "store" / run.name / "spec.json"
    spec.write_text(spec.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(OtherFormat, match="99"):
        cluster.run(run.name)


def test_resume_with_another_lammps_version_is_allowed_and_noted(stopped, tmp_path):
    run = stopped
    manifest = tmp_path / "store" / run.name / "checkpoints" / "000002.json"
    manifest.write_text(manifest.read_text().replace('"lammps_version": 2025', '"lammps_version": 2024'))
    run.resume()
    finish(run)
    assert any("wrote the checkpoint" in reason for reason in run.status.fidelity.reasons)


def test_two_claims_of_one_number_leave_one_winner(tmp_path):
    record = RunRecord(open_root(str(tmp_path)), "x")
    claim = Attempt(number=1, host="a", supervisor_pid=1, supervisor_started=0, scratch="")
    assert [record.claim(claim), record.claim(claim.model_copy(update={"host": "b"}))] == [True, False]
    assert record.attempts()[0].host == "a"
