"""Whether a new process can make the neighbour lists that LAMMPS has now: on every rank, or on none."""

from __future__ import annotations

from lammps_jobs.engine.memory.last_build import LastBuild
from lammps_jobs.engine.memory.process import Unknown
from lammps_jobs.engine.session import Session


def last_build(session: Session) -> LastBuild | None:
    """How the lists that LAMMPS has now were made, on every rank; None where one cannot tell."""
    found: LastBuild | None
    try:
        found = LastBuild.take(session.lmp)
    except Unknown:
        found = None
    return found if all(session.communicator.gather(found is not None)) else None


def knows_last_build(session: Session) -> bool:
    """Whether one can tell, on every rank, how the lists were made."""
    try:
        LastBuild.look(session.lmp)
    except Unknown:
        return not any(session.communicator.gather(True))
    return not any(session.communicator.gather(False))
