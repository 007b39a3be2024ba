"""Uploads what the engine cut and commits it: the only writer of checkpoints of an attempt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lammps_jobs.errors import Damaged, Fenced
from lammps_jobs.record.documents import Checkpoint, Fidelity, OutputFile, Result
from lammps_jobs.record.run_record import RunRecord

Message = dict[str, Any]


class Recorder:
    """The record of attempt `number`, going on from the outputs of `resumed_from`."""

    def __init__(self, store: RunRecord, number: int, resumed_from: Checkpoint | None, keep: int) -> None:
        self.store, self.number, self.keep = store, number, keep
        self.outputs: dict[str, OutputFile] = dict(resumed_from.outputs) if resumed_from else {}
        self.last: Checkpoint | None = resumed_from
        self.lammps_version = self.ranks = 0

    def commit(self, cut: Message) -> Checkpoint:
        """Blobs first, then the manifest. Raises Fenced when this attempt was overtaken."""
        outputs = self._with(cut["outputs"])
        folder = Path(cut["folder"])
        checkpoint = Checkpoint(
            seq=self._next_seq(),
            attempt=self.number,
            step=cut["step"],
            stage=cut["stage"],
            stage_boundary=cut["boundary"],
            restart={path.name: self.store.put_file(path) for path in sorted(folder.glob("restart*"))},
            state=self.store.put_bytes(json.dumps(cut["state"]).encode()),
            outputs=outputs,
            fidelity=Fidelity(
                grade="statistical" if cut["affected"] else cut["grade"],
                as_if=cut["as_if"],
                reasons=tuple(cut["reasons"] + [f"fix {i}: its averaging window was open" for i in cut["affected"]]),
            ),
            lammps_version=self.lammps_version,
            ranks=self.ranks,
            cut_s=cut["cut_s"],
            restart_s=cut["restart_s"],
            affected=tuple(cut["affected"]),
        )
        self.check_not_overtaken()
        if not self.store.commit(checkpoint):
            raise Fenced(
                f"Checkpoint {checkpoint.seq} was committed by somebody else.",
                where=self.store.name,
                remedy="Another attempt of this run is at work; this one stops.",
            )
        self.outputs, self.last = outputs, checkpoint
        shutil.rmtree(folder, ignore_errors=True)
        self._retain()
        return checkpoint

    def finish(self, finished: Message) -> None:
        """Record the last bytes of every output and the result."""
        self.check_not_overtaken()
        outputs = self._with(finished["outputs"])
        result = Result(attempt=self.number, step=finished["step"], outputs=outputs)
        if not self.store.finish(result):
            raise Fenced("The run was finished by another attempt.", where=self.store.name)
        self.outputs = outputs

    def check_not_overtaken(self) -> None:
        newest = self.store.newest_attempt()
        if newest > self.number:
            raise Fenced(
                f"Attempt {newest} has taken over from attempt {self.number}.",
                where=self.store.name,
                remedy="Nothing to do: the newer attempt carries on.",
            )

    def _next_seq(self) -> int:
        seqs = self.store.checkpoint_seqs()
        return (seqs[-1] if seqs else 0) + 1

    def _with(self, pieces: list[Message]) -> dict[str, OutputFile]:
        outputs = dict(self.outputs)
        for piece in pieces:
            if piece.get("remove"):
                outputs.pop(piece["name"], None)
                continue
            blob = self.store.put_file(Path(piece["source"]), piece["start"], piece["stop"])
            before = () if piece["replace"] else outputs.get(piece["name"], OutputFile()).segments
            outputs[piece["name"]] = OutputFile(segments=(*before, blob) if blob.size else before)
        return outputs

    def _retain(self) -> None:
        """Keep the newest `keep` checkpoints and those at stage boundaries; never the outputs' blobs."""
        kept: list[Checkpoint] = []
        old: list[Checkpoint] = []
        for seq in reversed(self.store.checkpoint_seqs()):
            try:
                checkpoint = self.store.checkpoint(seq)
            except Damaged:
                continue
            if checkpoint:
                (kept if len(kept) < self.keep or checkpoint.stage_boundary else old).append(checkpoint)
        needed = {blob.sha256 for c in kept for blob in c.to_load}
        needed |= {s.sha256 for c in kept for output in c.outputs.values() for s in output.segments}
        for checkpoint in old:
            self.store.drop_checkpoint(checkpoint, needed)
