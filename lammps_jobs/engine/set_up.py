"""What a resume does once LAMMPS's objects are there: its memory is written back, and compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lammps_jobs.engine import atom_order
from lammps_jobs.engine.accelerated import ACCELERATED, is_accelerated
from lammps_jobs.engine.lists import last_build
from lammps_jobs.engine.memory import state
from lammps_jobs.engine.memory.atoms import Atoms, put_where_they_were
from lammps_jobs.engine.memory.graph import Graph
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.memory.last_build import LastBuild
from lammps_jobs.engine.memory.process import Unknown
from lammps_jobs.engine.restored_state import CannotContinue, check_all_state_claimed
from lammps_jobs.engine.session import Proof, Session
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import RunCommand

LISTS = "neighbour lists"
"""What is said of them where they were made otherwise."""


class MemoryNotGivenBack(Exception):
    """LAMMPS's objects may be half of one process and half of another: this one must not go on."""


def set_up(session: Session, loop: InnerLoop, rest: RunCommand | None, lists: LastBuild | None) -> None:
    """LAMMPS's set-up, in a process that then holds every object that the cut one held, with the same `lists`.

    Right inside the run that was cut (`rest`), or between two: its memory is given back next, so the set-up may change
    what it likes. Rows of thermo output are not asked for here, where a fix that they read may have no value.
    """
    line = rest.rest(steps=rest.last - session.step, set_up=True) if rest else "run 0 post no"
    keeps = session.is_sorted and not is_accelerated(session, session.journal) and atom_order.can_be_kept(session.lmp)
    sort = session.journal.sort if keeps else None
    session.loop = loop
    if lists:
        _with_unknown(session, lists.lay)
    with atom_order.kept(session.lmp, sort, session.between_runs):
        loop.open(lambda: session.lmp.command(line))
    if lists:
        _with_unknown(session, lists.count)
    if rest:
        with contextlib.suppress(Unknown):
            loop.begin_at(rest.first, rest.last)
    if rest is None:
        loop.abandon()
        session.loop = None


def _with_unknown(session: Session, act: Callable[[Any], None]) -> None:
    try:
        act(session.lmp)
    except Unknown as error:
        raise MemoryNotGivenBack(f"LAMMPS's neighbour lists could not be made again: {error}") from error


def set_up_again(session: Session, rest: RunCommand) -> InnerLoop:
    """What a resume from a cut here does, in the process that was cut: the reference for such a resume."""
    is_plain = not is_accelerated(session, session.journal)
    graph, stored = (state.take(session.lmp), Atoms.take(session.lmp)) if is_plain else (Graph(), Atoms({}))
    lists = last_build(session) if is_plain else None
    session.drop_log(True)
    if session.loop:
        session.loop.abandon()
    loop = InnerLoop(session.lmp)
    set_up(session, loop, rest, lists)
    if lists and _have_moved(session, stored, lists):  # a `fix balance` has given them to other ranks
        put_where_they_were(session.lmp, session.communicator.gather(stored))
        loop.abandon()
        loop = InnerLoop(session.lmp)
        set_up(session, loop, rest, None)
    elif lists:
        _give_back(session, StoredMemory(graph, stored, lists))
    forget_new_bytes(session)
    session.drop_log(False)
    return loop


@dataclass(frozen=True)
class StoredMemory:
    """What a checkpoint holds of this rank's LAMMPS."""

    graph: Graph
    atoms: Atoms
    lists: LastBuild | None = None
    """Of a cut inside a run: how its neighbour lists were made."""
    missing: str = ""
    """Why none of it is of use here, on whatever rank."""


def read_memory(session: Session, folder: Path, journal: Journal) -> StoredMemory:
    """The memory in the checkpoint in `folder`. Without it, what LAMMPS restores by itself has to do."""
    lmp, rank = session.lmp, session.communicator.rank
    why, graph, stored, lists = "", Graph(), Atoms({}), None
    if session.job.restore and not session.job.restore.with_memory:
        why = "LAMMPS failed when its memory had been given back, and has set itself up without"
    elif len(list(folder.glob("memory.*"))) != session.communicator.size:
        why = "the number of ranks is another one"
    elif is_accelerated(session, journal):
        why = ACCELERATED
    else:
        try:
            graph, stored = Graph.load(folder / f"memory.{rank}"), Atoms.load(folder / f"atoms.{rank}")
            made = folder / f"lists.{rank}"
            lists = LastBuild.load(made) if made.exists() else None
        except (ValueError, EOFError):
            why = "the memory in the checkpoint is torn"
        except Exception as error:  # of whatever kind numpy finds it to be
            why = f"the memory in the checkpoint cannot be read ({error})"
        else:
            why = "" if graph.build == state.build_of(lmp) else graph.missing or "the build of LAMMPS is another one"
    return StoredMemory(graph, stored, lists, next(filter(None, session.communicator.gather(why)), ""))


def give_memory_back(session: Session, memory: StoredMemory) -> None:
    """Write a checkpoint's memory back, and compare; what was seen is the session's proof.

    A difference that is left is a reason of the grade, by the name of the object. Raises CannotContinue when LAMMPS
    lacks an object, or, where nothing could be compared, has not taken up again all that its restart file holds;
    MemoryNotGivenBack when LAMMPS, as it is now, must not go on.
    """
    if memory.missing:
        session.proof = Proof(everything=[memory.missing])
        if session.has_set_up:
            check_all_state_claimed(session)
        return
    if _have_moved(session, memory.atoms, memory.lists):
        raise MemoryNotGivenBack("LAMMPS's memory could not be given back: its atoms lie in another order.")
    proofs = session.communicator.gather(_give_back(session, memory))
    session.proof = Proof(unproven=sorted({name for proof in proofs for name in proof.unproven}))
    session.unclaimed_since = None


def _have_moved(session: Session, stored: Atoms, lists: LastBuild | None) -> bool:
    """Whether the atoms of some rank are not in the order in which they were stored."""
    place = stored.place(session.lmp, lists.x if lists else None)
    return any(session.communicator.gather(place == "moved"))


def _give_back(session: Session, memory: StoredMemory) -> Proof:
    lmp = session.lmp
    unlike = [LISTS] if memory.lists and memory.lists.differs(lmp) else []
    stored = memory.atoms if memory.lists and not unlike else memory.atoms.without_ghosts()
    try:
        stored.write(lmp)
        repaired = state.give_back(lmp, memory.graph)
        found = state.prove(lmp, memory.graph)
    except Exception as error:
        raise MemoryNotGivenBack(f"LAMMPS's memory could not be given back: {error!r}") from error
    unmade = [name for name in repaired.missing if not state.exists(lmp, name)]
    if unmade:
        raise CannotContinue(f"The checkpoint's state was not taken up again of {', '.join(unmade)}")
    return Proof(unproven=sorted({*unlike, *found.differing, *stored.differing(lmp)}))


def forget_new_bytes(session: Session) -> None:
    """Leave out what LAMMPS has written since the cut: it had been written before, or will be written again."""
    session.flush()
    session.communicator.wait()
    if session.root:
        session.root.outputs.forget_new_bytes()
