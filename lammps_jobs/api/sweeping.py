"""Submitting the runs of a sweep: checked all at once, put on record, and started, together where the backend can."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.api.differences import MOST, differences
from lammps_jobs.api.over import Over, members_of, names_of
from lammps_jobs.api.sweep_budget import shares
from lammps_jobs.errors import NameTaken, UsageError
from lammps_jobs.record.blobs import share
from lammps_jobs.record.documents import Blob, Checkpoints, Resources, RunSpec
from lammps_jobs.record.object_store import sha256_of
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import Member, SweepRecord, submission_of
from lammps_jobs.script.inputs import Gathered
from lammps_jobs.script.many import gather_each

if TYPE_CHECKING:
    from lammps_jobs.backends.base import Backend

Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Wanted:
    """What is asked for of each member."""

    script: Path
    rows: Sequence[Mapping[str, str]]
    names: Sequence[str]
    found: Sequence[Gathered]
    shared: Words
    resources: Resources
    checkpoints: Checkpoints
    shares: Mapping[str, float] = field(default_factory=dict)
    """Machine time that a member may use, in seconds, by name."""
    new_share_s: float | None = None
    """The same of each new one, of a budget for all."""

    def spec(self, at: int, blob_of: Callable[[Path], Blob]) -> RunSpec:
        """Of the member `at`. Its files are asked of `blob_of` for their blobs."""
        found = self.found[at]
        return RunSpec(
            name=self.names[at], script=found.script,
            inputs={path: blob_of(file) for path, file in found.files.items()}, folders=found.folders,
            executables=found.executables,
            variables=dict(self.shared) | {name: (value,) for name, value in self.rows[at].items()},
            resources=self.resources.model_copy(update={"budget_s": self.shares.get(self.names[at])}),
            checkpoints=self.checkpoints,
        )  # fmt: skip


def wanted_of(
    sweep: SweepRecord, script: Path, over: Over, inputs: Sequence[str | Path], shared: Words, resources: Resources,
    checkpoints: Checkpoints, *, zipped: bool, budget_s: float | None = None,
) -> Wanted:  # fmt: skip
    """All members, checked before anything is stored. Raises UsageError, InputMissing."""
    rows = members_of(over, zipped=zipped)
    if budget_s and resources.budget_s:
        raise UsageError("A budget is given for each run and for all.", remedy="Leave one out.")
    if both := sorted(set(shared) & set(rows[0])):
        raise UsageError(f"The variable {both[0]!r} is given both to all runs and to each.", remedy="Leave one out.")
    found = list(gather_each(script, inputs, shared, rows))
    for text in dict.fromkeys(text for one in {id(one): one for one in found}.values() for text in one.warnings):
        warnings.warn(text, stacklevel=4)
    names = names_of(sweep.name, rows, [member for part in sweep.parts() for member in part.members])
    given = shares(sweep, names, budget_s, resources.budget_s)
    known = sweep.part_of()
    share_s = next((given[name] for name in names if name not in known), None) if budget_s else None
    return Wanted(script, rows, names, found, shared, resources, checkpoints, given, share_s)


def submit_together(sweep: SweepRecord, wanted: Wanted, backend: Backend, after: tuple[str, ...] = ()) -> None:
    """Put all members on the sweep's record, and start those that nothing has started, in a call for ten thousand.

    New ones begin when those have finished that are named in `after`. Raises NameTaken where a member is there with
    another specification, or a run that is none of the sweep's has its name.
    """
    root = sweep.root
    shared = cache(lambda file: share(root, file))
    before = {member.run for part in sweep.parts() for member in part.members}
    new = [at for at, name in enumerate(wanted.names) if name not in before]
    if taken := sorted({wanted.names[at] for at in new}.intersection(run_names(root))):
        raise NameTaken(f"A run named {taken[0]!r} exists, which is not of this sweep.",
                        remedy="Choose another --name for the sweep.")  # fmt: skip
    _require_same(sweep, wanted)
    if new:
        common = wanted.spec(new[0], shared).model_copy(update={"name": sweep.name, "variables": dict(wanted.shared)})
        members = [
            Member(run=wanted.names[at], variables=dict(wanted.rows[at]),
                   spec=None if wanted.found[at] is wanted.found[new[0]] else wanted.spec(at, shared))
            for at in new
        ]  # fmt: skip
        sweep.add(members, spec=common, origin=str(wanted.script.resolve()), after=after,
                  share_s=wanted.new_share_s)  # fmt: skip
    started = sweep.newest_of()
    is_own = {member.run for part in sweep.parts() if part.spec is None for member in part.members}
    rest = [name for name in wanted.names if name not in started and name not in is_own]
    backend.start_together(sweep, rest)


def _require_same(sweep: SweepRecord, wanted: Wanted) -> None:
    """Members that the sweep has already must be what is asked for now."""
    places, blob_of = {name: at for at, name in enumerate(wanted.names)}, cache(blob_of_file)
    for part in sweep.parts():
        again = [member for member in part.members if member.run in places] if part.spec else []
        for member in again[:1] + [one for one in again[1:] if one.spec]:
            at = places[member.run]
            files, record = wanted.found[at].files, RunRecord(sweep.root, member.run)
            differ = differences(
                submission_of(part, member).spec, wanted.spec(at, blob_of),
                lambda blob, record=record: record.content_of(blob).decode(errors="replace"),  # type: ignore[misc]
                lambda name, files=files: files[name].read_text(errors="replace"),  # type: ignore[misc]
            )  # fmt: skip
            if differ:
                raise NameTaken(
                    f"The sweep has {member.run!r}, and it is another run: {'; '.join(differ[:MOST])}.",
                    remedy="Choose another --name for a sweep that differs.",
                )


def blob_of_file(file: Path) -> Blob:
    """The blob that a file's content is, which nothing stores here."""
    size = file.stat().st_size
    return Blob(sha256=sha256_of(file, 0, size), size=size)
