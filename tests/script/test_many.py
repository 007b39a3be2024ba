"""Many runs of one script: what each takes along is what it would take along alone, and is looked for once."""

from __future__ import annotations

import pytest

from lammps_jobs import InputMissing
from lammps_jobs.script import many
from lammps_jobs.script.inputs import gather
from lammps_jobs.script.many import gather_each

SCRIPT = """variable d index a
variable T index 1
units lj
read_data data.$d
include set.${T}
fix 1 all nvt temp $T $(2*v_T) 1
dump 1 all atom 10 out/$T.dump
"""


@pytest.fixture
def path(tmp_path):
    for name in ("data.a", "data.b", "set.1", "set.2", "2.0"):
        (tmp_path / name).write_text("# nothing\n")
    (tmp_path / "in.many").write_text(SCRIPT)
    return tmp_path / "in.many"


def test_each_row_finds_what_it_would_find_alone_and_few_are_looked_for(path, monkeypatch):
    asked = []
    monkeypatch.setattr(many, "gather", lambda *args: asked.append(args) or gather(*args))
    rows = [{"d": d, "T": t, "seed": seed} for d in "ab" for t in "12" for seed in map(str, range(9))]
    path.write_text(SCRIPT + "velocity all create $T ${seed}\n")
    found = list(gather_each(path, [], {}, rows))
    assert len(asked) == 4
    for row, one in zip(rows, found, strict=True):
        alone = gather(path, [], {name: (value,) for name, value in row.items()})
        assert (one.files, one.folders, one.start) == (alone.files, alone.folders, alone.start)


def test_row_that_lacks_a_file_is_named(path):
    with pytest.raises(InputMissing, match=r"data\.c") as error:
        list(gather_each(path, [], {}, [{"d": "a"}, {"d": "c"}]))
    assert error.value.where == "member 2 (d=c): in.many:4: read_data data.$d"
