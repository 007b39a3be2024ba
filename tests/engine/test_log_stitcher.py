"""The user's log: what LAMMPS prints, without what commands of our own and the set-up of a resume print."""

from __future__ import annotations

from pathlib import Path

import pytest

from lammps_jobs.engine.log_stitcher import LogStitcher


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
