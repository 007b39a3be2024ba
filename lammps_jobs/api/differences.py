"""What is different between two specifications, in words: for a name that another run has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lammps_jobs.record.documents import Blob, Frozen, RunSpec

LONGEST = 60
MOST = 6


def differences(
    old: RunSpec, new: RunSpec, text_of: Callable[[Blob], str], new_text: Callable[[str], str]
) -> list[str]:
    """Each difference as a line of words; empty folders, which come and go beside a script, do not count.

    `text_of` reads an input of the old one, `new_text` the input of that name of the new one.
    """
    found = _of_values(old.variables, new.variables)
    for name in sorted(old.inputs.keys() | new.inputs.keys()):
        before, after = old.inputs.get(name), new.inputs.get(name)
        if before is None or after is None:
            found.append(f"{name} is {'new' if before is None else 'not taken along any more'}")
        elif before != after:
            found.append(_first_line(name, text_of(before), new_text(name)))
    for field in ("resources", "checkpoints", "cut_plan"):
        found += _of_fields(getattr(old, field), getattr(new, field))
    if old.script != new.script:
        found.append(f"script: {old.script} -> {new.script}")
    if old.executables != new.executables:
        found.append("other files may be executed")
    return found


def _of_values(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> list[str]:
    def words(values: tuple[str, ...] | None) -> str:
        return "not given" if values is None else " ".join(values)

    names = sorted(old.keys() | new.keys())
    return [f"{n}: {words(old.get(n))} -> {words(new.get(n))}" for n in names if old.get(n) != new.get(n)]


def _of_fields(old: Frozen, new: Frozen) -> list[str]:
    before, after = old.model_dump(), new.model_dump()
    return [f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]


def _first_line(name: str, old: str, new: str) -> str:
    """The first line that differs of two texts."""
    left, right = old.splitlines(), new.splitlines()
    for number, (before, after) in enumerate(zip(left, right, strict=False), start=1):
        if before != after:
            return f"{name} line {number}: {before.strip()[:LONGEST]} -> {after.strip()[:LONGEST]}"
    return f"{name}: {len(left)} -> {len(right)} lines"
