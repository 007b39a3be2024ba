"""Whom to tell of a run's end, as people write it."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterable

from lammps_jobs.errors import UsageError
from lammps_jobs.record.documents import Notify

DESKTOP = "desktop"
TOPIC = re.compile(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]{1,256}(\.fifo)?")


def notify_of(given: str | Iterable[str], *, on_stack: bool) -> Notify:
    """`desktop`, the ARN of an SNS topic, or a command line, each once.

    Commands and the desktop are of this machine, so a stack's runs take topics only, and those here no topics. Raises
    UsageError.
    """
    ways = list(dict.fromkeys([given] if isinstance(given, str) else given))
    topics = tuple(way for way in ways if way.startswith("arn:"))
    commands = tuple(way for way in ways if way not in (*topics, DESKTOP))
    for topic in topics:
        if not TOPIC.fullmatch(topic):
            raise UsageError(f"{topic!r} is no SNS topic.", remedy="arn:aws:sns:REGION:ACCOUNT:NAME is one.")
    if any(not command.strip() for command in commands):
        raise UsageError("A notification is empty.", remedy="Give `desktop`, a command, or the ARN of an SNS topic.")
    if on_stack and (commands or DESKTOP in ways):
        raise UsageError("On a stack nobody is told by a command or on a desktop: its machines are others.",
                         remedy="Give the ARN of an SNS topic; or here: lammps-jobs watch RUN && COMMAND")  # fmt: skip
    if topics and not on_stack:
        raise UsageError("Runs on this machine publish to no SNS topic.",
                         remedy="Give a command that does: `aws sns publish`, which gets the message.")  # fmt: skip
    if DESKTOP in ways and not shutil.which("notify-send"):
        warnings.warn("notify-send is not on this machine, so the desktop will not be told.", stacklevel=4)
    return Notify(commands=commands, desktop=DESKTOP in ways, topics=topics)
