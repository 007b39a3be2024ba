"""Whether an accelerator package is at work, of which nothing is stored or compared."""

from __future__ import annotations

from lammps_jobs.engine.memory import state
from lammps_jobs.engine.session import Session
from lammps_jobs.script.journal import Journal

ACCELERATED = "an accelerator keeps state and sorts atoms in its own way"
"""Why nothing is compared then."""


def is_accelerated(session: Session, journal: Journal) -> bool:
    """Whether an accelerator package is at work: it has copies of its own of what LAMMPS holds."""
    return bool(session.job.lammps_args or journal.of("package")) or state.is_on_a_device(session.lmp)
