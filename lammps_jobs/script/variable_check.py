"""Variables of a script that nothing defines, and those that are given and that it never uses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from lammps_jobs.errors import UsageError

MOST_NAMED = 20
"""Variables of a script that an error names."""


class Use(NamedTuple):
    """A `${x}` of a script."""

    variable: str
    where: str
    is_sure: bool
    """Whether its command is surely issued, and nothing unknown can have defined the variable before."""


def check_defined(texts: Iterable[str], uses: Iterable[Use], known: set[str]) -> list[str]:
    """Every `${x}` must be defined by one of the scripts' `texts`, or be `known` from elsewhere.

    Returns warnings of those that are perhaps not. Raises UsageError for one that surely is not.
    """
    defined = set(known)
    for text in texts:
        defined |= set(re.findall(r"\bvariable\s+(\w+)", text))
        if re.search(r"\bvariable\s+\S*\$", text):
            return []  # names are made up at run time
    warnings = []
    for variable, where, is_sure in uses:
        if variable in defined:
            continue
        if is_sure:
            raise UsageError(
                f"The variable {variable!r} is used and never defined.",
                where=where,
                remedy=f"Give it a value: --var {variable}=VALUE, or variables={{'{variable}': ...}}",
            )
        warnings.append(f"The variable {variable!r} is perhaps used and never defined ({where})")
    return warnings


def check_used(texts: Iterable[str], uses: Iterable[Use], given: set[str], script: str) -> list[str]:
    """Every variable that the caller gives must be used: a misspelt one would run another simulation.

    Returns warnings of those that are perhaps not. Raises UsageError for one that surely is not.
    """
    whole = "\n".join(re.sub("#.*", "", text) for text in texts)
    named = set(re.findall(r"(?:\bv_)?(\w+)", whole)) | set(re.findall(r"\$(\w)", whole))
    warnings = []
    for name in sorted(given - named):
        if re.search(r"\$\{?\w*\$|\bpython\s|\b(variable|include|jump)\s+\S*\$", whole):
            warnings.append(f"The script perhaps never uses the variable {name!r}, which was given")
            continue
        known = sorted({use.variable for use in uses}.union(re.findall(r"\bvariable\s+(\w+)", whole)))
        close = difflib.get_close_matches(name, known, 1)
        raise UsageError(
            f"The script never uses the variable {name!r}.", where=script,
            remedy=f"It has: {', '.join(known[:MOST_NAMED]) or 'none'}."
            + (f" Did you mean {close[0]!r}?" if close else ""),
        )  # fmt: skip
    return warnings
