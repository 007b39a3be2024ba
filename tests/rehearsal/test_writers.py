"""Every writer's output is exact over cuts and resumes: what it wrote, and nothing twice."""

from __future__ import annotations

import struct

import pytest

from lammps_jobs import CutPlan, Resources
from lammps_jobs.rehearsal.rehearse import rehearse
from tests.conftest import START
from tests.waiting import finish

WRITERS = (
    START
    + """
neighbor        0.3 bin
fix             integrate all nve
compute         ke all ke/atom
compute         pair all pair/local dist
compute         chunks all chunk/atom bin/1d z lower 0.5
compute         msd all msd
variable        t equal temp
dump            a all atom 20 a.lammpstrj
dump            c all custom 30 c.lammpstrj id type x y z c_ke
dump            g all cfg 50 g.*.cfg mass type xs ys zs
dump            x all xyz 25 x.xyz
dump            l all local 100 l.txt c_pair
dump            y all yaml 50 y.yaml id type x y z
dump            d all dcd 10 d.dcd
dump            d2 all dcd 70 d2.dcd
dump            t all xtc 10 t.xtc
dump            z all custom/gz 50 z.*.gz id x y z
dump            p all custom 50 p.%.lammpstrj id x y z
dump_modify     c sort id units yes time yes
fix             time all ave/time 5 4 20 c_thermo_temp c_msd[4] file time.dat
fix             prof all ave/chunk 10 2 50 chunks density/number temp file prof.dat
fix             hist all ave/histo 10 2 50 0 10 10 c_ke mode vector file hist.dat
fix             say all print 25 "step $(step) temp $t" file say.txt screen no title "# mine"
restart         40 state.a.restart state.b.restart
thermo          50
run             300
print           "after one" append notes.txt
write_data      state.data
log             second.log
fix             more all print 50 "more $(step)" append say2.txt screen no
run             250
print           "after two" append notes.txt
shell           cp notes.txt copy.txt
write_data      state.data
write_dump      all custom end.dump id x y z
write_restart   end.restart
"""
)


@pytest.mark.parametrize("ranks", [1, 2])
def test_every_writer_survives_five_cuts(script, ranks, tmp_path):
    found = rehearse(script(WRITERS), resources=Resources(ranks=ranks), keep=tmp_path / "sides")
    assert (found.harm, found.differences) == ((), ())
    assert (found.verdict, len(found.cuts)) == ("exact", 5 + 2)  # of two lost runs
    assert (tmp_path / "sides" / "lost" / "notes.txt").read_text() == "after one\nafter two\n"
    (frames,) = struct.unpack_from("<i", (tmp_path / "sides" / "lost" / "d.dcd").read_bytes(), 8)
    assert frames == 56


def test_old_outputs_beside_the_script_are_no_inputs(script, cluster):
    path = script(WRITERS, **{"prof__dat": "old\n", "a__lammpstrj": "old\n", "say__txt": "old\n"})
    run = finish(cluster.submit(path))
    assert list(run.spec.inputs) == ["in.test"]


def test_overwritten_file_holds_the_latest_only(script, cluster, tmp_path):
    text = (
        START
        + """
fix     integrate all nve
variable t equal temp
fix     last all ave/time 10 1 10 v_t ave running file last.dat overwrite
thermo  50
run     500
"""
    )
    run = finish(cluster.submit(script(text), cut_plan=CutPlan(cut_at=((1, 200), (1, 350)), then="stop")))
    run.download(tmp_path / "got")
    kept = finish(cluster.submit(script(text), name="kept"))
    kept.download(tmp_path / "kept")
    rows = [line for line in (tmp_path / "got" / "last.dat").read_text().splitlines() if not line.startswith("#")]
    assert [row.split()[0] for row in rows] == ["500"]
    assert (tmp_path / "got" / "last.dat").read_bytes() == (tmp_path / "kept" / "last.dat").read_bytes()
    assert run.status.fidelity.grade == "exact"


def test_dump_that_cannot_be_joined_is_not_cut_and_says_what_to_do(script, tmp_path):
    text = START + "fix 1 all nve\ndump z all custom/gz 50 z.gz id x\nthermo 50\nrun 300\nwrite_data end.data\n"
    found = rehearse(script(text))
    assert found.verdict == "refused"
    assert not found.harm
    assert any("(*)" in reason for reason in found.reasons)


def test_file_written_anew_after_a_resume_replaces_the_old_one(script, cluster, tmp_path):
    text = (
        START
        + """
fix     integrate all nve
variable i loop 4
label   again
thermo  100
run     200
write_data  state.data
print   "round $i" file round.txt
print   "round $i" append rounds.txt
next    i
jump    SELF again
"""
    )
    run = finish(cluster.submit(script(text), cut_plan=CutPlan(cut_at=((2, 300), (4, 700)), then="stop")))
    files = {path.name: path.read_text() for path in run.download(tmp_path / "got")}
    assert files["round.txt"] == "round 4\n"
    assert files["rounds.txt"] == "".join(f"round {i}\n" for i in range(1, 5))
    assert files["state.data"].count("LAMMPS data file") == 1


def test_removed_file_stays_removed(script, cluster, tmp_path):
    text = (
        START
        + """
fix     integrate all nve
thermo  100
run     200
write_data  old.data
run     200
shell   rm old.data
run     200
"""
    )
    run = finish(cluster.submit(script(text), cut_plan=CutPlan(cut_at=((2, 300), (3, 500)), then="go on")))
    assert "old.data" not in {path.name for path in run.download(tmp_path / "got")}
