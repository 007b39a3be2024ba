"""Coefficients that a script gives in its data file, as the commands that give the same.

A restart file holds none of them for a hybrid style, whose parts need not all be able to write theirs (pages
`pair_hybrid`, `bond_hybrid`, ...), and for a style that does not restore itself.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from lammps_jobs.script import styles
from lammps_jobs.script.journal import Journal

SECTIONS = {
    "Pair Coeffs": ("pair", ""), "PairIJ Coeffs": ("pair", ""), "Bond Coeffs": ("bond", ""),
    "Angle Coeffs": ("angle", ""), "BondBond Coeffs": ("angle", "bb"), "BondAngle Coeffs": ("angle", "ba"),
    "Dihedral Coeffs": ("dihedral", ""), "MiddleBondTorsion Coeffs": ("dihedral", "mbt"),
    "EndBondTorsion Coeffs": ("dihedral", "ebt"), "AngleTorsion Coeffs": ("dihedral", "at"),
    "AngleAngleTorsion Coeffs": ("dihedral", "aat"), "BondBond13 Coeffs": ("dihedral", "bb13"),
    "Improper Coeffs": ("improper", ""), "AngleAngle Coeffs": ("improper", "aa"),
}  # fmt: skip
"""Sections of a data file (page `read_data`): the kind of style, and the word that its `_coeff` command has for one."""
_KINDS = ("pair", "bond", "angle", "dihedral", "improper")
"""In the order of the numbers that follow `offset`."""


def commands(words: list[str], journal: Journal, folder: Path) -> list[list[str]]:
    """The commands, in words, that give again what a `read_data` with these `words` has given; none where the restart
    file holds it. `folder`: where its path leads from. A file that cannot be read gives none."""
    kinds = [kind for kind in _KINDS if _is_needed(journal, kind)]
    if not kinds or "nocoeff" in words:
        return []
    at = words.index("offset") + 1 if "offset" in words[:-5] else 0
    offsets = dict(zip(_KINDS, map(int, words[at : at + 5]), strict=True)) if at else {}
    path = folder / words[1]
    try:
        with gzip.open(path, "rt", errors="replace") if path.suffix == ".gz" else path.open(errors="replace") as file:
            return [_command(*row, offsets) for row in _rows(file) if SECTIONS[row[0]][0] in kinds]
    except (OSError, ValueError):
        return []


def _is_needed(journal: Journal, kind: str) -> bool:
    given = journal.of(f"{kind}_style")
    words = given[-1].words[1:] if given else []
    return any(
        word.startswith("hybrid") or (kind == "pair" and styles.Trait.UNRESTORED in styles.traits_of("pair", word))
        for word in words
    )


def _rows(file: TextIO) -> Iterator[tuple[str, list[str]]]:
    """Each line of coefficients, in words, with the name of its section; a blank line ends a section."""
    section, is_begun = "", False
    next(file, "")  # the first line is a title
    for line in file:
        text = line.partition("#")[0].strip()
        if text in SECTIONS:
            section, is_begun = text, False
        elif section and text:
            is_begun = True
            yield section, text.split()
        elif is_begun:
            section = ""


def _command(section: str, row: list[str], offsets: dict[str, int]) -> list[str]:
    """The `_coeff` command of a line. A word for its section follows the name of the style, where one is named."""
    kind, word = SECTIONS[section]
    types = 2 if section == "PairIJ Coeffs" else 1
    numbers = [str(int(t) + offsets[kind]) if kind in offsets and t.isdigit() else t for t in row[:types]]
    if section == "Pair Coeffs":
        numbers *= 2
    rest = row[types:]
    at = 1 if rest and rest[0][0].islower() else 0
    return [f"{kind}_coeff", *numbers, *rest[:at], *([word] if word else []), *rest[at:]]
