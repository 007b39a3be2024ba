"""What a resume does once LAMMPS's objects are there: its memory is written back, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lammps_jobs.engine import atom_order
from lammps_jobs.engine.memory import state
from lammps_jobs.engine.memory.atoms import Atoms, put_inside
from lammps_jobs.engine.memory.graph import Graph
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.restored_state import CannotContinue, check_all_state_claimed
from lammps_jobs.engine.session import Proof, Session
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import RunCommand


class MemoryNotGivenBack(Exception):
    """LAMMPS's objects may be half of one process and half of another: this one must not go on."""


def set_up(session: Session, loop: InnerLoop, rest: RunCommand | None) -> None:
    """LAMMPS's set-up, in a process that then holds every object that the cut one held.

    Right inside the run that was cut (`rest`), or between two: its memory is given back next, so the set-up may change
    what it likes. Rows of thermo output are not asked for here, where a fix that they read may have no value.
    """
    line = rest.rest(steps=rest.last - session.step, set_up=True) if rest else "run 0 post no"
    keeps = session.is_sorted and not is_accelerated(session, session.journal) and atom_order.can_be_kept(session.lmp)
    sort = session.journal.sort if keeps else None
    session.loop = loop
    with atom_order.kept(session.lmp, sort, session.between_runs):
        loop.open(lambda: session.lmp.command(line))
    if rest is None:
        loop.abandon()
        session.loop = None


def is_accelerated(session: Session, journal: Journal) -> bool:
    """Whether an accelerator package is at work: it has copies of its own of what LAMMPS holds."""
    return bool(session.job.lammps_args or journal.of("package")) or state.is_on_a_device(session.lmp)


def set_up_again(session: Session, rest: RunCommand) -> InnerLoop:
    """What a resume from a cut here does, in the process that was cut: the reference for such a resume."""
    graph, stored = state.take(session.lmp), Atoms.take(session.lmp)
    session.drop_log(True)
    if session.loop:
        session.loop.abandon()
    loop = InnerLoop(session.lmp)
    if session.communicator.size > 1:  # as in the restart file that a resume reads
        put_inside(session.lmp)
    set_up(session, loop, rest)
    if not _have_moved(session, stored):
        _give_back(session, graph, stored)
    forget_new_bytes(session)
    session.drop_log(False)
    return loop


@dataclass(frozen=True)
class StoredMemory:
    """What a checkpoint holds of this rank's LAMMPS."""

    graph: Graph
    atoms: Atoms
    missing: str = ""
    """Why none of it is of use here, on whatever rank."""


def read_memory(session: Session, folder: Path, journal: Journal) -> StoredMemory:
    """The memory in the checkpoint in `folder`. Without it, what LAMMPS restores by itself has to do."""
    lmp, rank = session.lmp, session.communicator.rank
    why, graph, stored = "", Graph(), Atoms({})
    if session.job.restore and not session.job.restore.with_memory:
        why = "LAMMPS failed when its memory had been given back, and has set itself up without"
    elif len(list(folder.glob("memory.*"))) != session.communicator.size:
        why = "the number of ranks is another one"
    elif is_accelerated(session, journal):
        why = "an accelerator keeps state and sorts atoms in its own way"
    else:
        try:
            graph, stored = Graph.load(folder / f"memory.{rank}"), Atoms.load(folder / f"atoms.{rank}")
        except (ValueError, EOFError):
            why = "the memory in the checkpoint is torn"
        except Exception as error:  # of whatever kind numpy finds it to be
            why = f"the memory in the checkpoint cannot be read ({error})"
        else:
            why = "" if graph.build == state.build_of(lmp) else graph.missing or "the build of LAMMPS is another one"
    return StoredMemory(graph, stored, next(filter(None, session.communicator.gather(why)), ""))


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
    if _have_moved(session, memory.atoms):
        raise MemoryNotGivenBack("LAMMPS's memory could not be given back: its atoms lie in another order.")
    proofs = session.communicator.gather(_give_back(session, memory.graph, memory.atoms))
    session.proof = Proof(unproven=sorted({name for proof in proofs for name in proof.unproven}))
    session.unclaimed_since = None


def _have_moved(session: Session, stored: Atoms) -> bool:
    """Whether the atoms of some rank are not in the order in which they were stored."""
    return any(session.communicator.gather(stored.place(session.lmp) == "moved"))


def _give_back(session: Session, graph: Graph, stored: Atoms) -> Proof:
    lmp = session.lmp
    try:
        stored.write(lmp)
        repaired = state.give_back(lmp, graph)
        found = state.prove(lmp, graph)
    except Exception as error:
        raise MemoryNotGivenBack(f"LAMMPS's memory could not be given back: {error!r}") from error
    unmade = [name for name in repaired.missing if not state.exists(lmp, name)]
    if unmade:
        raise CannotContinue(f"The checkpoint's state was not taken up again of {', '.join(unmade)}")
    unequal = sorted({*found.differing, *stored.differing(lmp)})
    return Proof(unproven=unequal)


def forget_new_bytes(session: Session) -> None:
    """Leave out what LAMMPS has written since the cut: it had been written before, or will be written again."""
    session.flush()
    session.communicator.wait()
    if session.root:
        session.root.outputs.forget_new_bytes()
