"""Whom to tell of a run's end, as people write it."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterable

from lammps_jobs.errors import UsageError
from lammps_jobs.record.documents import Notify

DESKTOP, SNS = "desktop", "sns"
TOPIC = re.compile(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]{1,256}(\.fifo)?")

NO_TOPICS = "Runs on this machine publish to no SNS topic."
PUBLISH = "Give a command that does: `aws sns publish`, which gets the message."


def notify_of(given: str | Iterable[str], *, on_stack: bool, own: str = "") -> Notify:
    """`desktop`, `sns` for the stack's `own` SNS topic, the ARN of another, or a command line, each once.

    Commands and the desktop are of this machine, so a stack's runs take topics only, and those here no topics. Raises
    UsageError.
    """
    ways = [given] if isinstance(given, str) else list(given)
    if SNS in ways and on_stack and not own:
        raise UsageError("The stack has no topic of its own: it was deployed before there was one.",
                         remedy="pulumi up makes it; or give the ARN of an SNS topic.")  # fmt: skip
    if SNS in ways and not on_stack:
        raise UsageError(NO_TOPICS, remedy=PUBLISH)
    ways = list(dict.fromkeys(own if way == SNS else way for way in ways))
    topics = tuple(way for way in ways if way.startswith("arn:"))
    commands = tuple(way for way in ways if way not in (*topics, DESKTOP))
    for topic in topics:
        if not TOPIC.fullmatch(topic):
            raise UsageError(f"{topic!r} is no SNS topic.", remedy="arn:aws:sns:REGION:ACCOUNT:NAME is one.")
    if any(not command.strip() for command in commands):
        raise UsageError("A notification is empty.", remedy="Give `desktop`, a command, or the ARN of an SNS topic.")
    if on_stack and (commands or DESKTOP in ways):
        raise UsageError(
            "On a stack nobody is told by a command or on a desktop: its machines are others.",
            remedy="Give `sns`, the ARN of an SNS topic, or here: lammps-jobs watch RUN && COMMAND",
        )
    if topics and not on_stack:
        raise UsageError(NO_TOPICS, remedy=PUBLISH)
    if DESKTOP in ways and not shutil.which("notify-send"):
        warnings.warn("notify-send is not on this machine, so the desktop will not be told.", stacklevel=4)
    return Notify(commands=commands, desktop=DESKTOP in ways, topics=topics)
