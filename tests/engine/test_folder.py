"""Files, folders and environment are state like the atoms are: a resumed run finds them as they were at the cut.

Every script is cut before each of its runs and inside them, the process is gone each time, and all that it leaves is
compared with what plain `lmp` leaves.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs import Checkpoints, CutPlan, Resources
from lammps_jobs.rehearsal.compare import compare
from tests.conftest import START
from tests.waiting import finish, scaled

BEGIN = START.replace("0 6 0 6 0 6", "0 3 0 3 0 3").replace("lj/cut 2.5", "lj/cut 2.0") + "fix 1 all nve\nthermo 20\n"
SELDOM = Checkpoints(every_s=1e6)
AT_BOUNDARIES, EVERYWHERE = (1.0,), (0.5, 1.0)


def tree(folder: Path) -> set[str]:
    """Everything in a folder: files, folders, links."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def as_bare(cluster, tmp_path):
    """Runs a script with `lmp` and, cut and lost, as a run of ours; gives both folders, and asserts equal files."""

    def check(text: str, *, at=EVERYWHERE, ranks=1, prepare=lambda folder: None, outside=None) -> tuple[Path, Path]:
        given, bare, ours = (tmp_path / name for name in ("given", "bare", "ours"))
        given.mkdir()
        prepare(given)
        (given / "in.test").write_text(text)
        shutil.copytree(given, bare, symlinks=True)
        beside = Path(sys.executable).parent
        command = [str(beside / "lmp"), "-in", "in.test", "-screen", "none"]
        command = [str(beside / "mpirun"), "-n", str(ranks), *command] if ranks > 1 else command
        subprocess.run(command, cwd=bare, check=True, timeout=scaled(120), stdin=subprocess.DEVNULL)
        kept = tmp_path / "kept"
        if outside is not None:
            shutil.copytree(outside, kept)
        plan = CutPlan(at=at, then="stop")
        run = finish(
            cluster.submit(given / "in.test", checkpoints=SELDOM, resources=Resources(ranks=ranks), cut_plan=plan)
        )
        kinds = [event.kind for event in run.events]
        assert "resumed" in kinds
        assert "unusable" not in kinds, [event.text for event in run.events]
        run.download(ours)
        for path in bare.rglob("*"):
            if path.is_symlink() and path.is_file():
                content = path.read_bytes()
                path.unlink()
                path.write_bytes(content)
        for path in given.rglob("*"):  # what is as it was given is no output
            twin = bare / path.relative_to(given)
            if path.is_file() and twin.is_file() and twin.read_bytes() == path.read_bytes():
                twin.unlink()
        if outside is not None:
            expected = {path.name: path.read_bytes() for path in kept.iterdir()}
            assert {path.name: path.read_bytes() for path in outside.iterdir()} == expected
        assert [found for found in compare(bare, ours) if not found.file.startswith("outside/")] == []
        return bare, ours

    return check


@pytest.mark.engine
@pytest.mark.parametrize("ranks", [1, 2])
def test_each_pass_of_a_loop_writes_to_its_own_folder(as_bare, ranks):
    bare, _ = as_bare(
        "variable n index cold warm\nlabel again\nshell mkdir $n\nshell cd $n\n"
        f"{BEGIN}dump d all custom 20 frames.dump id x y z\ndump_modify d sort id\n"
        "fix p all print 10 'row $(step)' file rows.txt screen no\nlog here.log\nrun 60\nrun 40\n"
        "write_data end.data\nshell cd ..\nclear\nnext n\njump SELF again\n",
        ranks=ranks,
    )
    assert {"cold/frames.dump", "cold/rows.txt", "warm/end.data", "warm/here.log"} <= tree(bare)


@pytest.mark.engine
def test_files_that_stay_open_keep_their_folder_when_the_script_goes_to_another(as_bare):
    as_bare(
        f"{BEGIN}shell mkdir a b\nshell cd a\ndump d all custom 20 frames.dump id x\ndump_modify d sort id\n"
        "fix p all print 10 'row $(step)' file rows.txt screen no\nrun 60\nshell cd ../b\nrun 40\n"
        "dump e all custom 20 more.*.dump id x\nrun 40\nshell ls > names.txt\nrun 20\n"
    )


@pytest.mark.engine
def test_folders_links_and_permissions_are_there_again(as_bare):
    def prepare(folder: Path) -> None:
        (folder / "post.sh").write_text("#!/bin/sh\nls -R > $1\n")
        (folder / "post.sh").chmod(0o755)
        (folder / "empty").mkdir()

    as_bare(
        f"{BEGIN}include more.inc\n",
        prepare=lambda folder: (prepare(folder), (folder / "more.inc").write_text(
            "shell mkdir traj traj/inner\n"
            "shell 'cp post.sh again.sh; chmod +x again.sh; ln -s traj latest; rmdir empty'\n"
            "shell 'ln -s post.sh run.sh'\ndump d all custom 20 latest/*.dump id x\nrun 40\nrun 20\n"
            "shell 'test -L latest && test ! -d empty && test -d traj/inner && echo fine > fine.txt'\n"
            "shell ./again.sh tree.txt\nrun 20\nundump d\nshell rm latest\nrun 20\nshell ./run.sh later.txt\nrun 20\n"
        )),
    )  # fmt: skip


@pytest.mark.engine
def test_inputs_are_as_the_script_left_them(as_bare):
    def prepare(folder: Path) -> None:
        for name in ("changed.txt", "moved.txt", "removed.txt", "grown.txt", "kept.txt"):
            (folder / name).write_text(f"{name} as given\n")

    as_bare(
        f"{BEGIN}variable all string 'changed.txt moved.txt removed.txt grown.txt kept.txt'\n"
        "print 'changed' file changed.txt\nshell mv moved.txt elsewhere.txt\nshell rm removed.txt\n"
        "print 'grown' append grown.txt\nrun 40\nrun 20\n"
        "shell 'cat changed.txt elsewhere.txt grown.txt kept.txt *.txt > joined.list; ls > names.list'\nrun 20\n",
        prepare=prepare,
    )


@pytest.mark.engine
def test_what_a_shell_command_sees_of_files_that_are_still_written_is_whole(as_bare):
    as_bare(
        f"{BEGIN}dump d all custom 20 frames.dump id x y z\ndump_modify d sort id\n"
        "dump e all dcd 20 frames.dcd\n"
        "variable t equal step\nfix p all print 10 'row $t' file rows.txt screen no\n"
        "fix a all ave/time 2 5 20 c_thermo_temp file averages.txt\n"
        "run 60\nrun 60\nshell 'cat frames.dump rows.txt averages.txt > seen.1'\nrun 60\n"
        "shell 'cp frames.dump seen.2; cp averages.txt seen.3; tail -n 3 rows.txt > seen.4'\n"
        "shell 'wc -c < frames.dcd > seen.5'\n"
        "undump d\nunfix a\nrun 20\n"
        "dump d all custom 10 frames.dump id x y z\ndump_modify d sort id append yes\nrun 40\n"
        "shell cp frames.dump seen.6\nrun 20\n"
    )


@pytest.mark.engine
def test_file_that_the_script_made_decides_as_it_did(as_bare):
    as_bare(
        f"{BEGIN}run 40\nprint 'variable scale equal 1.2' file set.inc\n"
        "variable there equal is_file(flag.txt)\nrun 40\n"
        'if "$(is_file(set.inc))" then "include set.inc" "velocity all scale ${scale}" else "velocity all scale 0.5"\n'
        "run 40\nprint x file flag.txt\nrun 20\n"
        "if '${there} > 0' then 'velocity all scale 1.1'\nshell rm set.inc\nrun 40\n"
    )


@pytest.mark.engine
def test_state_is_passed_on_in_a_file_that_is_overwritten(as_bare):
    as_bare(
        f"{BEGIN}write_data now.data nocoeff\nwrite_restart now.%.rst\n"
        "variable i loop 3\nlabel again\nclear\nunits lj\natom_style atomic\n"
        "read_data now.data\npair_style lj/cut 2.0\npair_coeff 1 1 1.0 1.0 2.0\nfix 1 all nve\n"
        "dump d all atom 10 pass.dump\ndump_modify d sort id\nrun 40\nwrite_data now.data nocoeff\n"
        "velocity all scale 1.1\nrun 20\nundump d\nrerun pass.dump dump x y z\nnext i\njump SELF again\n"
        "clear\nread_restart now.%.rst\npair_style lj/cut 2.0\npair_coeff 1 1 1.0 1.0 2.0\nfix 1 all nve\nrun 20\n"
    )


@pytest.mark.engine
def test_environment_that_the_script_set_is_there_again(as_bare, monkeypatch):
    monkeypatch.setenv("LJX_OUTER", "outer")
    as_bare(
        f"{BEGIN}shell putenv LJX_TAG=abc LJX_EMPTY\nvariable tag getenv LJX_TAG\nrun 40\nrun 20\n"
        "shell 'echo ${LJX_TAG}-${LJX_EMPTY:-unset}-${LJX_OUTER} > tag.txt'\n"
        "print '${tag}' file seen.txt\n"
        "shell putenv LJX_TAG=xyz\nrun 20\nprint '${tag}' append seen.txt\nrun 20\n"
    )


@pytest.mark.engine
def test_log_is_where_the_script_put_it_also_from_another_folder(as_bare):
    as_bare(
        f"{BEGIN}log log.first\nrun 40\nshell mkdir sub\nshell cd sub\nrun 20\nlog log.second\nrun 40\nrun 20\n"
        "log ../log.first append\nrun 20\nlog none\nrun 20\nlog log.second append\nrun 20\n"
    )


@pytest.mark.engine
def test_script_that_changes_or_removes_what_it_was_read_from_goes_on_in_what_it_read(as_bare):
    as_bare(
        f'{BEGIN}print """run 40\nvelocity all scale 1.1\nrun 20\nprint last file last.txt\nrun 20""" file part.inc\n'
        "include part.inc\nshell rm in.test\nrun 20\nprint 'quit' file part.inc\nrun 20\n"
    )


@pytest.mark.engine
def test_what_is_written_outside_the_folder_is_whole_there_and_on_record(as_bare, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "other.txt").write_text("not ours\n")
    _, ours = as_bare(
        f"variable o string {outside}\n{BEGIN}dump d all custom 20 ${{o}}/frames.dump id x\ndump_modify d sort id\n"
        f"dump m all custom 20 {outside}/one.*.dump id x\nfix p all print 10 row file {outside}/rows.txt screen no\n"
        "run 40\nundump m\nprint 'one' file ${o}/note.txt\nrun 20\nprint 'two' append ${o}/note.txt\nrun 20\n"
        "shell cp ${o}/note.txt here.txt\nrun 20\n",
        outside=outside,
    )
    found = ours / "outside" / outside.relative_to("/")
    assert tree(found) == tree(outside) - {"other.txt"}
    for name in tree(found):
        assert (found / name).read_bytes() == (outside / name).read_bytes()


@pytest.mark.engine
@pytest.mark.parametrize("ranks", [1, 2])
def test_table_that_was_read_and_is_another_by_then_or_gone_still_rules(as_bare, ranks):
    def prepare(folder: Path) -> None:
        (folder / "words.txt").write_text("one\ntwo\nthree\n")

    as_bare(
        f"{BEGIN}pair_write 1 1 500 r 0.5 2.0 made.table LJ\npair_style table linear 500\n"
        "pair_coeff 1 1 made.table LJ\n"
        "variable w file words.txt\nrun 40\nprint 'garbage' file made.table\nprint 'other' file words.txt\nrun 20\n"
        "next w\nprint $w file seen.txt\nshell rm made.table words.txt\nrun 20\nnext w\nprint $w append seen.txt\n"
        "run 20\nshell ls > names.txt\n",
        prepare=prepare,
        ranks=ranks,
    )
