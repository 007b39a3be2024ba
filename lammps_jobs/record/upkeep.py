"""Upkeep of one run's record: its size, its removal, its check, a copy of it. Nobody may be writing to it meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError

from lammps_jobs.errors import Damaged, NameTaken, NoSuchRun, OtherFormat
from lammps_jobs.record import index, labels, layout
from lammps_jobs.record.documents import Blob, OutputFile
from lammps_jobs.record.object_store import create_only, explaining, make_durable
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import Summary
from lammps_jobs.record.sweep_record import SweepRecord

if TYPE_CHECKING:
    from obstore.store import ObjectStore

AT_ONCE = 16


@dataclass(frozen=True)
class Usage:
    """Bytes that a run takes in its store. What several parts share counts for the first of them."""

    name: str
    outputs: int
    inputs: int
    checkpoints: int
    """Restart files and states: what is needed to go on."""
    rest: int
    """Manifests, events, logs, and what nothing names."""
    unnamed: int
    """Of the rest: objects that nothing names, left by uploads that crashed or by outputs that were replaced."""

    @property
    def total(self) -> int:
        return self.outputs + self.inputs + self.checkpoints + self.rest


@dataclass(frozen=True)
class Checked:
    """What was read of a run, and what of it is not as it should be, in words."""

    objects: int
    size: int
    faults: tuple[str, ...]


def _outputs(record: RunRecord) -> Iterator[dict[str, OutputFile]]:
    result = record.result()
    if result:
        yield result.outputs
    for manifest in record.manifests():
        yield record.files_of(manifest.inventory)
    for number in range(1, record.newest_attempt() + 1):
        remains = record.remains(number)
        if remains:
            yield remains.outputs


def _lists(record: RunRecord) -> Iterator[Blob]:
    """The lists in which stands what the outputs consist of."""
    attempts = range(1, record.newest_attempt() + 1)
    stored = (record.finished(), *record.manifests(), *(record.stored_remains(number) for number in attempts))
    for one in stored:
        yield from one.inventory.lists if one else ()


def usage(record: RunRecord) -> Usage:
    """Raises StoreError."""
    sizes = record.sizes()
    left = {tail.removeprefix(layout.BLOBS): size for tail, size in sizes.items() if tail.startswith(layout.BLOBS)}
    documents = sum(sizes.values()) - sum(left.values())

    def taken(names: Iterator[str]) -> int:
        return sum(left.pop(name, 0) for name in names)

    outputs = inputs = checkpoints = 0
    try:
        outputs = taken(s.name for some in _outputs(record) for one in some.values() for s in one.segments)
        inputs = taken(blob.name for blob in record.submission().spec.inputs.values())
        checkpoints = taken(blob.name for one in record.manifests() for blob in one.to_load)
        documents += taken(blob.name for blob in _lists(record))
    except (Damaged, OtherFormat, NoSuchRun):
        pass  # what cannot be read names nothing: it counts as the rest
    unnamed = sum(left.values())
    return Usage(record.name, outputs, inputs, checkpoints, documents + unnamed, unnamed)


def remove(record: RunRecord) -> int:
    """Remove all objects, the specification first, with which the run stops to exist; returns the bytes.

    A removal that was interrupted is finished by the next one. Raises NoSuchRun when there is nothing.
    """
    sizes = record.sizes()
    _remove_rows(record)
    if not sizes:
        raise NoSuchRun(f"No run named {record.name!r}.", remedy="`lammps-jobs list` shows the runs there are.")
    labels.forget(record)
    for tail in sorted(sizes, key=lambda tail: tail != layout.SPEC):
        record.remove(tail)
    _remove_folders(record.root, record.name)
    return sum(sizes.values())


def remove_sweep(sweep: SweepRecord) -> int:
    """Remove the record of a sweep, not its runs; returns the bytes. The members go last: while one is there, so is the
    sweep, and a removal that broke off is finished by the next."""
    sizes = sweep.sizes()
    for tail in sorted(sizes, key=lambda tail: (not tail.startswith(layout.JOBS), tail)):
        sweep.remove(tail)
    _remove_folders(sweep.root, f"{layout.SWEEPS}/{sweep.name}")
    return sum(sizes.values())


def _remove_rows(record: RunRecord) -> None:
    """The run's rows of the list; where nothing says which, the whole index is looked through."""
    head = record.head()
    try:
        fresh = Summary(submitted=record.submission().submitted)
    except (Damaged, OtherFormat, NoSuchRun):
        index.remove_rows(record.root, {record.name})
        return
    for key in (index.row_of(record.name, fresh).key, *((head.row, *head.old_rows) if head else ())):
        index.remove(record.root, key)


def _remove_folders(root: ObjectStore, name: str) -> None:
    """The empty folders that a run or a sweep leaves in a local store."""
    top = getattr(root, "prefix", None)
    if isinstance(top, Path):
        for folder, _, _ in os.walk(top / name, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def named(record: RunRecord) -> set[str]:
    """The names of all blobs that anything names. Raises Damaged when a document cannot be read."""
    found = {blob.name for blob in record.submission().spec.inputs.values()}
    for seq in record.checkpoint_seqs():
        checkpoint = record.manifest(seq)
        found |= {blob.name for blob in checkpoint.to_load} if checkpoint else set()
    found |= {blob.name for blob in _lists(record)}
    return found | {s.name for some in _outputs(record) for one in some.values() for s in one.segments}


def collect(record: RunRecord) -> int:
    """Remove blobs that nothing names; returns the bytes. Raises Damaged, and removes nothing, when in doubt."""
    kept, freed = named(record), 0
    for tail, size in record.sizes(layout.BLOBS).items():
        if tail.removeprefix(layout.BLOBS) not in kept:
            record.remove(tail)
            freed += size
    return freed


def check(record: RunRecord) -> Checked:
    """Read all blobs that anything names, several at once, each twice before it counts as damaged."""
    faults: list[str] = []
    wanted: dict[Blob, str] = {}
    for name, blob in record.submission().spec.inputs.items():
        wanted.setdefault(blob, f"input {name} (submitting the same script again puts it back)")
    for seq in record.checkpoint_seqs():
        try:
            checkpoint = record.manifest(seq)
        except (Damaged, OtherFormat) as error:
            faults.append(f"checkpoint {seq}: {error.what}")
            continue
        for blob in checkpoint.to_load if checkpoint else ():
            wanted.setdefault(blob, f"checkpoint {seq} (an older one is used)")
    try:
        for blob in _lists(record):
            wanted.setdefault(blob, "a list of outputs")
        for outputs in _outputs(record):
            for name, output in outputs.items():
                for blob in output.segments:
                    wanted.setdefault(blob, f"output {name}")
    except (Damaged, OtherFormat) as error:
        faults.append(f"result: {error.what} (resume makes it anew)")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        whole = list(pool.map(record.is_intact, wanted))
    faults += [f"{what}: {blob.name}" for (blob, what), good in zip(wanted.items(), whole, strict=True) if not good]
    return Checked(len(wanted), sum(blob.size for blob in wanted), tuple(faults))


def copy(old: RunRecord, new: RunRecord) -> RunRecord:
    """Copy all objects, the specification last, with which the run exists there. A copy that broke off is gone on with.

    Raises NameTaken when there is a run of that name, Damaged when an object is not what its name says.
    """
    if new.is_submitted():
        raise NameTaken(f"A run named {new.name!r} exists there.", remedy="Rename one of them: lammps-jobs rename")
    sizes, there = old.sizes(), new.sizes()
    for blob in old.submission().spec.inputs.values():
        if layout.blob(blob.name) not in sizes:  # it shares this one with other runs of a sweep
            new.put_bytes(old.content_of(blob))
    for tail in sorted(sizes, key=lambda tail: tail == layout.SPEC):
        if tail in there and tail.startswith(layout.BLOBS) and there[tail] == sizes[tail]:
            continue
        with explaining(tail):
            content = bytes(obstore.get(old.root, f"{old.name}/{tail}").bytes())
            if (
                tail.startswith(layout.BLOBS)
                and hashlib.sha256(content).hexdigest() != tail[len(layout.BLOBS) :].partition(".")[0]
            ):
                raise Damaged("A stored object is damaged.", where=tail, remedy=f"lammps-jobs verify {old.name}")
            key = f"{new.name}/{tail}"
            if tail == layout.SPEC:
                index.put(new.root, index.row_of(new.name, old.head() or Summary(submitted=old.submission().submitted)))
            if not tail.endswith(".json") or tail.endswith("/progress.json") or tail in (layout.HEAD, layout.LABELS):
                obstore.put(new.root, key, content)
            else:
                try:  # a stack's bucket takes a run's documents no other way
                    create_only(new.root, key, content)
                except AlreadyExistsError:
                    if tail == layout.SPEC or tail not in there:
                        raise
            make_durable(new.root, key)
    labels.retell(new)
    return new
