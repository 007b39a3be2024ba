"""Whether LAMMPS took up again all that the restart file holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lammps_jobs.script.journal import Journal

if TYPE_CHECKING:
    from lammps_jobs.engine.interpreter import Engine


class CannotContinue(Exception):
    """Going on from this checkpoint would give wrong results."""


def check(engine: Engine) -> None:
    """After the first set-up since a resume: CannotContinue when something in the restart file found no owner."""
    since, engine.unchecked_since = engine.unchecked_since, None
    if engine.watch and since is not None:
        engine.flush()
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
