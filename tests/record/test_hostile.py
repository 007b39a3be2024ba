"""Records that others wrote: no name in them leads out of a folder, no text in them gives orders to a terminal."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lammps_jobs.api import download
from lammps_jobs.errors import Damaged, StoreError
from lammps_jobs.record.documents import AttemptEnd, Blob, Checkpoint, OutputFile, Result, RunSpec, parse
from lammps_jobs.record.names import place_of
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import workdir

BLOB = Blob(sha256="0" * 64, size=1)
AWAY = ["a/../../x", "a/..", "./x", "", "x/", "a//b", "//etc/x", "a\0b"]


@pytest.fixture
def record(tmp_path) -> RunRecord:
    return RunRecord(open_root(str(tmp_path / "store")), "melt")


@pytest.mark.parametrize("name", AWAY)
def test_output_whose_name_leads_away_makes_the_document_damaged(name):
    raw = Result.model_construct(attempt=1, step=1, outputs={name: OutputFile()}).model_dump_json().encode()
    with pytest.raises(Damaged):
        parse(raw, Result, "result.json")


@pytest.mark.parametrize("name", [*AWAY, "/etc/passwd"])
def test_input_and_restart_file_whose_names_lead_away_are_refused(name):
    for fields in ({"inputs": {name: BLOB}}, {"inputs": {}, "folders": (name,)}, {"inputs": {}, "script": name}):
        with pytest.raises(ValidationError):
            RunSpec(**({"name": "melt", "script": "in.melt"} | fields))
    with pytest.raises(ValidationError):
        Checkpoint(seq=1, attempt=1, step=1, stage=1, stage_boundary=False, restart={name: BLOB}, state=BLOB,
                   outputs={}, lammps_version=1, ranks=1)  # fmt: skip


@pytest.mark.parametrize("name", ["../x", "../../x", "/etc/x", "a\x1b]52;c;x\x07"])
def test_download_stays_in_its_folder(record, tmp_path, name):
    folder = tmp_path / "deep" / "er" / "out"
    output = OutputFile(segments=(record.put_bytes(b"x"),))
    (path,) = download.write(record, {name: output}, folder, overwrite=False)
    assert path.resolve().is_relative_to(folder.resolve())
    assert str(place_of(name)).isprintable()


def test_download_follows_no_link_out_of_its_folder(record, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "home")
    output = OutputFile(segments=(record.put_bytes(b"x"),))
    with pytest.raises(StoreError, match="leads out"):
        download.write(record, {"sub/.bashrc": output}, tmp_path / "out", overwrite=True)
    assert not list((tmp_path / "home").iterdir())


def test_download_goes_on_after_a_damaged_output_and_names_it(record, tmp_path):
    outputs = {"a": OutputFile(segments=(BLOB,)), "b": OutputFile(segments=(record.put_bytes(b"x"),))}
    with pytest.raises(Damaged, match="damaged in the store: a"):
        download.write(record, outputs, tmp_path / "out", overwrite=False)
    assert (tmp_path / "out" / "b").read_bytes() == b"x"


def test_inputs_are_laid_out_below_the_attempts_folder_only(record, tmp_path):
    spec = RunSpec(name="melt", script="in.melt", inputs={"../../../x": record.put_bytes(b"x")})
    with pytest.raises(Damaged, match="outside"):
        workdir.write_inputs(record, spec, tmp_path / "a" / "work" / "d", tmp_path / "a" / "work")
    assert not (tmp_path / "x").exists()


def test_texts_of_documents_and_errors_give_a_terminal_no_orders():
    end = AttemptEnd(number=1, outcome="failed", reason="\x1b]52;c;eA==\x07bad\x9b31m", where="a\rb\n\tc")
    assert (end.reason, end.where) == ("]52;c;eA==bad31m", "ab\n\tc")
    assert str(Damaged("\x1b[2Jx", where="\x00y")) == "[2Jx\ny"
