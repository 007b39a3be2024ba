"""Outputs written to a folder of the user's, over whose files nothing is written unasked."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from pathlib import Path

from lammps_jobs.errors import WouldOverwrite
from lammps_jobs.record.documents import OutputFile
from lammps_jobs.record.object_store import explaining
from lammps_jobs.record.run_record import RunRecord

MOST_NAMED = 5


def write(record: RunRecord, outputs: Mapping[str, OutputFile], folder: Path, *, overwrite: bool) -> list[Path]:
    """Write the outputs below `folder`; returns all files. Those that are there and equal are left alone.

    Raises WouldOverwrite, before anything is changed, where a file is another one, unless `overwrite`.
    """
    targets = {name: folder / place_of(name) for name in outputs}
    with explaining(str(folder)):
        other = [path for name, path in targets.items() if path.exists() and not _is_same(record, outputs[name], path)]
    if other and not overwrite:
        more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
        raise WouldOverwrite(
            f"Other files are there: {', '.join(path.name for path in other[:MOST_NAMED])}{more}.", where=str(folder),
            remedy="Choose another folder, or replace them with --overwrite (overwrite=True).",
        )  # fmt: skip
    for name, path in targets.items():
        if path in other or not path.exists():
            record.write_file(outputs[name].segments, path)
    return list(targets.values())


def _is_same(record: RunRecord, output: OutputFile, path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != output.size:
        return False
    copy = path.with_name(path.name + ".compared")
    try:
        record.write_file(output.segments, copy)
        return filecmp.cmp(copy, path, shallow=False)
    finally:
        copy.unlink(missing_ok=True)


def place_of(name: str) -> Path:
    """Where an output belongs in a folder of outputs: one by an absolute path or from above must not lead out of it."""
    parts = Path(name).parts
    if parts[0] not in ("/", ".."):
        return Path(name)
    return Path("outside", *("up" if part == ".." else part for part in parts if part != "/"))
