"""The keys of a run's objects below its name, and which of them are the truth.

*Truth* is created once and never overwritten; whatever is decided and every grade comes from it. *Advice* is for
people: losing all of it changes no decision and no grade.

spec.json                     truth   what was asked for
amendments/<n>.json           truth   what was asked for anew when the run was resumed
blobs/<sha256>                truth   inputs, output segments, lists of output segments
blobs/<sha256>.<n>            truth   restart files and engine states of attempt n
attempts/<n>.json             truth   the claim of attempt n
attempts/<n>.end.json         truth   how it ended; an attempt without one was lost
attempts/<n>.outputs.json     advice  its outputs to the last byte, where it ended without finishing
attempts/<n>.cancelled.json   truth   the user ended the run when n was its newest attempt (0: none)
checkpoints/<seq>.json        truth   the commit of checkpoint seq
decisions/<n>.json            truth   what later attempts must respect
result.json                   truth   the finished run
jobs/<n>.json, <n>.id.json    truth   a job that was asked for, and its ID
attempts/<n>/progress.json    advice  where the attempt is; overwritten by it
attempts/<n>/events/<k>.json  advice  what happened, for the report
attempts/<n>/<log>            advice  logs of an attempt that ended
head.json                     advice  the run at a glance; overwritten by whoever has read it last
labels.json                   advice  tags and a note of its user's; overwritten (`record/labels.py`)

Beside the runs lie:
_index/<row>                  advice  an empty object a run, whose key is its row of a list (`record/index.py`)
_inputs/<sha256>              truth   inputs that the runs of a sweep share
_sweeps/<name>/<k>.json       truth   members of a sweep
_sweeps/<name>/budgets/<n>.json  truth   machine time that all its runs may use together
_sweeps/<name>/jobs/<n>.json, <n>.id.json, <n>.cancelled.json   truth   an array job for many of them
_tags/<tag>/<run>              advice  a run that bears the tag (`record/labels.py`)
"""

from __future__ import annotations

import re

BLOBS = "blobs/"
SPEC, RESULT, HEAD, LABELS = "spec.json", "result.json", "head.json", "labels.json"
ATTEMPTS, CHECKPOINTS, DECISIONS, JOBS = "attempts", "checkpoints", "decisions", "jobs"
AMENDMENTS, BUDGETS = "amendments", "budgets"
_NUMBERED = re.compile(r"(\d+)\.json")


SWEEPS = "_sweeps"
"""Beside the runs, whose names cannot begin so."""


def shared_input(name: str) -> str:
    return f"_inputs/{name}"


def sweep_part(name: str, number: int) -> str:
    return f"{SWEEPS}/{name}/{number:04d}.json"


def budget(number: int) -> str:
    return f"{BUDGETS}/{number:04d}.json"


def blob(name: str) -> str:
    return f"{BLOBS}{name}"


def amendment(number: int) -> str:
    return f"{AMENDMENTS}/{number:04d}.json"


def claim(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}.json"


def end(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}.end.json"


def remains(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}.outputs.json"


def cancelled(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}.cancelled.json"


def progress(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}/progress.json"


def events(attempt: int) -> str:
    return f"{ATTEMPTS}/{attempt:04d}/events"


def event(attempt: int, number: int) -> str:
    return f"{events(attempt)}/{number:05d}.json"


def log(attempt: int, name: str) -> str:
    return f"{ATTEMPTS}/{attempt:04d}/{name}"


def checkpoint(seq: int) -> str:
    return f"{CHECKPOINTS}/{seq:06d}.json"


def decision(number: int) -> str:
    return f"{DECISIONS}/{number:04d}.json"


def job(number: int) -> str:
    return f"{JOBS}/{number:04d}.json"


def job_id(number: int) -> str:
    return f"{JOBS}/{number:04d}.id.json"


def numbers(names: list[str]) -> list[int]:
    """The numbers of objects named `<number>.json`, ascending; names of any other form are passed over."""
    return sorted(int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name)))
