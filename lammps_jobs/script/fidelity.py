"""How true a resume is: what the journal says of its grade, and what forbids a cut.

The grades are explained in docs/grades.md. What is known of fixes and styles is in `fixes` and `styles`; here it
is applied to the commands that a script has given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lammps_jobs.record.documents import Fidelity, Grade, worst
from lammps_jobs.script import fixes, stateless, styles
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
"""Pages `fix_ave_time`, keyword ave, and `compute_msd`, keyword average."""
STORING = Known("statistical", "it takes its values again at the first set-up after a resume")
"""Page `fix_store_state`: values of computes, fixes and variables; LAMMPS's source: firstflag."""


# -- the grade -------------------------------------------------------------------------------------


def of_resume(journal: Journal, *, step: int, missing: str, unseen: list[str]) -> Fidelity:
    """How true a resume from a cut here is expected to be; what is seen of it then decides (`of_proof`).

    `missing`: why nothing of LAMMPS's state could be followed; `unseen`: objects that were not followed to their end.
    """
    return of_proof(journal, [missing] if missing else [], unseen, step)


def of_proof(journal: Journal, everything: list[str], unproven: list[str], step: int) -> Fidelity:
    """How true a resume is, of which LAMMPS's state was compared with the one at the cut.

    `everything`: why nothing could be compared; then only the tables of what LAMMPS itself restores speak for it.
    `unproven`: objects that differ or could not be compared. What is not proven is never called exact.
    """
    found: list[tuple[Grade, str]] = []
    if everything:
        found += [("faithful", f"not proven: {why}") for why in everything]
        found += [*of_tables(journal), *_of_averages(journal, step)]
    for name in unproven:
        known = _of_object(journal, name)
        found.append((worst([known.grade, "faithful"]), f"not proven: {name}: {known.why}".removesuffix(": ")))
    return Fidelity(
        grade=worst(grade for grade, _ in found),
        as_if="set up again" if found else "never cut",
        reasons=tuple(reason for _, reason in found),
    )


def of_tables(journal: Journal) -> list[tuple[Grade, str]]:
    """How true a resume is by what is known of fixes and styles alone: grades and reasons that name the command.

    What is not known is statistical.
    """
    found = [*_of_fixes(journal), *_of_pair_styles(journal), *_of_computes(journal)]
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


def _of_averages(journal: Journal, step: int) -> list[tuple[Grade, str]]:
    """Averages that are under way at `step`, or whose last value is read by others: neither is in a restart file."""
    found: list[tuple[Grade, str]] = []
    for entry in journal.fixes_with(fixes.Trait.AVERAGES):
        named, value = f"fix {entry.words[1]} ({entry.words[3]})", re.compile(rf"\bf_{re.escape(entry.words[1])}\b")
        if _is_sampling(entry.words, step):
            found.append(("statistical", f"{named}: its average under way at step {step} begins again"))
        elif any(value.search(other.text) for other in journal.entries if other is not entry):
            found.append(("statistical", f"{named}: it has no value until its next one, and others read it"))
    return found


def _is_sampling(words: list[str], step: int) -> bool:
    """Whether a fix that averages has taken some samples of a value at `step`, and not all (page `fix_ave_time`)."""
    try:
        every, repeat, freq = (int(word) for word in words[4:7])
    except ValueError:
        return True  # by variables, which nobody looks at here
    after = step % freq if freq > 0 else 0
    return after > 0 and after >= freq - (repeat - 1) * every


def _of_pair_styles(journal: Journal) -> list[tuple[Grade, str]]:
    found: list[tuple[Grade, str]] = []
    for entry in journal.of("pair_style"):
        parts = [word for word in entry.words[1:] if styles.Trait.INEXACT_FORCE in styles.traits_of("pair", word)]
        if parts:
            named = entry.words[1] if parts[0] == entry.words[1] else f"{entry.words[1]}, of it {', '.join(parts)}"
            found.append(("statistical", f"pair_style {named}: its forces are not exactly restartable"))
        unknown = {style for style in _parts(journal, entry) if not _is_known_pair(style)}
        found += [("statistical", f"pair_style {style}: {UNTESTED.why}") for style in sorted(unknown)]
    return found


def _parts(journal: Journal, entry: Entry) -> list[str]:
    """The pair styles that a `pair_style` command makes; of a hybrid one those that `pair_coeff` names."""
    if not entry.words[1].startswith("hybrid"):
        return [plain_style(entry.words[1])]
    return [plain_style(e.words[3]) for e in journal.of("pair_coeff") if len(e.words) > 3 and e.words[3] != "none"]


def _is_known_pair(style: str) -> bool:
    return style in stateless.PAIR_STYLES or styles.Trait.INEXACT_FORCE in styles.traits_of("pair", style)


def _of_computes(journal: Journal) -> list[tuple[Grade, str]]:
    found: list[tuple[Grade, str]] = []
    for entry in journal.of("compute"):
        style, named = plain_style(entry.words[3]), f"compute {entry.words[1]} ({entry.words[3]})"
        if style in stateless.COMPUTE_STYLES:
            continue
        if style not in stateless.RESTORED_COMPUTE_STYLES:
            found.append(("statistical", f"{named}: {UNTESTED.why}"))
        elif _value(entry.words[4:], "average") in ("yes", "on", "true"):
            found.append((RUNNING.grade, f"{named}: {RUNNING.why}"))
    return found


# -- what forbids a cut ----------------------------------------------------------------------------


def uncuttable_because(journal: Journal) -> list[str]:
    """Outputs or styles that forbid a cut in the middle of a run, in words."""
    reasons = [reason for entry in journal.of("dump") for reason in _of_dump(entry)]
    for entry in journal.fixes_with(fixes.Trait.NEW_BOX_EACH_RUN):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) reduces its box again whenever a run begins")
    for entry in journal.fixes_with(fixes.Trait.HAS_OWN_LIBRARY):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) has files and state in a library of its own")
    for entry in journal.fixes_with(fixes.Trait.ORDER_OF_PAIRS):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) would treat pairs in another order in a new process")
    for entry in journal.of("dump_modify"):
        if "maxfiles" in entry.words:
            reasons.append(f"dump_modify {entry.words[1]} maxfiles removes old files, which a new process cannot know")
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


def writes_what_cannot_be_continued(journal: Journal) -> bool:
    """Whether a dump has begun a file that only the process that began it can go on with, also between two runs."""
    return any(_of_dump(entry) for entry in journal.of("dump") if entry.used)


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
