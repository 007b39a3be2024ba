"""The log of a run that was cut and went on, in this process or in another one, is the log of the run that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lammps_jobs.engine.log_stitcher import LogStitcher

HEAD = "Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes\n"
NAMES = "   Step          Temp          E_pair\n"
WARNING = "WARNING: Dangerous builds (src/neighbor.cpp:1)\n"


def row(step: int) -> str:
    return f"{step:10d}   0.{step}        -6.{step}\n"


def multi(step: int) -> str:
    return f"------------ Step {step:8d} ----- CPU =  0.1 (sec) -------------\nTotEng = -4.{step}\nPress = 1.{step}\n"


def yaml(step: int) -> str:
    return f"  - [{step}, 0.{step}, -6.{step}, ]\n"


YAML_HEAD = "---\nkeywords: ['Step', 'Temp', 'E_pair', ]\ndata:\n"
HEADS = {"row": HEAD + NAMES, "multi": HEAD, "yaml": HEAD + YAML_HEAD}
ROWS = {"row": row, "multi": multi, "yaml": yaml}


def loop(seconds: float, steps: int) -> str:
    return f"Loop time of {seconds:g} on 2 procs for {steps} steps with 864 atoms\n"


TAIL = "\nPerformance: 1.2 tau/day\nTotal # of neighbors = 1\n"


class Lammps:
    """What LAMMPS would do to its raw log, and the stitcher that follows it."""

    def __init__(self, folder: Path, *, dropping: bool = False) -> None:
        self.folder = folder
        self.raw = folder / "raw.log"
        self.raw.write_text("")
        (folder / "work").mkdir()
        self.log = LogStitcher(
            self.raw, folder / "full.log", str(folder / "work" / "log.lammps"), lambda: None, dropping=dropping
        )

    def prints(self, *texts: str) -> None:
        with self.raw.open("a") as file:
            file.write("".join(texts))

    def segment(self, *texts: str, style: str = "row", cut: bool = False, continued: bool = False,
                hold: bool = False, drop_last_row: bool = False) -> None:  # fmt: skip
        self.log.begin_run(skip_first_row=continued, style=style, hold=hold)
        self.prints(*texts)
        self.log.end_run(cut=cut, drop_last_row=drop_last_row)

    def user(self) -> str:
        self.log.pump()
        user = (self.folder / "work" / "log.lammps").read_text()
        assert (self.folder / "full.log").read_text() == user
        return user


@pytest.fixture
def lammps(tmp_path) -> Lammps:
    return Lammps(tmp_path)


def test_commands_of_our_own_are_dropped(lammps):
    lammps.prints("the user's\n")
    lammps.log.drop(True)
    lammps.prints("System init for write_restart ...\n")
    lammps.log.drop(False)
    lammps.prints("the user's again\n")
    assert lammps.user() == "the user's\nthe user's again\n"


def test_lines_are_copied_whole_and_in_order_with_echoes(lammps):
    lammps.prints("half a ")
    lammps.log.pump()
    assert (lammps.folder / "work" / "log.lammps").read_text() == ""
    lammps.prints("line\n")
    lammps.log.echo("run 100")
    lammps.log.echoes = False
    lammps.log.echo("not echoed")
    assert lammps.user() == "half a line\nrun 100\n"


def test_log_command_goes_on_in_another_file_and_the_full_log_in_none(lammps, monkeypatch):
    monkeypatch.chdir(lammps.folder / "work")
    lammps.prints("first\n")
    lammps.log.switch("second.log")
    lammps.prints("second\n")
    lammps.log.switch(None)
    lammps.prints("third\n")
    lammps.log.switch("second.log", append=True)
    lammps.prints("fourth\n")
    lammps.log.pump()
    assert (lammps.folder / "work" / "log.lammps").read_text() == "first\n"
    assert (lammps.folder / "work" / "second.log").read_text() == "second\nfourth\n"
    assert (lammps.folder / "full.log").read_text() == "first\nsecond\nthird\nfourth\n"


def test_what_lammps_printed_is_found_from_a_place_on(lammps):
    lammps.prints("restoring pair style lj/cut\n")
    since = lammps.log.raw_size
    lammps.prints("nothing\nrestoring bond style harmonic\n")
    assert lammps.log.said(r"restoring \S+ style", since) == ["restoring bond style harmonic"]
