"""Which files a command may look at: a resumed run must have them there before it is issued."""

from __future__ import annotations

import pytest

from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import words
from lammps_jobs.script.looks import EVERYTHING, before_substitution, chosen, of_command, written_outside

FILES = ("a.txt", "b.txt", "sub/a.txt", "run.10.rst", "run.base.rst", "run.0.rst", "frames.dump", "all", "/data/x")


def brought(line: str, *, folder: str = ".", owed: tuple[str, ...] = (), again: bool = False) -> set[str]:
    journal = Journal()
    journal.record(["dump", "d", "all", "atom", "10", "frames.dump"], "dump d all atom 10 frames.dump")
    looks = of_command(words(line), journal, again=again)
    return set(chosen(looks, [name for name in FILES if name not in owed], owed, folder))


@pytest.mark.parametrize(
    "line",
    ["shell cat *.txt > x", "shell ls", "shell echo a.txt", "shell rm *.txt", "shell mv sub/a.txt x",
     "shell 'cat a.txt'",
     "python f source here",
     "run 100 every 10 'shell ls'", "shell rm $(ls)"],
)  # fmt: skip
def test_command_that_may_look_at_anything_has_everything(line):
    assert brought(line) == set(FILES)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("shell cd sub", set()),
        ("shell mkdir sub", set()),
        ("shell putenv A=a.txt", set()),
        ("shell rm a.txt", {"a.txt"}),
        ("shell mv a.txt c.txt", {"a.txt"}),
        ("shell rmdir sub", {"sub/a.txt"}),
        ("include ./a.txt", {"a.txt"}),
        ("read_data sub/../b.txt", {"b.txt"}),
        ("read_restart run.*.rst", {"run.10.rst", "run.base.rst", "run.0.rst"}),
        ("read_restart run.%.rst", {"run.10.rst", "run.base.rst", "run.0.rst"}),
        ("rerun frames.dump dump x y z", {"frames.dump"}),
        ("pair_coeff * * a.txt LJ", {"a.txt"}),
        ("variable v file a.txt", {"a.txt"}),
        ("fix t x tmd 1.0 a.txt 10 b.txt", {"a.txt", "b.txt"}),
        ("fix p x print 10 text append a.txt", {"a.txt"}),
        ("print text append a.txt", {"a.txt"}),
        ("log a.txt append", {"a.txt"}),
        ("dump_modify d append yes", {"frames.dump"}),
        ("dump_modify d sort id", set()),
        ("run 100", set()),
        ("velocity all scale 1.0", {"all"}),  # in doubt
    ],
)
def test_command_that_names_files_has_these(line, names):
    assert brought(line) == names


@pytest.mark.parametrize(
    "line",
    ["dump e x atom 10 frames.dump", "fix p x print 10 text file a.txt", "print text file a.txt", "log a.txt",
     "write_data a.txt", "restart 10 a.txt b.txt", "fix a x ave/time 1 1 1 v_x file a.txt"],
)  # fmt: skip
def test_file_that_is_begun_anew_is_not_brought_for_it(line):
    assert brought(line) == set()


@pytest.mark.parametrize("line", ["fix p x print 10 text file a.txt", "print text file a.txt", "write_data a.txt"])
def test_file_that_is_open_in_part_is_made_whole_before_it_is_begun_anew(line):
    assert brought(line, owed=("a.txt", "b.txt")) == {"a.txt"}
    assert brought(line, owed=("a.txt",), again=True) == set()


def test_files_that_a_resume_opens_again_to_append_come_later():
    assert brought("fix p x print 10 text append a.txt", again=True) == set()
    assert brought("dump_modify d append yes", again=True) == set()
    assert brought("fix t x tmd 1.0 a.txt 10 b.txt", again=True) == {"a.txt", "b.txt"}


def test_paths_lead_from_the_current_folder():
    assert brought("include a.txt", folder="sub") == {"sub/a.txt"}
    assert brought("include ../a.txt", folder="sub") == {"a.txt"}
    assert brought("include /data/x", folder="sub") == {"/data/x"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("variable v equal is_file(a.txt)", {"a.txt"}),
        ('if "$(is_file( a.txt )) || $(is_file(b.txt))" then "print x"', {"a.txt", "b.txt"}),
        ("variable v equal is_file(${name})", set(FILES)),
        ("variable v equal is_file(v_name)", set(FILES)),
        ("variable v equal step", set()),
    ],
)
def test_formula_that_asks_for_a_file_has_it(text, names):
    assert set(chosen(before_substitution(text), FILES, (), ".")) == names


def test_looking_at_everything_is_told_from_looking_at_nothing():
    assert of_command(["shell", "ls"], Journal()) is EVERYTHING
    assert of_command(["shell", "cd", "x"], Journal()) is not EVERYTHING


@pytest.mark.parametrize(
    ("line", "patterns"),
    [
        ("dump d all atom 10 /data/frames.*.dump", ["/data/frames.*.dump"]),
        ("write_restart /data/now.%.rst", ["/data/now.*.rst"]),
        ("shell 'echo x>/data/[1]; cat y' > ../../../z", ["/data/[[]1]", "/z"]),
        ("fix p all print 10 row file ../up.txt", []),
        ("log /dev/null", []),
        ("dump d all atom 10 frames.dump", []),
    ],
)
def test_files_outside_that_a_command_may_write_are_found(line, patterns):
    assert written_outside(words(line), "/run/top/folder", "/run/top") == patterns


def test_every_file_is_outside_once_the_script_has_gone_there():
    assert "/data/frames.dump" in written_outside(words("dump d all atom 10 frames.dump"), "/data", "/run/top")
