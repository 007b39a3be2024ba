"""What the variables of a script can stand for, as far as that is known without running it."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from lammps_jobs.script.language import pieces, variable_of

COMBINATIONS = 500
"""Most texts that one text with variables is taken to stand for."""

Variables = Mapping[str, tuple[str, ...]]
"""Values by the name of the variable, as `lmp -var` is given them."""


@dataclass(frozen=True)
class Looked:
    """A text with variables of the caller's that was looked up: what it stands for depends on their values."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    """The caller's variables in it."""
    others: tuple[tuple[str, tuple[str, ...]], ...]
    """The values of the others, as they were then."""

    def meanings(self, given: Variables) -> list[str]:
        return _meanings(list(self.parts), dict(self.others) | {name: given[name] for name in self.names}) or []


class Values:
    """The values that variables can have. `given` are the caller's, which the script's own lists do not replace."""

    def __init__(self, given: Variables) -> None:
        self._given = given
        self.looked: set[Looked] = set()
        self._values: dict[str, tuple[str, ...]] = dict(given)

    def learn(self, args: list[str], *, maybe: bool = False) -> None:
        """Take note of a `variable` command. With `maybe` it may not be issued: what was known stays possible."""
        if len(args) < 4 or (args[1] in self._given and args[2] in ("index", "loop")):
            return
        found = _listed(args[2], args[3:])
        if maybe and found is not None:
            found = tuple(dict.fromkeys((*self._values.get(args[1], ()), *found)))
        if found is not None:
            self._values[args[1]] = found
        elif not maybe:
            self._values.pop(args[1], None)

    def meanings(self, text: str) -> list[str] | None:
        """The texts that `text` can stand for; None when it holds an expression whose value only a run gives."""
        parts = pieces(text)
        names = [variable_of(expression) for expression in parts[1::2]]
        known = {name: self._values.get(name, ("$",)) for name in names}
        mine = tuple(sorted(self._given.keys() & known.keys()))
        if mine:
            others = tuple((name, values) for name, values in sorted(known.items()) if name not in mine)
            self.looked.add(Looked(tuple(parts), mine, others))
        return _meanings(parts, known)


def _meanings(parts: list[str], known: dict[str, tuple[str, ...]]) -> list[str] | None:
    if any("$" in value for values in known.values() for value in values):
        return None
    choices = itertools.islice(itertools.product(*known.values()), COMBINATIONS)
    return [_filled(parts, dict(zip(known, values, strict=True))) for values in choices]


def pattern(text: str) -> str:
    """The text as a pattern for `glob`, in which expressions stand for anything."""
    return "".join("*" if at % 2 else glob.escape(piece) for at, piece in enumerate(pieces(text)))


def _listed(style: str, words: list[str]) -> tuple[str, ...] | None:
    """The values of a variable of that style; None when they are not known before it runs."""
    if style in ("index", "string", "world", "universe"):
        return tuple(words)
    if style == "loop" and all(word.isdigit() for word in words[:2]):
        first, last = (1, int(words[0])) if len(words) < 2 else (int(words[0]), int(words[1]))
        return tuple(str(value) for value in range(first, min(last, first + COMBINATIONS) + 1))
    return None


def _filled(parts: list[str], values: dict[str, str]) -> str:
    return "".join(values[variable_of(piece)] if at % 2 else piece for at, piece in enumerate(parts))
