"""Outputs written to a folder of the user's, over whose files nothing is written unasked."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from pathlib import Path

from lammps_jobs.errors import Damaged, StoreError, WouldOverwrite, writing
from lammps_jobs.record.documents import OutputFile
from lammps_jobs.record.names import is_below, place_of
from lammps_jobs.record.object_store import explaining
from lammps_jobs.record.run_record import RunRecord

MOST_NAMED = 5


def write(record: RunRecord, outputs: Mapping[str, OutputFile], folder: Path, *, overwrite: bool) -> list[Path]:
    """Write the outputs below `folder`; returns all files. Those that are there and equal are left alone.

    Nothing is written outside of `folder`, whatever the record names. A damaged output keeps no other from being
    written. Raises WouldOverwrite, before anything is changed, where a file is another one, unless `overwrite`; Damaged
    at the end, naming all outputs that could not be written.
    """
    targets = {name: folder / place_of(name) for name in outputs}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tried = folder / f".{record.name}.tried"
        tried.touch()
        tried.unlink()
    with explaining(str(folder)):
        for path in targets.values():
            _require_below(path, folder)
        other = [path for name, path in targets.items() if path.exists() and not _is_same(record, outputs[name], path)]
    if other and not overwrite:
        more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        raise WouldOverwrite(
            f"Other files are there: {', '.join(path.name for path in other[:MOST_NAMED])}{more}.", where=str(folder),
            remedy="Choose another folder, or replace them with --overwrite (overwrite=True).",
        )  # fmt: skip
    damaged: dict[str, Damaged] = {}
    for name, path in targets.items():
        if path in other or not path.exists():
            try:
                record.write_file(outputs[name].segments, path)
            except Damaged as error:
                damaged[name] = error
    if damaged:
        raise Damaged(
            f"Not written, for they are damaged in the store: {', '.join(damaged)}. All others were.",
            where=next(iter(damaged.values())).where, remedy=f"lammps-jobs verify {record.name} says more.",
        )  # fmt: skip
    return list(targets.values())


def _require_below(path: Path, folder: Path) -> None:
    """Raises StoreError where a link in the folder leads out of it."""
    if not is_below(path, folder):
        raise StoreError(
            "A link in the folder leads out of it, and an output would be written there.", where=str(path),
            remedy="Choose another folder, or remove the link.",
        )  # fmt: skip


def _is_same(record: RunRecord, output: OutputFile, path: Path) -> bool:
    """Whether the file is the output; of one that is damaged nobody knows."""
    if not path.is_file() or path.stat().st_size != output.size:
        return False
    copy = path.with_name(path.name + ".compared")
    try:
        record.write_file(output.segments, copy)
        return filecmp.cmp(copy, path, shallow=False)
    except Damaged:
        return False
    finally:
        copy.unlink(missing_ok=True)
