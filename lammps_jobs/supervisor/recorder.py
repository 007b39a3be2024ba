"""Uploads what the engine cut and commits it: the only writer of checkpoints of an attempt."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from lammps_jobs.errors import Fenced, StoreError
from lammps_jobs.protocol.messages import Alias, Cut, Finished, Gained, OutputChange, Removed
from lammps_jobs.record.blobs import Piece
from lammps_jobs.record.documents import Checkpoint, Equipment, Lineage, OutputFile, Result, ResultFacts
from lammps_jobs.record.inventory import Manifest
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.rolling import Roller
from lammps_jobs.supervisor.superseded import Superseded

LEAST_KEPT = 2
"""Checkpoints that are always kept: an attempt that takes over may be reading the one before the newest."""
MOST_LOOKED_THROUGH = 16
"""Kept checkpoints whose outputs are read to see what they name; beyond, pieces are left to `verify --collect`."""
MOST_BOUNDARIES = 3
"""Checkpoints at stage boundaries that are kept besides: behind a stage that bears no cut one must be."""


class Recorder:
    """The record of attempt `number`, going on from the outputs of `resumed_from`."""

    def __init__(self, record: RunRecord, number: int, resumed_from: Checkpoint | None, keep: int) -> None:
        self.record, self.number, self.keep = record, number, keep
        self.outputs: dict[str, OutputFile] = dict(resumed_from.outputs) if resumed_from else {}
        self.roller = Roller(record, self.outputs, of=number)
        self.superseded = Superseded(record, number)
        self._pending: dict[int, tuple[OutputChange, ...]] = {}
        """By the number of a cut that is not committed: what it added to the outputs."""
        self._spoiled: list[Path] = []

    def commit(
        self, cut: Cut, lineage: Lineage, *, lammps_version: int, ranks: int, equipment: Equipment | None = None
    ) -> Checkpoint:
        """Blobs first, then the manifest.

        Raises Fenced when this attempt was overtaken, Damaged when files of the cut are not what they were, OSError
        when they are not there or the engine says that they are not whole.
        """
        self._pending[cut.number] = cut.outputs  # the same where it is tried again
        if cut.spoiled:
            raise OSError(cut.spoiled)
        self.outputs = self.roller.applied(self.outputs)
        outputs = with_changes(self.record, self.outputs, without_superseded(self._changes()), of=self.number)
        files = _files_of_state(cut.folder)
        restart = self.record.put_files([Piece(path, of=self.number) for path in files])
        checkpoint = Checkpoint(
            **_fields(lineage),
            seq=1,
            attempt=self.number,
            step=cut.state.step,
            stage=cut.stage,
            stage_boundary=cut.boundary,
            restart=dict(zip((path.name for path in files), restart, strict=True)),
            state=self.record.put_bytes(cut.state.model_dump_json().encode(), of=self.number),
            outputs=outputs,
            fidelity=cut.fidelity,
            lammps_version=lammps_version,
            ranks=ranks,
            equipment=equipment,
            cut_s=cut.cut_s,
            restart_s=cut.restart_s,
        )
        checkpoint = self._put(checkpoint)
        self.outputs = outputs
        self._pending.clear()
        self.superseded.add(self.roller.take_replaced())
        for folder in (*self._spoiled, cut.folder):
            shutil.rmtree(folder, ignore_errors=True)
        self._spoiled.clear()
        with contextlib.suppress(StoreError):  # it is committed, and the next one removes what this one could not
            self._retain()
        if not cut.stop:
            self.roller.begin(outputs)
        return checkpoint

    def _put(self, checkpoint: Checkpoint) -> Checkpoint:
        """Commit it under the next number: one that an overtaken attempt took just now is no reason to stop."""
        while True:
            self.check_not_overtaken()
            numbered = checkpoint.model_copy(update={"seq": self._next_seq()})
            if self.record.commit(numbered):
                return numbered

    def note_spoiled(self, cut: Cut) -> None:
        """The cut could not be committed: what it added to the outputs is recorded with the next one."""
        for path in _files_of_state(cut.folder):
            path.unlink(missing_ok=True)
        self._spoiled.append(cut.folder)

    def finish(self, finished: Finished, lineage: Lineage) -> ResultFacts:
        """Record the last bytes of every output and the result. Raises Fenced when this attempt was overtaken."""
        self.check_not_overtaken()
        self.outputs = self.roller.applied(self.outputs)
        changes = without_superseded((*self._changes(), *finished.outputs))
        outputs = with_changes(self.record, self.outputs, changes, of=self.number)
        result = Result(**_fields(lineage), attempt=self.number, step=finished.step, outputs=outputs)
        if not self.record.finish(result):
            raise Fenced("The run was finished by another attempt.", where=self.record.name)
        self.outputs = outputs
        return ResultFacts(**_fields(lineage), attempt=self.number, step=finished.step, finished=result.finished)

    def _changes(self) -> tuple[OutputChange, ...]:
        return tuple(change for changes in self._pending.values() for change in changes)

    def check_not_overtaken(self) -> None:
        newest, is_cancelled = self.record.newest()
        if is_cancelled and newest == self.number:
            raise Fenced("The run was cancelled.", where=self.record.name, remedy="lammps-jobs resume goes on with it.")
        if newest > self.number:
            raise Fenced(
                f"Attempt {newest} has taken over from attempt {self.number}.",
                where=self.record.name,
                remedy="Nothing to do: the newer attempt carries on.",
            )

    def _next_seq(self) -> int:
        seqs = self.record.checkpoint_seqs()
        return (seqs[-1] if seqs else 0) + 1

    def _retain(self) -> None:
        """Keep the newest checkpoints, two at least, and the newest at stage boundaries; never the outputs' blobs.

        An attempt that was overtaken removes nothing: the newer one may be reading it.
        """
        kept: list[Manifest] = []
        old: list[Manifest] = []
        boundaries = 0
        for checkpoint in self.record.manifests():
            is_kept = len(kept) < max(LEAST_KEPT, self.keep)
            if checkpoint.stage_boundary and not is_kept:
                is_kept = boundaries < MOST_BOUNDARIES
            boundaries += checkpoint.stage_boundary
            (kept if is_kept else old).append(checkpoint)
        needed = {blob.name for c in kept for blob in c.to_load}
        if old:
            self.check_not_overtaken()
        for checkpoint in old:
            self.record.drop_checkpoint(checkpoint, needed)
        if len(kept) <= MOST_LOOKED_THROUGH and self.superseded.is_due() and self.roller.is_idle:
            self._collect(kept, needed)

    def _collect(self, kept: list[Manifest], needed: set[str]) -> None:
        """Remove pieces of what was rolled up; nothing where a checkpoint cannot be read now, and may name them.

        Raises StoreError.
        """
        if set(self.record.checkpoint_seqs()) != {one.seq for one in kept}:
            return
        some = [checkpoint.outputs for one in kept if (checkpoint := self.record.checkpoint(one.seq))]
        self.check_not_overtaken()
        segments = {s.name for outputs in (*some, self.outputs) for one in outputs.values() for s in one.segments}
        self.superseded.collect(needed | segments)


def without_superseded(changes: tuple[OutputChange, ...]) -> tuple[OutputChange, ...]:
    """The changes without those of a file that was replaced or removed after them: their bytes are no more."""
    last = {c.name: at for at, c in enumerate(changes) if not isinstance(c, Gained) or c.replaces}
    return tuple(change for at, change in enumerate(changes) if at >= last.get(change.name, 0))


def with_changes(
    record: RunRecord, outputs: dict[str, OutputFile], changes: tuple[OutputChange, ...], *, of: int = 0
) -> dict[str, OutputFile]:
    """Upload what the outputs gained, for the attempt `of` alone or for all; returns what they are then.

    Raises Damaged when a file became shorter.
    """
    outputs = dict(outputs)
    gained = [change for change in changes if isinstance(change, Gained)]
    blobs = iter(record.put_files([Piece(one.source, one.start, one.stop, of) for one in gained]))
    for change in changes:
        if isinstance(change, Removed):
            outputs.pop(change.name, None)
            continue
        if isinstance(change, Alias):  # they come last
            _alias(record, outputs, change)
            continue
        blob = next(blobs)
        before = () if change.replaces else outputs.get(change.name, OutputFile()).segments
        outputs[change.name] = OutputFile(segments=(*before, blob) if blob.size else before)
    return outputs


def _alias(record: RunRecord, outputs: dict[str, OutputFile], alias: Alias) -> None:
    given = record.submission().spec.inputs.get(alias.of)
    found = outputs.get(alias.of) or (OutputFile(segments=(given,)) if given else None)
    outputs.pop(alias.name, None)
    if found:
        outputs[alias.name] = found


def _files_of_state(folder: Path) -> list[Path]:
    """LAMMPS's restart file, and of each rank its atoms, its neighbour lists' origin and its objects in memory."""
    return sorted(path for kind in ("restart*", "atoms.*", "lists.*", "memory.*") for path in folder.glob(kind))


def _fields(lineage: Lineage) -> dict[str, Any]:
    return {name: getattr(lineage, name) for name in Lineage.model_fields if name != "format"}
