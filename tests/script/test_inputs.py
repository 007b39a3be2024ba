"""The files that a script reads are found by reading it, also through variables and outside its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lammps_jobs.errors import InputMissing, UsageError
from lammps_jobs.rehearsal.rehearse import rehearse
from lammps_jobs.script.inputs import gather
from tests.conftest import START
from tests.waiting import finish

FILES = {
    "data.a": "", "data.b": "", "data.c": "", "pot.sw": "", "more.inc": "read_data data.b\n", "step1.mod": "",
    "step2.mod": "molecule m mol.txt\n", "mol.txt": "", "words": "x\n", "old.dump": "", "run7.x": "", "run8.x": "",
    "plain": "read_data data.c\n", "sub/here.data": "",
}  # fmt: skip


@pytest.fixture
def found(tmp_path):
    """The inputs that are found of a script among FILES."""

    def look(text: str, **variables: str) -> set[str]:
        for name, content in FILES.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        (tmp_path / "in.test").write_text(text)
        return set(gather(tmp_path / "in.test", [], {k: (v,) for k, v in variables.items()}).files) - {"in.test"}

    return look


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("read_data data.a\n", {"data.a"}),
        ("include more.inc\n", {"more.inc", "data.b"}),
        ("pair_style sw\npair_coeff * * pot.sw Si\n", {"pot.sw"}),
        ("variable n index a b\nread_data data.$n\n", {"data.a", "data.b"}),
        ("variable i loop 2\ninclude step${i}.mod\n", {"step1.mod", "step2.mod", "mol.txt"}),
        ("variable n equal 7\nread_dump run$(v_n).x 0 x y z\n", {"run7.x", "run8.x"}),
        ("variable f file words\n", {"words"}),
        ('if "1 > 0" then "include more.inc"\n', {"more.inc", "data.b"}),
        ("dump 1 all atom 10 old.dump\nfix 1 all print 10 x file words\n", set()),
        ("# read_data data.a\n", set()),
        ("dump 1 all atom 10 old.dump\ndump_modify 1 append yes\n", {"old.dump"}),
        (
            "log words append\nprint x append data.a\nfix 1 all print 10 x append data.b\n",
            {"words", "data.a", "data.b"},
        ),
        ("read_dump run*.x 0 x y z\n", {"run7.x", "run8.x"}),
        ("read_restart run*.x\n", {"run8.x"}),
        ("shell cat data.a data.? > all.txt\n", {"data.a", "data.b", "data.c"}),
        ("shell 'sort < words | cat data.a -'\n", {"words", "data.a"}),
        ("shell rm old.dump\n", set()),
        ("include plain\n", {"plain", "data.c"}),
        ("read_data\u00a0data.a\n", {"data.a"}),
        ('if "1 > 2" then "shell cat data.a" else "include step2.mod"\n', {"data.a", "step2.mod", "mol.txt"}),
        ("shell cd sub\nread_data here.data\n", {"sub/here.data"}),
        ("variable d string sub\nshell cd $d\ninclude ../more.inc\n", {"more.inc", "data.b"}),
        ("shell cp -r sub copy\n", {"sub/here.data"}),
        (f"variable long string {'x' * 5000}\nprint ${{long}}\nshell echo ${{long}}\n", set()),
    ],
)
def test_files_are_found(found, text, names):
    assert found(text) == names


def test_callers_variable_names_the_file(found):
    assert found("variable n index a\nread_data data.${n}\n", n="c") == {"data.c"}
    with pytest.raises(InputMissing, match=r"data\.z"):
        found("read_data data.${n}\n", n="z")


@pytest.mark.parametrize(
    "text",
    [
        "write_restart mid.x\nread_restart mid.x\nwrite_restart now.*\nread_restart now.100\n",
        "variable x index run\nwrite_data run.data\nread_data ./${x}.data\n",
        "variable x index run\nwrite_data ${x}.data\nread_data run.data\n",
        "variable t equal step\nwrite_data s$t.data\nread_data s100.data\n",
        "restart 100 even.r odd.r\nread_restart odd.r\n",
        "dump 1 all atom 10 o.dump\nread_dump o.dump 0 x y z\n",
        "dump 1 all atom 10 o[1].*.dump\nread_dump o[1].10.dump 10 x y z\n",
        'print "mass 1 1" file m.inc\ninclude m.inc\n',
        'fix p all print 10 "mass 1 1" append "m.inc"\ninclude m.inc\n',
        "shell cp in.test copy.inc\ninclude copy.inc\n",
        'if "1 > 0" then "write_data w.data" else "print x file m.inc"\nread_data w.data\ninclude m.inc\n',
        "shell ./make-it\nread_data made.data\n",
        "shell cd elsewhere\nread_data made.data\n",
        "jump SELF end\nread_data made.data\nlabel end\n",
        "pair_write 1 1 10 r 1.0 2.0 tab.txt LJ\npair_style table linear 10\npair_coeff 1 1 tab.txt LJ\n",
        'if "1 > 0" then "jump SELF end"\nread_data made.data\nlabel end\n',
        "read_restart other.*\n",
    ],
)
def test_file_that_the_script_writes_first_need_not_be_there(found, text):
    assert found(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "read_data never\n",
        "write_data a.data\nread_data b.data\n",
        "write_data o[1].data\nread_data o1.data\n",
        "read_restart later\nwrite_restart later\n",
        "fix p all ave/time 1 1 1 v_x file ave.txt\ninclude other.txt\n",
    ],
)
def test_file_that_nothing_writes_first_must_be_there(found, text):
    with pytest.raises(InputMissing, match="not there"):
        found(text)


def test_potentials_of_the_environment_come_along(found, tmp_path, monkeypatch):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "Cu.eam").write_text("")
    monkeypatch.setenv("LAMMPS_POTENTIALS", str(tmp_path / "library"))
    assert found("pair_coeff 1 1 Cu.eam\n") == {"Cu.eam"}
    assert found("pair_coeff 1 1 ../../potentials/Cu.eam\n") == {"../../potentials/Cu.eam"}  # only its last name counts
    assert found("fix 1 all electron/stopping 10.0 Cu.eam\n") == {"Cu.eam"}


def test_input_above_the_scripts_folder_is_read_where_the_script_looks_for_it(tmp_path, cluster):
    folder = tmp_path / "project" / "runs"
    folder.mkdir(parents=True)
    (tmp_path / "project" / "settings.inc").write_text("neighbor 0.3 bin\n")
    (folder / "in.test").write_text(f"{START}\ninclude ../settings.inc\nfix 1 all nve\nthermo 50\nrun 200\n")
    run = finish(cluster.submit(folder / "in.test"))
    assert set(run.spec.inputs) == {"in.test", "../settings.inc"}
    assert {path.name for path in run.download(tmp_path / "got")} == {"log.lammps"}
    assert rehearse(folder / "in.test").verdict == "exact"


def test_folders_that_a_script_needs_come_along_empty_or_not(tmp_path):
    for name in ("traj/inner", "out", "full", "void/deep", ".git", "sub/run1"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("full/large.dump", "out/old.dump", ".git/head"):
        (tmp_path / name).write_text("")
    (tmp_path / "in.test").write_text(
        "variable o index out\ndump 1 all atom 10 traj/*.x\ndump 2 all atom 10 ${o}/a.x\nshell cd sub/run1\n"
    )
    found = gather(tmp_path / "in.test", [], {})
    assert set(found.folders) == {"traj", "traj/inner", "out", "void", "void/deep", "sub", "sub/run1"}
    assert set(found.files) == {"in.test"}


def test_permission_to_execute_comes_along(tmp_path):
    (tmp_path / "post.sh").write_text("#!/bin/sh\n")
    (tmp_path / "post.sh").chmod(0o755)
    (tmp_path / "in.test").write_text("shell ./post.sh\n")
    found = gather(tmp_path / "in.test", [], {})
    assert set(found.files) == {"in.test", "post.sh"}
    assert found.executables == ("post.sh",)


@pytest.mark.parametrize(("beside", "here"), [(("data.x",), ()), ((), ("data.x",))])
def test_script_in_a_subfolder_starts_where_its_files_are(tmp_path, monkeypatch, beside, here):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "in.x").write_text("read_data data.x\n")
    for folder, names in (("scripts", beside), (".", here)):
        for name in names:
            (tmp_path / folder / name).write_text(folder)
    monkeypatch.chdir(tmp_path)
    for path in (Path("scripts/in.x"), tmp_path / "scripts" / "in.x"):
        found = gather(path, [], {})
        assert found.start == (tmp_path / "scripts" if beside else tmp_path)
        assert set(found.files) == {"data.x", "in.x" if beside else "scripts/in.x"}
    (tmp_path / "data.x").write_text(".")
    (tmp_path / "scripts" / "data.x").write_text("scripts")
    assert gather(Path("scripts/in.x"), [], {}).start == tmp_path  # as lmp -in
    assert gather(tmp_path / "scripts" / "in.x", [], {}).start == tmp_path / "scripts"
    assert gather(Path("scripts/in.x"), [], {}, start="scripts").start == tmp_path / "scripts"


def test_script_that_reads_nothing_starts_beside_itself(tmp_path, monkeypatch):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "in.x").write_text("units lj\n")
    monkeypatch.chdir(tmp_path)
    assert gather(Path("scripts/in.x"), [], {}).start == tmp_path / "scripts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "variable Temp index 1\nvariable N equal 5\nrun ${N} # temp\n",
            ["'temp'", "N, Temp", "Did you mean 'Temp'?"],
        ),
        ("run ${N}\n", ["'temp'", "It has: N."]),
        ("run 5\n", ["It has: none."]),
    ],
)
def test_variable_that_the_script_never_uses_is_refused(tmp_path, text, words):
    (tmp_path / "in.test").write_text(text)
    with pytest.raises(UsageError) as refused:
        gather(tmp_path / "in.test", [], {"temp": ("2",), "N": ("1",)} if "N" in text else {"temp": ("2",)})
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize("text", ["run 5\nprint ${temp}\n", "include more\n", "variable a$i equal 1\n", "next temp\n"])
def test_variable_that_may_be_used_is_not_refused(tmp_path, text):
    (tmp_path / "in.test").write_text(text)
    (tmp_path / "more").write_text("variable x equal v_temp\n")
    gather(tmp_path / "in.test", [], {"temp": ("2",), "i": ("1",)} if "$i" in text else {"temp": ("2",)})
