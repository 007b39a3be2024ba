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


@pytest.mark.parametrize("style", ["row", "multi", "yaml"])
def test_run_in_two_segments_reads_as_one(lammps, style):
    line, head = ROWS[style], HEADS[style]
    lammps.segment(head, line(0), line(50), line(100), loop(1.5, 100), TAIL, style=style, cut=True)
    lammps.segment(head, line(100), line(150), line(200), loop(2.25, 100), TAIL, style=style, continued=True)
    rows = "".join(line(step) for step in (0, 50, 100, 150, 200))
    assert lammps.user() == head + rows + loop(3.75, 200) + TAIL


@pytest.mark.parametrize("style", ["row", "multi", "yaml"])
def test_row_of_a_step_that_the_user_did_not_ask_for_is_taken_out(lammps, style):
    """A cut off the thermo stride: LAMMPS prints a row at the end of a run, whatever its step."""
    line, head = ROWS[style], HEADS[style]
    lammps.segment(head, line(0), line(50), line(73), loop(1, 73), TAIL, style=style, cut=True, hold=True,
                   drop_last_row=True)  # fmt: skip
    lammps.segment(head, line(73), line(100), loop(1, 27), TAIL, style=style, continued=True)
    assert lammps.user() == head + line(0) + line(50) + line(100) + loop(2, 100) + TAIL


def test_held_row_that_the_user_asked_for_stays(lammps):
    lammps.segment(HEADS["row"], row(0), row(50), loop(1, 50), cut=True, hold=True, drop_last_row=False)
    lammps.segment(HEADS["row"], row(50), row(100), loop(1, 50), continued=True)
    assert lammps.user() == HEADS["row"] + row(0) + row(50) + row(100) + loop(2, 100)


def test_warnings_among_repeated_lines_are_kept(lammps):
    lammps.segment(HEADS["row"], row(0), row(50), loop(1, 50), cut=True)
    lammps.segment(HEAD, WARNING, NAMES, row(50), WARNING, row(100), loop(1, 50), continued=True)
    assert lammps.user() == HEADS["row"] + row(0) + row(50) + WARNING + WARNING + row(100) + loop(2, 100)


def test_single_steps_of_a_search_leave_no_trace(lammps):
    lammps.segment(HEADS["row"], row(0), row(50), loop(1, 50), TAIL, cut=True)
    for step in (51, 52, 53):
        lammps.segment(HEADS["row"], row(step - 1), row(step), loop(0.5, 1), cut=True, continued=True, hold=True,
                       drop_last_row=True)  # fmt: skip
    lammps.segment(HEADS["row"], row(53), row(100), loop(1, 47), TAIL, continued=True)
    assert lammps.user() == HEADS["row"] + row(0) + row(50) + row(100) + loop(3.5, 100) + TAIL


def test_next_run_begins_with_a_loop_time_of_its_own(lammps):
    lammps.segment(row(0), loop(1, 50), cut=True)
    lammps.segment(row(0), row(100), loop(1, 50), continued=True)
    lammps.segment(row(100), row(200), loop(7, 100))
    assert lammps.user() == row(0) + row(100) + loop(2, 100) + row(100) + row(200) + loop(7, 100)


def test_commands_of_our_own_are_dropped(lammps):
    lammps.prints("the user's\n")
    lammps.log.drop(True)
    lammps.prints("System init for write_restart ...\n")
    lammps.log.drop(False)
    lammps.prints("the user's again\n")
    assert lammps.user() == "the user's\nthe user's again\n"


def test_resumed_log_begins_where_the_cut_one_ended(tmp_path):
    lammps = Lammps(tmp_path, dropping=True)
    lammps.prints("LAMMPS (22 Jul 2025)\nReading restart file ...\n", HEADS["row"], row(100))
    lammps.log.drop(False)
    lammps.segment(HEADS["row"], row(100), row(150), loop(1, 50), TAIL, continued=True)
    assert lammps.user() == row(150) + loop(1, 50) + TAIL


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


def test_yaml_document_of_a_run_ends_once_and_dots_of_another_style_are_text(lammps):
    head, dots = HEADS["yaml"], "...\n"
    lammps.segment(head, yaml(0), yaml(50), dots, loop(1, 50), TAIL, style="yaml", cut=True)
    lammps.segment(head, yaml(50), yaml(100), dots, loop(1, 50), TAIL, style="yaml", continued=True)
    lammps.segment(HEADS["row"], row(0), dots, row(50), loop(1, 50), TAIL, cut=True)
    lammps.segment(HEADS["row"], row(50), row(100), loop(1, 50), TAIL, continued=True)
    first = head + yaml(0) + yaml(50) + yaml(100) + dots + loop(2, 100) + TAIL
    assert lammps.user() == first + HEADS["row"] + row(0) + dots + row(50) + row(100) + loop(2, 100) + TAIL
