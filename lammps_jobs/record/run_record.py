"""The record of one run in an object store: layout, create-only commits, verified reading.

`layout` names every object of a run, and says of each whether anything correct depends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError

from lammps_jobs.errors import Damaged, NoSuchRun
from lammps_jobs.record import index, layout
from lammps_jobs.record.attempt_record import AttemptRecord
from lammps_jobs.record.checkpoint_record import CheckpointRecord
from lammps_jobs.record.documents import RUN_NAME, Amendment, Checkpoints, Document, Resources, RunSpec, Submission
from lammps_jobs.record.head import Change, HeadRecord
from lammps_jobs.record.object_store import explained
from lammps_jobs.record.summary import Summary

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def run_names(root: ObjectStore) -> list[str]:
    """Names of all runs under `root`, sorted."""
    try:
        prefixes = obstore.list_with_delimiter(root)["common_prefixes"]
    except NotFoundError:
        return []
    except (BaseError, OSError) as error:
        raise explained(error, "the store's list of runs") from error
    return sorted(name for prefix in prefixes if RUN_NAME.fullmatch(name := prefix.rstrip("/").rpartition("/")[2]))


class RunRecord(CheckpointRecord, AttemptRecord, HeadRecord):
    """The record of the run `name` under `root`: what was asked for, its attempts, its checkpoints and its blobs."""

    def submit(self, submission: Submission) -> bool:
        """False when a run of that name exists. Its row of the list comes first, so that no run is without one."""
        row = self.announce(Summary(submitted=submission.submitted))
        if self._commit_anew(layout.SPEC, submission):
            return True
        if self.submission().submitted != submission.submitted:
            index.remove(self.root, row)
        return False

    def has_leftovers(self) -> bool:
        """Whether something of a run lies here without its specification: of one whose removal or copy broke off."""
        found = False
        for tail, _ in self.each_size():
            if tail == layout.SPEC:
                return False
            found = found or not tail.startswith(layout.BLOBS)
        return found

    def tell_of(self, change: Change, *, may_remove: bool = False) -> None:
        """Tell of the run what `change` makes of its head; never fails."""
        self.tell(change, lambda: Summary(submitted=self.submission().submitted), may_remove=may_remove)

    def is_submitted(self) -> bool:
        """False also where the specification cannot be read: submitting it again heals the record."""
        try:
            return self._load(layout.SPEC, Submission) is not None
        except Damaged:
            return False

    def submission(self) -> Submission:
        found = self._load(layout.SPEC, Submission)
        if found is None:
            raise NoSuchRun(f"No run named {self.name!r}.", remedy="`lammps-jobs list` shows the runs there are.")
        return found

    def wanted(self) -> RunSpec:
        """What was asked for, with what was asked for anew since."""
        spec, numbers = self.submission().spec, self._numbers(layout.AMENDMENTS)
        newest = self._load(layout.amendment(numbers[-1]), Amendment) if numbers else None
        if newest is None:
            return spec
        return spec.model_copy(update={"resources": newest.resources, "checkpoints": newest.checkpoints})

    def amend(self, resources: Resources, checkpoints: Checkpoints) -> None:
        """Ask for these from the next attempt on."""
        number = max(self._numbers(layout.AMENDMENTS), default=0) + 1
        while not self._commit(
            layout.amendment(number), Amendment(number=number, resources=resources, checkpoints=checkpoints)
        ):
            number += 1


def glance_of(record: RunRecord, head: Summary) -> RunRecord:
    """The record as the run's head tells it: what is asked of it about the newest attempt costs no request."""
    number = head.number
    known: dict[str, Document | None] = {
        layout.claim(number): head.attempt, layout.end(number): head.end, layout.progress(number): head.progress,
    }  # fmt: skip
    found = {key: document for key, document in known.items() if document}
    names = [key.rpartition("/")[2] for key in found if key.count("/") == 1]
    names += [layout.cancelled(number).rpartition("/")[2]] if head.cancelled else []
    return record.glance(found, {layout.ATTEMPTS: names if head.attempt else []})
