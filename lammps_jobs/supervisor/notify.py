"""Telling the user that a run has finished or failed: by a command of theirs, on their desktop, by an SNS topic.

The attempt that ends tells, after all else is said and saved. What goes wrong in telling harms no run: it is a warning
on record. A run whose supervisor dies with its machine tells when its next attempt ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lammps_jobs.record.documents import AttemptEnd
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import own

Publisher = Callable[[str, str, dict[str, Any]], None]
"""Publishes to a topic: its ARN, one line, and all of the message."""

TOLD_OF = ("finished", "failed")
COMMAND_S = 60.0
"""Seconds that a command may take."""
SAID = 300
"""Characters of what a command printed that are kept of a failure."""


def message_of(run: str, end: AttemptEnd) -> dict[str, Any]:
    """What is told: the JSON that a command reads."""
    what = f"{run} {end.outcome}" + (f" at step {end.last_step}" if end.last_step is not None else "")
    return {
        "text": f"{what}: {end.reason}" if end.outcome == "failed" and end.reason else what,
        "run": run, "state": end.outcome, "attempt": end.number, "step": end.last_step, "reason": end.reason,
        "where": end.where, "remedy": end.remedy, "exit_code": end.exit_code, "ended": end.ended.isoformat(),
        "host": socket.gethostname(),
    }  # fmt: skip


def tell(record: RunRecord, end: AttemptEnd, publish: Publisher | None) -> Iterator[str]:
    """Tell whoever is to be told of a run's end; yields what went wrong, in words.

    A record that came from elsewhere starts nothing here.
    """
    wanted, message = record.submission().notify, message_of(record.name, end)
    may_start = (wanted.commands or wanted.desktop) and own.is_own(record)
    for command in wanted.commands if may_start else ():
        yield from _by_command(["sh", "-c", command], message, f"`{command}`")
    if wanted.desktop and may_start:
        if shutil.which("notify-send"):
            words = ["notify-send", "--app-name", "lammps-jobs", "--", message["run"], message["text"]]
            yield from _by_command(words, message, "notify-send")
        else:
            yield "The desktop was not told: notify-send is not on this machine."
    for topic in wanted.topics:
        if publish is None:
            yield f"{topic} was not told: only attempts on a stack publish to SNS."
            continue
        try:
            publish(topic, message["text"], message)
        except Exception as error:  # whatever it is, the run has ended as it has
            yield f"{topic} was not told: {error}"


def _by_command(words: list[str], message: dict[str, Any], name: str) -> Iterator[str]:
    """Run a command with the message on its standard input, in the user's home, and end it when it takes too long."""
    try:
        started = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            cwd=Path.home() if Path.home().is_dir() else "/",
        )  # fmt: skip
    except OSError as error:
        yield f"The notification by {name} did not start: {error}"
        return
    try:
        said, _ = started.communicate(json.dumps(message).encode(), timeout=COMMAND_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        yield f"The notification by {name} took longer than {COMMAND_S:g} s, and was ended."
        return
    if started.returncode:
        words_said = said.decode(errors="replace").strip()[-SAID:]
        yield f"The notification by {name} failed (exit code {started.returncode}). {words_said}".strip()
