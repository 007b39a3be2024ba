"""A new process goes on from a checkpoint: the journal again, the restart file, the set-up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lammps_jobs.engine import box_margins
from lammps_jobs.engine.restored_state import check
from lammps_jobs.engine.run_segments import forget_new_bytes, set_up_again
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.protocol.messages import Restore
from lammps_jobs.script.commands import UNRESTORED_STYLES
from lammps_jobs.script.journal import Entry, Journal
from lammps_jobs.script.language import Position, RunCommand

if TYPE_CHECKING:
    from lammps_jobs.engine.interpreter import Engine

WRITING = ("dump", "fix", "restart")


def resume(engine: Engine, given: Restore) -> None:
    """Bring LAMMPS to the state of the checkpoint, and finish the run that was cut."""
    state = EngineState.parse(given.state.read_bytes(), str(given.state))
    journal = Journal.from_json(state.journal.model_dump(mode="json"))
    journal.has_poured(state.poured)
    engine.recorded = set(given.outputs)
    engine.stage = state.stage
    engine.at(state.where)
    if engine.watch:
        engine.watch.log.drop(True)
    for entry in journal.before_box():
        _again(engine, entry)
    if math.prod(state.grid) == engine.ranks.size > 1:  # or LAMMPS chooses by the shape that the box has by now
        engine.lmp.command(f"processors {' '.join(map(str, state.grid))}")
    since = engine.watch.log.raw_size if engine.watch else 0
    engine.lmp.command(f"read_restart {given.restart}")
    engine.margins, engine.boundary = state.box.margins, box_margins.Boundary(state.box.faces)
    margins = box_margins.command(engine.margins, engine.boundary)
    if margins:
        engine.lmp.command(margins)
    engine.lmp.flush_buffers()
    restored = engine.ask("restored_styles", since)
    later = journal.new_dumps()
    for entry in (entry for entry in journal.after_box() if entry not in later):
        restorable = entry.command.endswith("_style") and entry.words[1] not in UNRESTORED_STYLES
        if not (restorable and entry.command.removesuffix("_style") in restored):
            _again(engine, entry)
    engine.journal = journal
    engine.position = Position.from_json(engine.folder, state.position.model_dump(mode="json"))
    command = RunCommand(**state.run.model_dump()) if state.run else None
    engine.at_boundary = command is None
    engine.unchecked_since = since
    engine.is_sorted = state.is_sorted
    forget_new_bytes(engine)  # of files that the commands above opened
    set_up_again(engine, command)
    if engine.ran:
        check(engine)
    for entry in later:
        _again(engine, entry)
    forget_new_bytes(engine, journal.new_averages())
    if engine.watch:
        engine.watch.log.echoes = state.echoes
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
