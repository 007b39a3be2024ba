"""Giving a run's record another name. Nobody may be writing to it meanwhile."""

from __future__ import annotations

import obstore
from obstore.store import ObjectStore

from lammps_jobs.errors import NameTaken
from lammps_jobs.record import index, labels, layout
from lammps_jobs.record.object_store import explaining
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import Summary


def rename(root: ObjectStore, old: str, new: str) -> RunRecord:
    """Copy all objects, then the specification, with which the run exists under its new name; then remove the old ones.

    A crash in between leaves one of the two names complete. Raises NameTaken, NoSuchRun, StoreError.
    """
    before, after = RunRecord(root, old), RunRecord(root, new)
    submission = before.submission()
    if after.is_submitted():
        raise NameTaken(f"A run named {new!r} exists.", remedy="Choose another name.")
    keys = [meta["path"] for batch in obstore.list(root, prefix=f"{old}/") for meta in batch]
    with explaining(old):
        for key in keys:
            tail = key.removeprefix(f"{old}/")
            if tail != layout.SPEC:
                obstore.copy(root, key, f"{new}/{tail}")
        seen = before.head() or Summary(submitted=submission.submitted)
        index.put(root, index.row_of(new, seen))
        after.submit(submission.model_copy(update={"spec": submission.spec.model_copy(update={"name": new})}))
        after.tell_of(lambda seen: seen)
        labels.forget(before)
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{layout.SPEC}")):  # first of all it stops existing
            obstore.delete(root, key)
    labels.retell(after)
    for key in (seen.row, index.row_of(old, Summary(submitted=submission.submitted)).key):
        index.remove(root, key)
    return after
