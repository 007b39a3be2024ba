"""Inputs that the runs of sweeps share: stored once beside the runs, kept as long as anything names them.

Whoever submits a sweep stores an input, or finds it stored, and names it a moment later. So what was stored or found
less than a day ago is never removed; and whoever finds one that is older than half a day stores it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import ObjectStore

from lammps_jobs.errors import NoSuchRun
from lammps_jobs.record import layout
from lammps_jobs.record.blobs import STORED_AGAIN
from lammps_jobs.record.documents import RunSpec, now
from lammps_jobs.record.object_store import explaining
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import SweepRecord, sweep_names

KEPT = 2 * STORED_AGAIN
"""Age until which nothing is removed."""
AT_ONCE, SOME = 16, 256


def stored(root: ObjectStore) -> dict[str, tuple[int, datetime]]:
    """Size of each shared input, and when it was stored, by name; a call for a thousand. Raises StoreError."""
    prefix = layout.shared_input("")
    with explaining(prefix), contextlib.suppress(NotFoundError):
        return {
            meta["path"].removeprefix(prefix): (meta["size"], meta["last_modified"])
            for some in obstore.list(root, prefix=prefix.rstrip("/")) for meta in some
        }  # fmt: skip
    return {}


def named_by(record: RunRecord) -> set[str]:
    """The shared inputs that a run names and does not hold itself. Raises Damaged, NoSuchRun, StoreError."""
    own = record.sizes(layout.BLOBS)
    names = _of_spec(record.submission().spec)
    return {name for name in names if layout.blob(name) not in own}


def unnamed(root: ObjectStore, among: Collection[str] | None = None, *, older_than: timedelta = KEPT) -> dict[str, int]:
    """Sizes of the shared inputs, all or some, that are older than that and that neither a run nor a sweep names.

    Reads specification after specification, until each input is named. Raises Damaged or OtherFormat where one cannot
    be read: it might name any.
    """
    found, latest = stored(root), now() - older_than
    left = {name: size for name, (size, at) in found.items() if at < latest and (among is None or name in among)}
    if left:
        for names in _named(root):
            left = {name: size for name, size in left.items() if name not in names}
            if not left:
                break
    return left


def collect(root: ObjectStore, among: Collection[str] | None = None, *, older_than: timedelta = KEPT) -> int:
    """Remove such inputs; returns the bytes. Raises what `unnamed` raises, and removes nothing then."""
    before, freed = stored(root), 0
    for name, size in unnamed(root, among, older_than=older_than).items():
        key = layout.shared_input(name)
        with explaining(key), contextlib.suppress(NotFoundError, FileNotFoundError):
            if obstore.head(root, key)["last_modified"] == before[name][1]:  # or somebody has stored it again
                obstore.delete(root, key)
                freed += size
    return freed


def _named(root: ObjectStore) -> Iterator[set[str]]:
    """What sweeps and runs name. A run that gets another name meanwhile is not missed: it is there under the new one
    before it is gone under the old."""
    for sweep in sweep_names(root):
        for part in SweepRecord(root, sweep).parts():
            specs = [part.spec, *(member.spec for member in part.members)]
            yield {name for spec in specs if spec for name in _of_spec(spec)}
    seen = set[str]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while new := [name for name in run_names(root) if name not in seen]:
            for at in range(0, len(new), SOME):
                yield set().union(*pool.map(lambda name: _of_run(RunRecord(root, name)), new[at : at + SOME]))
            seen.update(new)


def _of_run(record: RunRecord) -> set[str]:
    try:
        return _of_spec(record.submission().spec)
    except NoSuchRun:  # removed, renamed, or half removed
        return set()


def _of_spec(spec: RunSpec) -> set[str]:
    return {blob.name for blob in spec.inputs.values()}
