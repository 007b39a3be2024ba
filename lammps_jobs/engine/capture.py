"""Taking a checkpoint: restart file, engine state and output changes, handed to the supervisor as a `Cut`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lammps_jobs.engine import atom_order
from lammps_jobs.engine.accelerated import ACCELERATED, is_accelerated
from lammps_jobs.engine.lists import last_build
from lammps_jobs.engine.memory import aside, atoms, division, state
from lammps_jobs.engine.memory.aside import Aside
from lammps_jobs.engine.memory.graph import Graph
from lammps_jobs.engine.memory.last_build import LastBuild
from lammps_jobs.engine.root import Root
from lammps_jobs.engine.session import Session, Stopped
from lammps_jobs.protocol.engine_state import BoxState, EngineState, JournalState, PositionState, RunState
from lammps_jobs.protocol.messages import Cut, Finished
from lammps_jobs.record.documents import Fidelity
from lammps_jobs.script import fidelity
from lammps_jobs.script.language import RunCommand

SEEN = "seen"
"""How the files begin in which each rank says what it saw of itself."""
LOOK_S = 0.002
"""Seconds between two looks for these."""
LISTS_UNKNOWN = "where the atoms were at the last rebuild of the neighbour lists is not known"


def take_checkpoint(session: Session, rest: RunCommand | None, *, stop: bool, keeps_lists: bool = True) -> None:
    """Write everything needed to continue, and hand it to the supervisor.

    `rest` is the run that is cut, None before a stage begins. `keeps_lists`: what comes goes on with the neighbour
    lists that LAMMPS has now. Raises Stopped when `stop`.
    """
    started = time.monotonic()
    lmp, root, communicator = session.lmp, session.root, session.communicator
    session.is_sorted = atom_order.is_sorted(lmp) or (session.was_sorted and session.journal.sort.every > 0)
    session.wait_for_upload()
    session.cuts += 1
    folder = session.job.scratch / f"cut-{session.cuts}"
    if root:
        folder.mkdir()
    session.drop_log(True)
    communicator.wait()
    cuts = division.uneven_cuts(lmp) if communicator.size > 1 else ()
    part = division.even_part(lmp, cuts) if cuts else None
    with session.between_runs(), atoms.all_inside(lmp, part) if communicator.size > 1 else contextlib.nullcontext():
        lmp.command(f"write_restart {folder}/restart{'' if _in_one_file(session) else '.%'} noinit")
    restart_s = time.monotonic() - started
    session.flush()
    is_plain = not is_accelerated(session, session.journal)
    look = partial(
        _look, session, folder, last_build(session) if keeps_lists and is_plain else None,
        is_plain=is_plain, keeps_lists=keeps_lists, before_set_up=rest is None and not keeps_lists,
    )  # fmt: skip
    copy = aside.begin(lmp, look) if is_plain else None  # an accelerator is no place for a copy, and nothing is seen
    seen = [folder / f"{SEEN}.{rank}" for rank in range(communicator.size)]
    if copy:
        session.looking = threading.Thread(
            target=_see_to, args=(copy, seen[communicator.rank], session.on_failure), name="looking"
        )
        session.looking.start()
    else:
        look()
    communicator.wait()
    session.drop_log(False)
    if root:
        root.sources.forget(session.journal.sources())
        outputs = tuple(root.outputs.changes(folder, session.journal.rewritten()))
        session.mark()
        engine_state = _state(session, root, rest, cuts)
        is_boundary = rest is None
        cut = partial(
            Cut, number=session.cuts, folder=folder, state=engine_state, stage=session.stage + is_boundary,
            boundary=is_boundary, stop=stop, outputs=outputs, restart_s=restart_s, cut_s=time.monotonic() - started,
        )  # fmt: skip
        root.handler.taken()
        root.line.send_later(lambda: _when_seen(seen, cut))
    if stop:
        raise Stopped


def _memory(lmp: Any, *, before_set_up: bool) -> Graph:
    """What LAMMPS's objects hold. Where that cannot be told, the checkpoint is good without."""
    try:
        return state.take(lmp, before_set_up=before_set_up)
    except Exception as error:
        return Graph(missing=f"LAMMPS's memory could not be followed ({error!r})")


def _look(
    session: Session, folder: Path, lists: LastBuild | None, *, is_plain: bool, keeps_lists: bool, before_set_up: bool
) -> None:
    """Store what this rank's LAMMPS holds in `folder`; in a file of its own, written last, what was seen of it."""
    lmp, rank = session.lmp, session.communicator.rank
    atoms.Atoms.take(lmp).save(folder / f"atoms.{rank}")
    if lists:
        lists.save(folder / f"lists.{rank}")
    unknown = LISTS_UNKNOWN if keeps_lists and not lists else ""
    missing = unknown if is_plain else ACCELERATED
    memory = Graph(missing=missing) if missing else _memory(lmp, before_set_up=before_set_up)
    memory.save(folder / f"memory.{rank}")
    grade = fidelity.of_resume(session.journal, step=session.step, missing=memory.missing, unseen=memory.unseen)
    _say(folder / f"{SEEN}.{rank}", grade.model_dump_json())


def _say(file: Path, text: str) -> None:
    partial_file = file.with_suffix(f"{file.suffix}.part")
    partial_file.write_text(text)
    partial_file.replace(file)


def _see_to(copy: Aside, file: Path, on_failure: Callable[[Exception], object]) -> None:
    """In a thread: see to it that something is said of what a copy saw, also where that failed.

    Where nothing can be said, as on a full disk, the engine must not wait for it: `on_failure` gets why.
    """
    failed = copy.wait()
    try:
        if failed and file.parent.exists() and not file.exists():  # else it had said all before it ended
            _say(file, json.dumps({"failed": failed}))
    except OSError as error:
        on_failure(error)


def _when_seen(files: list[Path], cut: Callable[..., Cut]) -> Cut:
    """The cut, once every rank has stored what it holds."""
    while not all(file.exists() for file in files):
        time.sleep(LOOK_S)
    said = [json.loads(file.read_bytes()) for file in files]
    failed = next((one["failed"] for one in said if "failed" in one), "")
    return cut(fidelity=Fidelity() if failed else Fidelity.model_validate(said[0]), spoiled=failed)


def _state(session: Session, root: Root, rest: RunCommand | None, cuts: division.Cuts) -> EngineState:
    position = session.position.to_json(back=rest is None)
    return EngineState(
        journal=JournalState.model_validate(session.journal.to_json()),
        position=PositionState.model_validate(position),
        where=session.where,
        folder=session.surroundings(root),
        stage=session.stage,
        step=session.step,
        run=RunState.model_validate(vars(rest)) if rest else None,
        box=BoxState(faces=session.boundary.faces, margins=session.margins),
        grid=tuple((session.lmp.extract_global("procgrid") or [])[:3]),
        cuts=cuts,
        echoes=root.log.echoes,
        warned=session.warned,
        is_sorted=session.is_sorted,
        has_set_up=session.has_set_up,
    )


def _in_one_file(session: Session) -> bool:
    """Whether one restart file serves. Several ranks keep the order of their atoms only in one file each, and
    from one file LAMMPS drops atoms that have left an open or a tilted box since its last rebuild."""
    alone = session.communicator.size == 1
    return alone and session.boundary.is_periodic and not session.lmp.extract_setting("triclinic")


def finish(session: Session, *, stopped: bool) -> None:
    """Close LAMMPS, which flushes its files, then report the last of them unless the run was `stopped`."""
    root = session.root
    if session.looking:
        session.looking.join()
    if root:
        root.line.settle()
    if session.job.is_rehearsed:
        _write_final_state(session)
    session.flush()
    if not stopped:
        session.bring_outside()
    session.final_step = session.step
    session.lmp.close()
    if root and not stopped:
        root.log.pump()
        folder = session.job.scratch / "end"
        folder.mkdir()
        root.sources.forget(())
        outputs = tuple(root.outputs.changes(folder, session.journal.rewritten()))
        root.line.send(Finished(step=session.step, outputs=outputs))


def _write_final_state(session: Session) -> None:
    session.drop_log(True)
    with contextlib.suppress(Exception), session.between_runs():  # no box, or atoms without IDs: then there is none
        session.lmp.command(f"write_dump all custom {session.job.final_state} id type x y z vx vy vz "
                            "modify sort id format float %.17g")  # fmt: skip
