"""How true a resume is: what the journal says of its grade, and what forbids a cut.

The grades are explained in docs/grades.md. What is known of fixes and styles is in `fixes` and `styles`; here it
is applied to the commands that a script has given.
"""

from __future__ import annotations

from dataclasses import dataclass

from lammps_jobs.record.documents import Fidelity, Grade, worst
from lammps_jobs.script import fixes, styles
from lammps_jobs.script.journal import Entry, Journal
from lammps_jobs.script.language import plain_style

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
"""Ends of file names that have LAMMPS compress a dump."""


@dataclass(frozen=True)
class Known:
    """What is known of a fix as the script uses it: how true a resume with it is, and why it is not better."""

    grade: Grade
    why: str


UNTESTED = Known("statistical", "how it goes on after a resume has not been tested")
"""Of a fix without a row: it counts from the moment on that it is made."""
RUNNING = Known("statistical", "its running average begins again")
"""Page `fix_ave_time`, keyword ave."""
STORING = Known("statistical", "it takes its values again at the first set-up after a resume")
"""Page `fix_store_state`: values of computes, fixes and variables; LAMMPS's source: firstflag."""


# -- the grade -------------------------------------------------------------------------------------


def of_resume(journal: Journal, *, is_boundary: bool, reneighboured: bool, missing: str, unseen: list[str]) -> Fidelity:
    """How true a resume from a cut here is expected to be; what is seen of it then decides (`of_proof`).

    `is_boundary`: the cut lies between two stages. `reneighboured`: LAMMPS built its neighbour lists at this step.
    `missing`: why nothing of LAMMPS's state could be followed; `unseen`: objects that were not followed to their end.
    """
    seen = of_proof(journal, [missing] if missing else [], unseen)
    never = is_boundary or reneighboured
    return seen.model_copy(update={"as_if": "never cut" if never and seen.grade == "exact" else "set up again"})


def of_proof(journal: Journal, everything: list[str], unproven: list[str]) -> Fidelity:
    """How true a resume is, of which LAMMPS's state was compared with the one at the cut.

    `everything`: why nothing could be compared; then only the tables of what LAMMPS itself restores speak for it.
    `unproven`: objects that differ or could not be compared. What is not proven is never called exact.
    """
    found: list[tuple[Grade, str]] = []
    if everything:
        found += [("faithful", f"not proven: {why}") for why in everything]
        found += of_tables(journal)
    for name in unproven:
        known = _of_object(journal, name)
        found.append((worst([known.grade, "faithful"]), f"not proven: {name}: {known.why}".removesuffix(": ")))
    return Fidelity(
        grade=worst(grade for grade, _ in found),
        as_if="set up again" if found else "never cut",
        reasons=tuple(reason for _, reason in found),
    )


def of_tables(journal: Journal) -> list[tuple[Grade, str]]:
    """How true a resume is by what is known of fixes and styles alone: grades and reasons that name the command."""
    found = [*_of_fixes(journal), *_of_pair_styles(journal)]
    return found + [("statistical", f"command {name}: unknown to lammps-jobs") for name in sorted(set(journal.unknown))]


def _of_object(journal: Journal, name: str) -> Known:
    """What the tables know of an object of LAMMPS that could not be compared, such as `fix 1`."""
    kind, _, label = name.partition(" ")
    entries = [entry for entry in journal.of("fix") if kind == "fix" and entry.words[1] == label]
    return of_fix(entries[-1].words) if entries else UNTESTED


def of_fix(words: list[str]) -> Known:
    """What is known of a fix, given its whole command."""
    style = words[3]
    traits = fixes.traits_of(style)
    if fixes.Trait.AVE_KEYWORD in traits and _value(words[7:], "ave") in ("running", "window"):
        return RUNNING
    if "langevin" in words[4:]:  # the keyword of fix rigid and others: as fix langevin
        return _of_row("langevin")
    if fixes.Trait.STORES_VALUES in traits and any(word[:2] in ("c_", "f_", "v_", "d_", "i_") for word in words[5:]):
        return STORING
    return _of_row(style)


def _of_row(style: str) -> Known:
    row = fixes.fix_of(style)
    return Known(row.grade, row.why) if row else UNTESTED


def _of_fixes(journal: Journal) -> list[tuple[Grade, str]]:
    found: list[tuple[Grade, str]] = []
    for entry in journal.of("fix"):
        known = of_fix(entry.words)
        if known.grade != "exact" and (entry.used or known is UNTESTED):
            found.append((known.grade, f"fix {entry.words[1]} ({entry.words[3]}): {known.why}"))
    return found


def _of_pair_styles(journal: Journal) -> list[tuple[Grade, str]]:
    found: list[tuple[Grade, str]] = []
    for entry in journal.of("pair_style"):
        parts = [word for word in entry.words[1:] if styles.Trait.INEXACT_FORCE in styles.traits_of("pair", word)]
        if parts:
            named = entry.words[1] if parts[0] == entry.words[1] else f"{entry.words[1]}, of it {', '.join(parts)}"
            found.append(("statistical", f"pair_style {named}: its forces are not exactly restartable"))
    return found


# -- what forbids a cut ----------------------------------------------------------------------------


def uncuttable_because(journal: Journal) -> list[str]:
    """Outputs or styles that forbid a cut in the middle of a run, in words."""
    reasons = [reason for entry in journal.of("dump") for reason in _of_dump(entry)]
    for entry in journal.fixes_with(fixes.Trait.NEW_BOX_EACH_RUN):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) reduces its box again whenever a run begins")
    for entry in journal.fixes_with(fixes.Trait.HAS_OWN_LIBRARY):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) has files and state in a library of its own")
    for entry in journal.of("dump_modify"):
        if "maxfiles" in entry.words:
            reasons.append(f"dump_modify {entry.words[1]} maxfiles removes old files, which a new process cannot know")
    for entry in journal.of("run_style"):
        if styles.Trait.NEEDS_SETUP in styles.traits_of("run", entry.words[1]):
            reasons.append(f"run_style {plain_style(entry.words[1])} cannot go on without a new set-up")
    return reasons


def _of_dump(entry: Entry) -> list[str]:
    style = plain_style(entry.words[3]).removesuffix("/gz").removesuffix("/zstd")
    if "*" in entry.words[5]:
        return []
    reasons = []
    if styles.Trait.JOINABLE not in styles.traits_of("dump", style):
        reasons.append(f"dump {entry.words[1]} ({entry.words[3]}) cannot be joined from pieces")
    if entry.words[5].endswith(COMPRESSED):
        reasons.append(f"dump {entry.words[1]} writes one compressed file; write one a frame (*) instead")
    return reasons


def is_half_made(journal: Journal) -> bool:
    """Whether a fix has no valid state for a restart file yet: no checkpoint before the stage to come sets it up.

    Its reference is taken, or the region that was made again under it is bound, only at that set-up.
    """
    regions = {entry.words[1] for entry in journal.of("region") if not entry.used}
    remade = any(entry.used and regions & set(entry.words[4:]) for entry in journal.of("fix"))
    return remade or any(not entry.used for entry in journal.fixes_with(fixes.Trait.REFERENCE_AT_SETUP))


def halts_softly(journal: Journal) -> bool:
    """Whether LAMMPS, halted once, skips all further runs (page `fix_halt`, error soft), which no restart file says."""
    return any(_value(entry.words[3:], "error") == "soft" for entry in journal.of("fix") if entry.words[3] == "halt")


def _value(words: list[str], keyword: str) -> str | None:
    """The word after `keyword`; None when that is not there."""
    return words[words.index(keyword) + 1] if keyword in words[:-1] else None
