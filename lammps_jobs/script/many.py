"""What each of many runs of one script needs, which differ in the values of some variables: found without reading the
script for each, as far as these name no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lammps_jobs.errors import LammpsJobsError
from lammps_jobs.script.inputs import Gathered, gather
from lammps_jobs.script.nearby import finds
from lammps_jobs.script.values import Variables

Row = Mapping[str, str]
"""A run's own variables."""
Found = tuple[frozenset[str], ...]


def gather_each(
    script: Path, named: Sequence[str | Path], shared: Variables, rows: Sequence[Row]
) -> Iterator[Gathered]:
    """What `inputs.gather` finds for each row. Rows for which the same files are there share one object.

    Raises what `gather` raises, naming the row in `where`.
    """
    known: dict[Found, Gathered] = {}
    eyes: _Eyes | None = None
    for number, row in enumerate(rows, start=1):
        given = dict(shared) | {name: (value,) for name, value in row.items()}
        seen = eyes.sees(given) if eyes else None
        if seen is None or seen not in known:
            try:
                found = gather(script, named, given)
            except LammpsJobsError as error:
                words = ", ".join(f"{name}={value}" for name, value in row.items())
                error.where = f"member {number} ({words})" + (f": {error.where}" if error.where else "")
                raise
            eyes = eyes or _Eyes(found)
            seen = eyes.sees(given)
            known[seen] = found
        yield known[seen]


class _Eyes:
    """What is there of the files that a script's variables may name; each name is looked for once."""

    def __init__(self, first: Gathered) -> None:
        self._asked = [(text, folder, places) for folder, places, texts in first.looked for text in texts]
        self._seen: list[dict[tuple[tuple[str, ...], ...], frozenset[str]]] = [{} for _ in self._asked]
        """By text, for the values of its variables."""

    def sees(self, given: Variables) -> Found:
        return tuple(self._of(at, given) for at in range(len(self._asked)))

    def _of(self, at: int, given: Variables) -> frozenset[str]:
        text, folder, places = self._asked[at]
        values = tuple(given[name] for name in text.names)
        found = self._seen[at].get(values)
        if found is None:
            each = (finds(meaning, folder, places) for meaning in text.meanings(given) if meaning)
            found = self._seen[at][values] = frozenset().union(*each)
        return found
