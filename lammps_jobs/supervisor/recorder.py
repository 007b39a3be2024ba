"""Uploads what the engine cut and commits it: the only writer of checkpoints of an attempt."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lammps_jobs.errors import Damaged, Fenced
from lammps_jobs.protocol.messages import Alias, Cut, Finished, OutputChange, Removed
from lammps_jobs.record.documents import Checkpoint, Lineage, OutputFile, Result
from lammps_jobs.record.run_record import RunRecord


class Recorder:
    """The record of attempt `number`, going on from the outputs of `resumed_from`."""

    def __init__(self, record: RunRecord, number: int, resumed_from: Checkpoint | None, keep: int) -> None:
        self.record, self.number, self.keep = record, number, keep
        self.outputs: dict[str, OutputFile] = dict(resumed_from.outputs) if resumed_from else {}

    def commit(self, cut: Cut, lineage: Lineage, *, lammps_version: int, ranks: int) -> Checkpoint:
        """Blobs first, then the manifest.

        Raises Fenced when this attempt was overtaken, Damaged when files of the cut are not what they were.
        """
        outputs = with_changes(self.record, self.outputs, cut.outputs)
        restart = {path.name: self.record.put_file(path) for path in _files_of_state(cut.folder)}
        checkpoint = Checkpoint(
            **_fields(lineage),
            seq=self._next_seq(),
            attempt=self.number,
            step=cut.state.step,
            stage=cut.stage,
            stage_boundary=cut.boundary,
            restart=restart,
            state=self.record.put_bytes(cut.state.model_dump_json().encode()),
            outputs=outputs,
            fidelity=cut.fidelity,
            lammps_version=lammps_version,
            ranks=ranks,
            cut_s=cut.cut_s,
            restart_s=cut.restart_s,
        )
        self.check_not_overtaken()
        if not self.record.commit(checkpoint):
            raise Fenced(
                f"Checkpoint {checkpoint.seq} was committed by somebody else.",
                where=self.record.name,
                remedy="Another attempt of this run is at work; this one stops.",
            )
        self.outputs = outputs
        shutil.rmtree(cut.folder, ignore_errors=True)
        self._retain()
        return checkpoint

    def finish(self, finished: Finished, lineage: Lineage) -> None:
        """Record the last bytes of every output and the result. Raises Fenced when this attempt was overtaken."""
        self.check_not_overtaken()
        outputs = with_changes(self.record, self.outputs, finished.outputs)
        result = Result(**_fields(lineage), attempt=self.number, step=finished.step, outputs=outputs)
        if not self.record.finish(result):
            raise Fenced("The run was finished by another attempt.", where=self.record.name)
        self.outputs = outputs

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
        """Keep the newest `keep` checkpoints and those at stage boundaries; never the outputs' blobs."""
        kept: list[Checkpoint] = []
        old: list[Checkpoint] = []
        for seq in reversed(self.record.checkpoint_seqs()):
            try:
                checkpoint = self.record.checkpoint(seq)
            except Damaged:
                continue
            if checkpoint:
                (kept if len(kept) < self.keep or checkpoint.stage_boundary else old).append(checkpoint)
        needed = {blob.sha256 for c in kept for blob in c.to_load}
        needed |= {s.sha256 for c in kept for output in c.outputs.values() for s in output.segments}
        for checkpoint in old:
            self.record.drop_checkpoint(checkpoint, needed)


def with_changes(
    record: RunRecord, outputs: dict[str, OutputFile], changes: tuple[OutputChange, ...]
) -> dict[str, OutputFile]:
    """Upload what the outputs gained; returns what they are then. Raises Damaged when a file became shorter."""
    outputs = dict(outputs)
    for change in changes:
        if isinstance(change, Removed):
            outputs.pop(change.name, None)
            continue
        if isinstance(change, Alias):  # they come last
            _alias(record, outputs, change)
            continue
        blob = record.put_file(change.source, change.start, change.stop)
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
    """LAMMPS's restart file, and of each rank its atoms and its objects in memory."""
    return sorted(path for kind in ("restart*", "atoms.*", "memory.*") for path in folder.glob(kind))


def _fields(lineage: Lineage) -> dict[str, Any]:
    return {name: getattr(lineage, name) for name in Lineage.model_fields if name != "format"}
