"""What a run made, in Python: files, units, charts, other libraries' objects, and waiting for several. No LAMMPS."""

from __future__ import annotations

import sys
import time

import pytest

import lammps_jobs
from lammps_jobs import Cluster, NoSuchRun, NotInstalled, Run, UsageError, WrongState
from lammps_jobs.api.files import SegmentsFile
from lammps_jobs.formats import thermo
from lammps_jobs.record.documents import (
    FULL_LOG,
    Attempt,
    AttemptEnd,
    OutputFile,
    Progress,
    Result,
    RunSpec,
    Submission,
)
from lammps_jobs.record.run_record import RunRecord
from tests.api.test_listing import made

LOG = """units           metal
   Step          Time          Temp          Press         c_msd[4] \x20
         0   0              300            1              0
       100   0.1            310            2              1
       200   0.2            290            3              2
Loop time of 1 on 1 procs for 200 steps with 10 atoms

"""


@pytest.fixture
def place(tmp_path) -> Cluster:
    return lammps_jobs.connect(store=tmp_path / "store")


def finished(place: Cluster, name: str = "melt", **files: list[bytes]) -> Run:
    """A finished run with such outputs, in segments."""
    record = RunRecord(place._root, name)
    record.submit(Submission(spec=RunSpec(name=name, script="in.x", inputs={})))
    record.claim(Attempt(number=1, host="here", supervisor_pid=1, supervisor_started=0, scratch=""))
    record.publish_progress(Progress(attempt=1, step=200, target=200, stage=1, units="metal", timestep=0.001))
    files.setdefault(FULL_LOG, [LOG.encode()])
    outputs = {
        name.replace("__", "."): OutputFile(segments=tuple(record.put_bytes(part) for part in parts))
        for name, parts in files.items()
    }
    record.finish(Result(attempt=1, step=200, outputs=outputs))
    return Run(record, place._backend)


def test_output_is_read_like_a_file_over_its_segments(place):
    run = finished(place, msd__dat=[b"# t msd\n", b"0 0.5\n1 ", b"1.5\n"], empty__dat=[])
    assert run.open("msd.dat").read() == "# t msd\n0 0.5\n1 1.5\n"
    assert list(run.open("msd.dat"))[1:] == ["0 0.5\n", "1 1.5\n"]
    with run.open("msd.dat", "rb") as file:
        assert file.seek(-4, 2) == 16
        assert file.read() == b"1.5\n"
        assert file.seek(6) == 6
        assert file.read(4) == b"d\n0 "
    assert run.open("empty.dat").read() == ""
    with pytest.raises(NoSuchRun, match=r"Did you mean msd\.dat"):
        run.open("msd.dta")
    with pytest.raises(ValueError, match="beginning"):
        SegmentsFile(run.record, ()).seek(-1)


def test_pandas_reads_an_output_without_a_copy(place):
    import pandas

    run = finished(place, msd__dat=[b"0 0.5\n1 ", b"1.5\n"])
    table = pandas.read_csv(run.open("msd.dat"), sep=" ", names=["t", "msd"])
    assert table["msd"].tolist() == [0.5, 1.5]


def test_thermo_table_knows_its_units(place):
    table = finished(place).thermo()
    assert table.attrs["units"] == {"Time": "ps", "Temp": "K", "Press": "bar"}
    assert table.attrs["unit_style"] == "metal"
    assert thermo.table(LOG).attrs["units"] == {}
    assert thermo.table("").attrs["units"] == {}


def test_charts_can_be_had_alone_and_for_some_columns(place, tmp_path):
    run = finished(place)
    assert run.plot()._repr_html_().count("<svg") == 3
    one = run.plot("Temp")
    assert "Temp / K" in one._repr_html_()
    assert one._repr_html_().count("<svg") == 1
    assert "Temp / K" in one.save(tmp_path / "plot.html").read_text()
    with pytest.raises(UsageError, match="There are: Temp, Press"):
        run.plot("Tmep")


def test_report_is_written_where_it_is_wanted(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(place)
    run.tag("lj")
    assert "<dt>Tags</dt><dd>lj</dd>" in run.report().read_text()
    assert run.report(tmp_path / "other.html").is_file()
    assert (tmp_path / "melt.html").is_file()


@pytest.mark.parametrize(("library", "method"), [("MDAnalysis", "universe"), ("ase.io", "atoms")])
def test_library_that_is_missing_is_named_with_the_command_that_installs_it(place, monkeypatch, library, method):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NotInstalled, match=r"lammps-jobs\[interop\]"):
        getattr(finished(place), method)()


def test_which_file_is_meant_is_asked_rather_than_guessed(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "MDAnalysis", sys)  # only which files are chosen is looked at
    with pytest.raises(UsageError, match=r"several: a\.dcd, b\.xtc"):
        finished(place, "two", a__dcd=[b"x"], b__xtc=[b"x"]).universe()
    with pytest.raises(UsageError, match="positions only"):
        finished(place, "one", a__dcd=[b"x"]).universe()
    with pytest.raises(WrongState, match="no trajectory"):
        finished(place, "none").universe()
    with pytest.raises(UsageError, match="no output"):
        finished(place, "asked").universe("b.dcd")


# -- several runs --------------------------------------------------------------------------------------


def test_runs_come_as_they_end_each_once(place):
    runs = [made(place, name, kind) for name, kind in (("a", "running"), ("b", "failed"), ("c", "finished"))]
    found = lammps_jobs.as_completed([*runs, runs[1]])
    assert {next(found).name, next(found).name} == {"b", "c"}
    runs[0].record.finish(Result(attempt=1, step=9, outputs={}))
    runs[0].record.end(AttemptEnd(number=1, outcome="finished"))
    assert [run.name for run in found] == ["a"]


def test_waiting_ends_when_it_was_asked_to(place):
    going, bad, good = (made(place, kind, kind) for kind in ("running", "failed", "finished"))
    began = time.monotonic()
    done, not_done = lammps_jobs.wait([going, good], timeout_s=0.2)
    assert time.monotonic() - began >= 0.2
    assert (done, not_done) == ({good}, {going})
    assert lammps_jobs.wait([going, good], return_when="FIRST_COMPLETED").done == {good}
    assert lammps_jobs.wait([going, good, bad], return_when="FIRST_EXCEPTION").not_done == {going}
    assert lammps_jobs.wait([]).done == set()
    with pytest.raises(TimeoutError, match=r"1 runs have not ended after 0\.1 s: running"):
        list(lammps_jobs.as_completed([going], timeout_s=0.1))


# -- with the libraries, where they are installed ------------------------------------------------------


@pytest.mark.engine
def test_mdanalysis_and_ase_read_what_a_run_made(cluster, script):
    pytest.importorskip("MDAnalysis")
    pytest.importorskip("ase")
    from tests.conftest import script_of
    from tests.waiting import finish

    dumps = "dump d all dcd 50 melt.dcd\n"
    run = finish(cluster.submit(script(script_of("nve", 200).replace("run ", f"{dumps}run ", 1))))
    by_dcd, by_dump = run.universe("melt.dcd"), run.universe("frames.lammpstrj", dt=0.25)
    assert (len(by_dcd.atoms), len(by_dcd.trajectory)) == (256, 5)
    assert len(by_dump.trajectory) == 5
    last = run.atoms()
    assert len(last) == 256
    assert last.get_velocities().any()
    frames = run.atoms("frames.lammpstrj", index=":", species=["Ar"])
    assert [frame.get_chemical_symbols()[0] for frame in frames] == ["Ar"] * 5
