"""The checkpoints and the result of a run: committed once, verified before anybody goes on from them."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.record import layout
from lammps_jobs.record.documents import (
    OLDER,
    Checkpoint,
    CheckpointFacts,
    Document,
    OutputFile,
    Remains,
    Result,
)
from lammps_jobs.record.inventory import Manifest, StoredRemains, StoredResult
from lammps_jobs.record.output_lists import OutputLists

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_WHOLE = 2
"""Checkpoints that are kept in memory with all that their outputs consist of."""


class CheckpointRecord(OutputLists):
    """What the engine cut and the supervisor committed."""

    def __init__(self, root: ObjectStore, name: str) -> None:
        super().__init__(root, name)
        self._whole: OrderedDict[int, Checkpoint] = OrderedDict()

    def commit(self, checkpoint: Checkpoint) -> bool:
        """False when its number is taken. It is remembered as it is: its segments are those of its neighbours."""
        tail = layout.checkpoint(checkpoint.seq)
        manifest = Manifest(**_facts(checkpoint), inventory=self.inventory_of(checkpoint.outputs))
        if not self._commit(tail, manifest):
            return False
        self._remember(tail, manifest)
        self._remember_whole(checkpoint)
        return True

    def _remember_whole(self, checkpoint: Checkpoint) -> None:
        self._whole[checkpoint.seq] = checkpoint
        while len(self._whole) > MOST_WHOLE:
            self._whole.popitem(last=False)

    def checkpoint_seqs(self) -> list[int]:
        return self._numbers(layout.CHECKPOINTS)

    def manifest(self, seq: int) -> Manifest | None:
        """A checkpoint as it is stored: one read, however long the run is. Raises Damaged, OtherFormat."""
        return self._load(layout.checkpoint(seq), Manifest)

    def checkpoint(self, seq: int) -> Checkpoint | None:
        """A checkpoint with all that its outputs consist of. Raises Damaged, OtherFormat."""
        if seq in self._whole:
            return self._whole[seq]
        manifest = self.manifest(seq)
        if manifest is None:
            return None
        checkpoint = Checkpoint(**_facts(manifest), outputs=self.files_of(manifest.inventory))
        self._remember_whole(checkpoint)
        return checkpoint

    def manifests(self) -> Iterator[Manifest]:
        """All checkpoints that can be read, newest first; each is read when it is asked for."""
        for seq in reversed(self.checkpoint_seqs()):
            manifest = self._load_readable(layout.checkpoint(seq), Manifest)
            if manifest:
                yield manifest

    def verify(self, checkpoint: Checkpoint) -> None:
        """Raise Damaged unless everything needed to continue from `checkpoint` is there and intact.

        What resuming loads is read and hashed, twice before it is called damaged; of output segments, which it does
        not load, the presence and the size are checked. Nothing is removed.
        """
        for blob in checkpoint.to_load:
            if not self.is_intact(blob):
                self.suspect(blob)  # or an equal checkpoint, cut again, would be taken for stored
                raise Damaged("A stored object is missing or damaged.", where=self._blob_key(blob), remedy=OLDER)
        segments = {s.sha256: s for output in checkpoint.outputs.values() for s in output.segments}
        for segment in self.not_whole(segments.values()):
            path = next(name for name, output in checkpoint.outputs.items() if segment in output.segments)
            raise Damaged(f"A segment of {path} is missing or cut short.", where=segment.sha256, remedy=OLDER)

    def drop_checkpoint(self, checkpoint: CheckpointFacts, still_needed: set[str]) -> None:
        """Remove a checkpoint that retention no longer keeps; blobs in `still_needed`, and anybody's, stay."""
        self._whole.pop(checkpoint.seq, None)
        self.remove(layout.checkpoint(checkpoint.seq))
        for blob in checkpoint.to_load:
            if blob.of and blob.name not in still_needed:
                self._known.discard(blob.name)
                self.remove(layout.blob(blob.name))

    # -- the end ---------------------------------------------------------------------------------

    def finish(self, result: Result) -> bool:
        stored = StoredResult(**_facts(result), inventory=self.inventory_of(result.outputs))
        return self._commit_anew(layout.RESULT, stored)

    def finished(self) -> StoredResult | None:
        """The result without its outputs, in one read; None before the run has finished."""
        return self._load(layout.RESULT, StoredResult)

    def result(self) -> Result | None:
        stored = self._load(layout.RESULT, StoredResult)
        return Result(**_facts(stored), outputs=self.files_of(stored.inventory)) if stored else None

    def keep_remains(self, remains: Remains) -> bool:
        stored = StoredRemains(**_facts(remains), inventory=self.inventory_of(remains.outputs))
        return self._commit(layout.remains(remains.attempt), stored)

    def stored_remains(self, attempt: int) -> StoredRemains | None:
        return self._load_readable(layout.remains(attempt), StoredRemains)

    def remains(self, attempt: int) -> Remains | None:
        """What the attempt left behind that ended without finishing; None when nothing was kept."""
        stored = self.stored_remains(attempt)
        with contextlib.suppress(Damaged, OtherFormat):
            return Remains(**_facts(stored), outputs=self.files_of(stored.inventory)) if stored else None
        return None

    def outputs(self) -> dict[str, OutputFile]:
        """The outputs of the finished run, else of its newest readable checkpoint."""
        result = self.result()
        if result:
            return result.outputs
        for seq in reversed(self.checkpoint_seqs()):
            try:
                checkpoint = self.checkpoint(seq)
            except Damaged:
                continue
            if checkpoint:
                return checkpoint.outputs
        return {}


def _facts(of: Document) -> dict[str, Any]:
    """All of a document but what its outputs consist of."""
    return {name: getattr(of, name) for name in type(of).model_fields if name not in ("format", "outputs", "inventory")}
