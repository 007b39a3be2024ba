"""A copy of a process looks at what that held, while it goes on; and what becomes of a cut whose copy died."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from lammps_jobs import Checkpoints, Resources, Run
from tests.conftest import assert_same, bare, outputs, script_of
from tests.waiting import ended, scaled, until, wait_for_progress, wait_until

pytestmark = pytest.mark.engine

BEGIN = """
import ctypes, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from lammps_jobs.engine.memory import aside, process
from lammps_jobs.engine.memory.own_thread import OwnThread

lmp = SimpleNamespace(thread=OwnThread())
"""


def python(text: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + textwrap.dedent(text)], cwd=folder, capture_output=True,
        text=True, timeout=scaled(60), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_sees_the_memory_of_the_moment_and_calls_by_itself(tmp_path):
    said = python(
        """
        number = ctypes.c_longlong(41)
        place = ctypes.addressof(number)

        def work():
            while not Path("changed").exists():
                time.sleep(0.01)
            seen = process.word(place), lmp.thread.call(lambda: "called")
            Path("seen").write_text(repr(seen))

        copy = aside.begin(lmp, work)
        number.value = 42
        Path("changed").touch()
        print(repr(copy.wait()), process.word(place), lmp.thread.call(lambda: "called"))
        """,
        tmp_path,
    )
    assert said == "'' 42 called\n"
    assert (tmp_path / "seen").read_text() == "(41, 'called')"


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL after"),
        ("1 / 0", "ended with code 1 after"),
    ],
)
def test_a_copy_that_fails_says_how(tmp_path, work, told):
    said = python(f"print(aside.begin(lmp, lambda: {work}).wait())", tmp_path)
    assert told in said


def test_where_the_system_makes_no_copy_the_caller_is_told(tmp_path):
    text = """
        def fork():
            raise BlockingIOError(11, "Resource temporarily unavailable")

        os.fork = fork
        print(aside.begin(lmp, lambda: None))
        """
    assert python(text, tmp_path) == "None\n"


def test_a_copy_ends_with_the_process_that_it_was_made_of(tmp_path):
    text = """
        def work():
            Path("pid").write_text(str(os.getpid()))
            time.sleep(600)

        aside.begin(lmp, work)
        while not Path("pid").exists() or not Path("pid").read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    command = [sys.executable, "-c", BEGIN + textwrap.dedent(text)]
    assert subprocess.run(command, cwd=tmp_path, timeout=scaled(60), check=False).returncode == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not psutil.pid_exists(pid), "the copy to end", lambda: pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a disk of its own: as root")
def test_a_full_disk_while_a_copy_looks_ends_the_attempt_and_hangs_nothing(tmp_path):
    """The copy cannot store what it saw, and nobody can say so where the cut lies."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True, timeout=scaled(20))
    try:
        text = """
            import threading
            from lammps_jobs.engine import capture

            def work():
                with Path("disk/memory.0").open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(512))

            failures = []
            copy = aside.begin(lmp, work)
            capture._see_to(copy, Path("disk/seen.0"), failures.append)
            print([type(error).__name__ for error in failures], failures[0].errno, Path("disk/seen.0").exists())
            """
        assert python(text, tmp_path) == "['OSError'] 28 False\n"
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=scaled(20))


def copies_of(run: Run) -> list[psutil.Process]:
    """Engines whose parent is an engine, too."""
    top = psutil.Process(run.progress.engine_pid)
    found = []
    for one in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.name().startswith("python") and "lammps_jobs.engine" in one.cmdline():
                found += one.children()
    return found


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_cut_whose_copy_is_killed_is_skipped_and_nothing_is_lost(cluster, script, tmp_path, ranks):
    path = script(script_of("nve", 1500).replace("0 4 0 4 0 4", "0 8 0 8 0 8"))
    run = cluster.submit(path, checkpoints=Checkpoints(every_s=0.3), resources=Resources(ranks=ranks))
    wait_for_progress(run)

    skipped = "A checkpoint was skipped: the process that was to look at LAMMPS's memory ended by SIGKILL"

    def one_was_killed_in_time() -> bool:
        for copy in copies_of(run):
            with contextlib.suppress(psutil.NoSuchProcess):
                copy.kill()
        return any(skipped in event.text for event in run.events)

    wait_until(one_was_killed_in_time, run, "a copy of an engine that was killed, and word of it")
    reached = run.status.checkpoint_step or 0
    wait_until(lambda: (run.status.checkpoint_step or 0) > reached, run, "the next checkpoint")
    os.killpg(run.progress.engine_pid, signal.SIGKILL)
    assert ended(run).state == "failed"
    run.resume()
    assert ended(run).fidelity.grade == "exact"
    assert_same(outputs(run, tmp_path / "ours"), bare(path, tmp_path / "bare", ranks))
