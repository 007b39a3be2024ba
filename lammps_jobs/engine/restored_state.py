"""Whether LAMMPS took up again all that the restart file holds."""

from __future__ import annotations

import re

from lammps_jobs.engine.session import Session
from lammps_jobs.script import styles
from lammps_jobs.script.journal import Journal


class CannotContinue(Exception):
    """Going on from this checkpoint would give wrong results."""


def check_all_state_claimed(session: Session) -> None:
    """After the first set-up since a resume: CannotContinue when something in the restart file found no owner."""
    since, session.unclaimed_since = session.unclaimed_since, None
    if session.root and since is not None:
        session.flush()
        unused = unused_fixes(session.root.log.said("restart file|^  fix style", since))
        missed = [f"fix {name} ({style})" for style, name in unused if not _is_computed_again(session.journal, name)]
        if missed:
            raise CannotContinue(f"The checkpoint's state was not taken up again of {', '.join(missed)}")


def unused_fixes(lines: list[str]) -> list[tuple[str, str]]:
    """Styles and IDs of the fixes that LAMMPS lists below "Unused restart file ... fix info"."""
    fixes, is_listed = [], False
    for line in lines:
        fix = re.match(r"  fix style: (\S+), fix ID: (\S+)", line)
        if not fix:
            is_listed = line.startswith("Unused restart file")
        elif is_listed:
            fixes.append((fix[1], fix[2]))
    return fixes


def _is_computed_again(journal: Journal, fix: str) -> bool:
    """Whether the state of that internal fix is computed again anyway: chunks, unless assigned once for all."""
    owner = fix.removesuffix("_COMPUTE_STORE")
    return any(
        styles.Trait.RECOMPUTED in styles.traits_of("compute", entry.words[3]) and "ids once" not in entry.text
        for entry in journal.of("compute") if entry.words[1] == owner
    )  # fmt: skip
