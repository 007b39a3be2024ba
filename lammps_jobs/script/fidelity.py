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


def of_resume(
    journal: Journal, *, is_boundary: bool, reneighboured: bool, is_triclinic: bool = False, ranks: int = 1
) -> Fidelity:
    """How true a resume from a cut here is, apart from averaging windows that are open.

    `is_boundary`: the cut lies between two stages. `reneighboured`: LAMMPS built its neighbour lists at this step.
    """
    grade, reasons = grade_of(journal)
    rounding = _rounding(journal, is_triclinic=is_triclinic, ranks=ranks)
    never = is_boundary or (reneighboured and sets_up_alike(journal))
    return Fidelity(
        grade=worst([grade, "faithful" if rounding else "exact"]),
        as_if="never cut" if never else "set up again",
        reasons=(*reasons, *rounding),
    )


def grade_of(journal: Journal) -> tuple[Grade, list[str]]:
    """How true a resume can be, and why it is not better, in words that name the command."""
    found = [*_of_fixes(journal), *_of_computes(journal), *_of_pair_styles(journal)]
    found += [("statistical", f"command {name}: unknown to lammps-jobs") for name in sorted(set(journal.unknown))]
    return worst(grade for grade, _ in found), [reason for _, reason in found]


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


def _of_computes(journal: Journal) -> list[tuple[Grade, str]]:
    return [
        ("faithful", f"compute {entry.words[1]} ({entry.words[3]}): units reduced rounds positions at every use")
        for entry in journal.of("compute")
        if styles.Trait.ROUNDS_REDUCED in styles.traits_of("compute", entry.words[3])
        and "units reduced" in " ".join(entry.words)
    ]


def _of_pair_styles(journal: Journal) -> list[tuple[Grade, str]]:
    found: list[tuple[Grade, str]] = []
    for entry in journal.of("pair_style"):
        parts = [word for word in entry.words[1:] if styles.Trait.INEXACT_FORCE in styles.traits_of("pair", word)]
        if parts:
            named = entry.words[1] if parts[0] == entry.words[1] else f"{entry.words[1]}, of it {', '.join(parts)}"
            found.append(("statistical", f"pair_style {named}: its forces are not exactly restartable"))
    return found


def _rounding(journal: Journal, *, is_triclinic: bool, ranks: int) -> list[str]:
    """What besides fixes and force field makes a resume faithful rather than exact."""
    reasons = []
    if is_triclinic:
        reasons.append("triclinic box: LAMMPS goes by way of reduced coordinates, which rounds")
    if ranks > 1 and journal.is_balanced:
        reasons.append("balance: a new process divides the box among its ranks evenly again")
    return reasons


def sets_up_alike(journal: Journal) -> bool:
    """Whether a new set-up at a rebuild leaves the run as it was, to the last bit."""
    return not journal.fixes_with(fixes.Trait.REDERIVES)


# -- what forbids a cut ----------------------------------------------------------------------------


def uncuttable_because(journal: Journal) -> list[str]:
    """Outputs or styles that forbid a cut in the middle of a run, in words."""
    reasons = [reason for entry in journal.of("dump") for reason in _of_dump(entry)]
    for entry in journal.fixes_with(fixes.Trait.NEW_BOX_EACH_RUN):
        reasons.append(f"fix {entry.words[1]} ({entry.words[3]}) reduces its box again whenever a run begins")
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


# -- what forbids to seek a rebuild step by step ---------------------------------------------------


def thermo_reads_fixes(journal: Journal) -> bool:
    """Whether a thermo row can be printed at some steps only, because it holds what a fix computes."""
    texts = [entry.text for entry in journal.entries if entry.command in ("thermo_style", "variable")]
    return journal.thermo_every() is None or any("f_" in text for text in texts)


def thermo_moves_bias(journal: Journal) -> bool:
    """Whether a fix thermostats by the bias that a compute found when it was last asked.

    Evaluating the compute, even for a thermo row, then changes the trajectory, in bare LAMMPS too (fix_modify temp;
    compute temp/cs).
    """
    computes = [entry.words for entry in journal.of("compute")]
    plain = {words[1] for words in computes if styles.Trait.NO_BIAS in styles.traits_of("compute", words[3])}
    named = [_value(entry.words[2:], "temp") for entry in journal.of("fix_modify")]
    return any(name is not None and name not in plain | {"thermo_temp"} for name in named)


def _value(words: list[str], keyword: str) -> str | None:
    """The word after `keyword`; None when that is not there."""
    return words[words.index(keyword) + 1] if keyword in words[:-1] else None
