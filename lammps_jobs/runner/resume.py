"""A new process goes on from a checkpoint: the journal again, the restart file, the set-up."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.runner import box
from lammps_jobs.runner.journal import Entry, Journal
from lammps_jobs.runner.runs import set_up_again
from lammps_jobs.runner.script import Position, RunCommand

if TYPE_CHECKING:
    from lammps_jobs.runner.engine import Engine

WRITING = ("dump", "fix", "restart")


class CannotContinue(Exception):
    """Going on from this checkpoint would give wrong results."""


def resume(engine: Engine) -> None:
    """Bring LAMMPS to the state of the checkpoint, and finish the run that was cut."""
    given = engine.job["resume"]
    state = json.loads(Path(given["state"]).read_text())
    journal = Journal.from_json(state["journal"])
    engine.recorded = set(given["outputs"])
    engine.stage = state["stage"]
    engine.at(*state["where"])
    if engine.watch:
        engine.watch.log.drop(True)
    for entry in journal.before_box():
        _again(engine, entry)
    grid = state["grid"]
    if math.prod(grid) == engine.ranks.size > 1:  # or LAMMPS chooses by the shape that the box has by now
        engine.lmp.command(f"processors {' '.join(map(str, grid))}")
    since = engine.watch.log.raw_size if engine.watch else 0
    engine.lmp.command(f"read_restart {given['restart']}")
    faces, engine.edges = state["box"]
    engine.boundary = box.Boundary(faces)
    margins = box.command(engine.edges, engine.boundary)
    if margins:
        engine.lmp.command(margins)
    engine.lmp.flush_buffers()
    restored = engine.ask("restored_styles", since)
    for entry in journal.after_box():
        if not (entry.command.endswith("_style") and entry.command.removesuffix("_style") in restored):
            _again(engine, entry)
    engine.journal = journal
    engine.position = Position.from_json(engine.folder, state["position"])
    command = RunCommand(**state["run"]) if state["run"] else None
    engine.at_boundary = command is None
    set_up_again(engine, command)
    _must_be_taken_up(engine, since)
    if engine.watch:
        engine.watch.log.echoes = state["echoes"]
        engine.watch.log.drop(False)
        engine.watch.resumed(engine.step(), engine.stage)
    if command:
        line = command.rest(steps=command.last - engine.step(), set_up=False)
        engine.runs.work_off(command, line, continues=True)


def _again(engine: Engine, entry: Entry) -> None:
    if entry.command == "log":
        if engine.watch:
            engine.watch.log.switch(None if entry.words[1] == "none" else entry.words[1], append=True)
        return
    if entry.command.endswith("_modify") and entry.command.split("_")[0] in ("fix", "compute", "dump"):
        kind, name = entry.command.split("_")[0], entry.words[1]
        if not engine.lmp.has_id(kind, name):
            return
    if entry.command == "echo":
        return
    if entry.command not in WRITING:
        engine.fetch(entry.words[1:])
    engine.lmp.command(entry.text)
    for _ in range(entry.nexts):
        engine.lmp.command(f"next {entry.key}")


def _must_be_taken_up(engine: Engine, since: int) -> None:
    """Raise CannotContinue when LAMMPS says that something in the restart file found nobody to belong to."""
    if engine.watch:
        lost = _unused(engine.watch.log.said("restart file|^  fix style", since))
        missed = [f"fix {name} ({style})" for style, name in lost if not _is_made_again(engine.journal, name)]
        if missed:
            raise CannotContinue(f"The checkpoint's state was not taken up again of {', '.join(missed)}")


def _unused(said: list[str]) -> list[tuple[str, str]]:
    """Styles and IDs of the fixes that LAMMPS lists below "Unused restart file ... fix info"."""
    found, listed = [], False
    for line in said:
        fix = re.match(r"  fix style: (\S+), fix ID: (\S+)", line)
        if not fix:
            listed = line.startswith("Unused restart file")
        elif listed:
            found.append((fix[1], fix[2]))
    return found


def _is_made_again(journal: Journal, fix: str) -> bool:
    """Whether the state of that internal fix is computed anew anyway: chunks, unless assigned once for all."""
    owner = fix.removesuffix("_COMPUTE_STORE")
    return any(
        entry.words[3] == "chunk/atom" and "ids once" not in entry.text
        for entry in journal.of("compute") if entry.words[1] == owner
    )  # fmt: skip
