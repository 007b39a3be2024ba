"""What a resume does once LAMMPS's objects are there: its memory is written back, and compared."""

from __future__ import annotations

import time

from lammps_jobs.engine.memory import atoms, state
from lammps_jobs.engine.memory.graph import Graph
from lammps_jobs.engine.restored_state import CannotContinue
from lammps_jobs.engine.session import Proof, Session
from lammps_jobs.protocol.messages import Restore


def give_memory_back(session: Session, checkpoint: Restore) -> None:
    """Write back what the checkpoint holds of LAMMPS's memory, and keep what was seen of it as the session's proof.

    A difference that is left is a reason of the grade, by the name of the object.
    """
    started = time.monotonic()
    rank = session.communicator.rank
    folder = checkpoint.state.parent
    stored = atoms.Atoms.load(folder / f"atoms.{rank}")
    place = stored.place(session.lmp)
    graph = Graph.load(folder / f"memory.{rank}")
    if place == "moved":
        mine = Proof(everything=["the order of the atoms"])
    else:
        stored.write(session.lmp)
        repaired = state.give_back(session.lmp, graph)
        found = state.prove(session.lmp, graph)
        unmade = [name for name in repaired.missing if not state.exists(session.lmp, name)]
        if unmade:
            raise CannotContinue(f"The checkpoint's state was not taken up again of {', '.join(unmade)}")
        unequal = sorted({*found.differing, *stored.differing(session.lmp)})
        mine = Proof(unproven=unequal, repaired=sorted(repaired.changed))
    proofs = session.communicator.gather(mine)
    session.proof = Proof(
        everything=sorted({name for proof in proofs for name in proof.everything}),
        unproven=sorted({name for proof in proofs for name in proof.unproven}),
        repaired=sorted({name for proof in proofs for name in proof.repaired}),
        seconds=time.monotonic() - started,
    )


def forget_new_bytes(session: Session, new: frozenset[str] = frozenset()) -> None:
    """Leave out what LAMMPS has written since the cut, but for files that are `new`."""
    session.flush()
    session.communicator.wait()
    if session.root:
        session.root.outputs.forget_new_bytes(new)
