"""A cluster: where runs are submitted and found again."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lammps_jobs.api.differences import differences
from lammps_jobs.api.display import MOST_ROWS, table
from lammps_jobs.api.extension import extend
from lammps_jobs.api.following import After, to_follow
from lammps_jobs.api.listing import listing, write_anew
from lammps_jobs.api.naming import Values, checked_name, listed, name_from, name_taken, plain_name, values_of
from lammps_jobs.api.notifying import notify_of
from lammps_jobs.api.over import Over
from lammps_jobs.api.run import Run, summary_of
from lammps_jobs.api.status import RunStatus, unreadable
from lammps_jobs.api.sweep import AT_A_LOOK, Sweep
from lammps_jobs.api.sweeping import blob_of_file, submit_together, wanted_of
from lammps_jobs.backends.base import AT_ONCE, Address, Backend, Price, factory_of
from lammps_jobs.errors import Damaged, InputMissing, NameTaken, NoSuchRun, OtherFormat, WrongState
from lammps_jobs.record.blobs import share
from lammps_jobs.record.documents import (
    Blob,
    Checkpoints,
    CutPlan,
    Notify,
    Resources,
    RunSpec,
    Submission,
)
from lammps_jobs.record.index import remove_rows, rows
from lammps_jobs.record.labels import checked_note, checked_tags, tagged
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.rename import rename
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import Member, SweepRecord, member_of_some, sweep_names
from lammps_jobs.script.inputs import Gathered, gather
from lammps_jobs.supervisor.own import is_own, mark

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def connect(
    stack: str = "local", *, store: str | Path | None = None, pool: str = "", region: str | None = None
) -> Cluster:
    """Open the cluster to run on: this machine by default, else the AWS stack of that name.

    `store` is a folder or `s3://bucket/prefix` for the records of this machine's runs; a stack has its own. `pool` is
    the kind of machine, the stack's first by default; `region` where the stack is, that of the AWS configuration by
    default. A backend of another package is named as `BACKEND` or `BACKEND:PLACE` (docs/backends.md).

    Raises StackError for an unknown stack or pool, CloudError when AWS cannot be asked, StoreError when the store
    cannot be opened, UsageError for what does not go together.
    """
    factory, place = factory_of(stack)
    site = factory(Address(place, store=str(store) if store else None, pool=pool, region=region))
    return Cluster(site.store, site.backend, open_root(site.store, site.region), region=site.region)


class Cluster:
    """A place where runs run, and the store where their records are. `connect` opens it."""

    def __init__(self, store: str, backend: Backend, root: ObjectStore, *, region: str | None = None) -> None:
        self.store, self._backend, self._root, self._region = store, backend, root, region

    def __repr__(self) -> str:
        return f"Cluster({self.store!r})"

    def _repr_html_(self) -> str:
        return table(self.listing(most=MOST_ROWS), self.store)

    def submit(
        self,
        script: str | Path,
        *,
        inputs: str | Path | Iterable[str | Path] = (),
        variables: Mapping[str, Values] | None = None,
        name: str | None = None,
        resources: Resources = Resources(),
        checkpoints: Checkpoints = Checkpoints(),
        cut_plan: CutPlan = CutPlan(),
        start: str | Path | None = None,
        replace: bool = False,
        after: After = (),
        tags: str | Iterable[str] = (),
        note: str = "",
        notify: str | Iterable[str] = (),
    ) -> Run:
        """Start a run of `script` in the background and return at once.

        Files that the script names are taken along; `inputs` adds files or folders, or one. It starts in the folder
        `start`, by default in its own or, where more of its files are found from here, in the present one as `lmp -in`.
        Warns (UserWarning) of what may be wrong with the script.
        `variables` are what `lmp -var` would be given. `name` defaults to one derived from the script, and from its
        folder where a script elsewhere has that name already. Submitting the same specification under the same name
        again returns the run there is (`Run.is_new`). With `replace`, another run of that name that has stopped makes
        room: it is renamed (`NAME.past-1`). `after` are runs and sweeps, or one, that must have finished before it
        starts; where one of them fails or is cancelled it is called off (state `cancelled`, with the reason). A name
        that a run and a sweep have is written `run:NAME` or `sweep:NAME`. `tags` and `note` are for people (`Run.tag`).
        `notify` says who is told when it has finished or failed: a command, which reads a JSON document, `desktop`, or
        on a stack `sns`, for its own topic, or the ARN of another; or several. `cut_plan` is for rehearsals and tests:
        it asks for checkpoints at steps, where a user's run takes them by the clock.

        Raises InputMissing, UsageError (bad name, undefined or unused variable), NameTaken (the name has another
        specification: it says what differs), NoSuchRun and WrongState (`after` runs that are not there, or have ended
        without finishing), WrongState (`replace` of a run that runs), StoreError.
        """
        words = values_of(variables or {})
        found = gather(Path(script), listed(inputs), words, start=start)
        for text in found.warnings:
            warnings.warn(text, stacklevel=2)
        own = getattr(self._backend, "topic", "")
        told = notify_of(notify, on_stack=self._backend.is_elsewhere(), own=own) if notify else Notify()
        more = {"after": to_follow(self, after), "notify": told}
        wanted, said = checked_tags(tags), checked_note(note)
        run = self._record(Path(script), found, words, name, resources, checkpoints, cut_plan, replace=replace,
                           more=more)  # fmt: skip
        if wanted:
            run.tag(*wanted)
        if said:
            run.note = said
        if run.is_new and (more["after"] or told != Notify()):
            mark(run.record)
        if not run.record.newest_attempt():
            if run.record.submission().after:
                self._backend.start_after(run.record)
            else:
                self._backend.start(run.record)
        return run

    def _record(
        self, script: Path, found: Gathered, words: Mapping[str, tuple[str, ...]], name: str | None,
        resources: Resources, checkpoints: Checkpoints, cut_plan: CutPlan = CutPlan(), *, replace: bool = False,
        blob_of: Callable[[Path], Blob] | None = None, more: Mapping[str, Any] = MappingProxyType({}),
    ) -> Run:  # fmt: skip
        """Put a run on record, and start nothing. `blob_of` stores an input; by default with the run. `more` is what
        its submission holds besides."""
        origin = str(script.resolve())
        record = RunRecord(self._root, checked_name(name) if name else self._free_name(script, origin))

        def spec_with(blob_of: Callable[[Path], Blob]) -> RunSpec:
            return RunSpec(
                name=record.name,
                script=found.script,
                inputs={path: blob_of(file) for path, file in found.files.items()},
                folders=found.folders,
                executables=found.executables,
                variables=dict(words),
                resources=resources,
                checkpoints=checkpoints,
                cut_plan=cut_plan,
            )

        differ = self._differ(record, spec_with(blob_of_file), found.files) if record.is_submitted() else []
        if differ and replace:
            record = self._made_room(record)
        elif differ:
            raise name_taken(record.name, differ, self.store)
        is_new = not record.is_submitted()
        if is_new and record.has_leftovers():
            raise NameTaken(
                f"Something is left of another run named {record.name!r}, whose removal or copy broke off.",
                where=self.store, remedy=f"lammps-jobs delete {record.name} finishes that; or choose another --name.",
            )  # fmt: skip
        if is_new:
            spec = spec_with(blob_of or record.put_file)
            if not record.submit(Submission(spec=spec, origin=origin, **more)):  # somebody was faster
                is_new = False
                if differ := self._differ(record, spec, found.files):
                    raise name_taken(record.name, differ, self.store)
        if not is_new:
            _heal_inputs(record, found.files)
        return Run(record, self._backend, is_new=is_new)

    def extend(
        self,
        old: str | Run,
        *,
        steps: int | None = None,
        script: str | Path | None = None,
        variables: Mapping[str, Values] | None = None,
        checkpoint: int | None = None,
        name: str | None = None,
    ) -> Run:
        """Start a run that begins in the final state of another, exactly, and goes on from there.

        It goes on for `steps`, or with a `script` that finds all that the old one left: atoms, fixes, variables. It is
        the run that the old script, with these lines behind it, would have been; its outputs hold the old ones, too.
        `variables` get other values from there on, so that many runs can branch from one. `checkpoint` is the number
        of the one to begin from, the newest by default: what came after it is repeated first. The name is that of the
        old run with a number by default. The old run stays as it is.

        Raises UsageError (a script that ends with `quit`, both or none of steps and script), CannotResume (no such
        checkpoint), WrongState (the old run has not finished), NameTaken, InputMissing, StoreError.
        """
        run = old if isinstance(old, Run) else self.run(old)
        if run.status.state != "finished":
            raise WrongState(f"{run.name} is {run.status.state}; only a finished run is extended.",
                             remedy=f"lammps-jobs resume {run.name}")  # fmt: skip
        record = RunRecord(self._root, checked_name(name) if name else self._next_name(run.name))
        is_new = extend(
            run.record, record, steps=steps, script=Path(script) if script else None,
            variables=values_of(variables or {}), at=checkpoint,
        )  # fmt: skip
        if not record.newest_attempt():
            self._backend.start(record)
        return Run(record, self._backend, is_new=is_new)

    def _next_name(self, name: str) -> str:
        """`melt-2` after `melt`, `melt-3` after that."""
        plain, found = name, re.fullmatch(r"(.*)-(\d+)", name)
        number = 2
        if found:
            plain, number = found[1], int(found[2]) + 1
        names = set(run_names(self._root))
        while f"{plain}-{number}" in names:
            number += 1
        return f"{plain}-{number}"

    # -- sweeps ----------------------------------------------------------------------------------

    def sweep(
        self,
        script: str | Path,
        over: Over,
        *,
        zipped: bool = False,
        name: str | None = None,
        inputs: str | Path | Iterable[str | Path] = (),
        variables: Mapping[str, Values] | None = None,
        resources: Resources = Resources(),
        checkpoints: Checkpoints = Checkpoints(),
        after: After = (),
        budget_s: float | None = None,
    ) -> Sweep:
        """Submit many runs of `script`, with other variables each, and return at once.

        `over` holds the values of variables, of which all combinations are run (`{"T": [0.7, 0.8], "seed": "1..8"}`;
        side by side with `zipped`), or a row of variables a run, or names a CSV file of such rows. The runs are named
        after their values. On this machine they wait for free cores; on a stack all are in its queue. Further values
        under the same name join the sweep; those that it has already are left alone. `after` are runs and sweeps, or
        one, that must have finished before the first begins, as for `submit`. `budget_s` is machine time for all runs
        together, in seconds: each has an equal share, and `Sweep.retry` shares out again what others left.

        All members are checked before the first is submitted. Raises what `submit` raises, and UsageError for no
        member, too many, or two that are the same.
        """
        script = Path(script)
        sweep = SweepRecord(self._root, checked_name(name or name_from(script)))
        wanted = wanted_of(sweep, script, over, listed(inputs), values_of(variables or {}), resources, checkpoints,
                           zipped=zipped, budget_s=budget_s)  # fmt: skip
        follows = to_follow(self, after, sweep=sweep.name)
        if budget_s:
            sweep.give(budget_s)
        if self._backend.starts_together():
            submit_together(sweep, wanted, self._backend, follows)
            return self.find_sweep(sweep.name)
        blob_of = cache(lambda file: share(self._root, file))
        for at, run_name in enumerate(wanted.names):
            spec = wanted.spec(at, blob_of)
            run = self._record(script, wanted.found[at], spec.variables, run_name, spec.resources, checkpoints,
                               blob_of=blob_of, more={"after": follows})  # fmt: skip
            if run.is_new and follows:
                mark(run.record)
        members = [Member(run=name, variables=dict(row)) for name, row in zip(wanted.names, wanted.rows, strict=True)]
        sweep.add(members, after=follows, share_s=wanted.new_share_s)
        made = self.find_sweep(sweep.name)
        for _ in range(0, len(wanted.rows), AT_A_LOOK):
            made.advance()
        self._backend.in_background(sweep.name)
        return made

    def find_sweep(self, name: str) -> Sweep:
        """The sweep of that name. Raises NoSuchRun when there is none."""
        record = SweepRecord(self._root, checked_name(name))
        return Sweep(self, record, record.members())

    def sweeps(self) -> list[Sweep]:
        """All sweeps in the store, by name."""
        return [self.find_sweep(name) for name in sweep_names(self._root)]

    def pools(self) -> list[str]:
        """The kinds of machines that there are; none on this machine."""
        return list(self._backend.prices())

    def usd_per_hour(self, pool: str = "") -> Price | None:
        """What an hour of an attempt costs in that pool, the chosen one by default; None where no price is known."""
        return self._backend.prices().get(pool or getattr(self._backend, "pool_name", ""))

    def start_if_room(self, name: str, *, again: bool = False) -> bool:
        """Start an attempt of a run that waits or has stopped; False when there is no room for it."""
        return self._backend.start_if_room(RunRecord(self._root, name), again=again)

    # -- looking ---------------------------------------------------------------------------------

    def _free_name(self, script: Path, origin: str) -> str:
        """The script's name; with its folder's before it where a script elsewhere has taken that."""
        plain = name_from(script)
        record = RunRecord(self._root, plain)
        taken_by = record.submission().origin if record.is_submitted() else ""
        return f"{plain_name(Path(origin).parent.name)}-{plain}" if taken_by and taken_by != origin else plain

    def _differ(self, record: RunRecord, spec: RunSpec, files: Mapping[str, Path]) -> list[str]:
        """What is different, in words, in the run that has the name."""

        def text_of(blob: Blob) -> str:
            return b"".join(record.read_blob(blob)).decode(errors="replace")

        return differences(
            record.submission().spec, spec, text_of, lambda name: files[name].read_text(errors="replace")
        )

    def _made_room(self, record: RunRecord) -> RunRecord:
        """Give the run that has stopped another name, so that its own is free."""
        names, count = set(run_names(self._root)), 1
        while f"{record.name}.past-{count}" in names:
            count += 1
        self.rename(record.name, f"{record.name}.past-{count}")
        return RunRecord(self._root, record.name)

    def rename(self, old: str, new: str) -> Run:
        """Give a run that does not run another name.

        Raises NoSuchRun, NameTaken, UsageError (bad name), WrongState when it runs, StoreError.
        """
        state = self.run(old).status
        if not state.is_ended:
            raise WrongState(f"{old} is {state.state}.", remedy=f"Wait for it, or: lammps-jobs cancel {old}")
        self.run(old).settle()
        was_own = is_own(self._record_of(old))
        record = rename(self._root, old, checked_name(new))
        if was_own:
            mark(record)
        return Run(record, self._backend)

    def run(self, name: str) -> Run:
        """The run of that name. Raises NoSuchRun when there is none."""
        record = RunRecord(self._root, checked_name(name))
        try:
            record.submission()
        except NoSuchRun as error:
            begun = member_of_some(self._root, name)
            if begun:
                return Run(begun, self._backend)
            meant = difflib.get_close_matches(name, run_names(self._root), 1)
            remedy = f"Did you mean {meant[0]}?" if meant else error.remedy
            raise NoSuchRun(error.what, where=self.store, remedy=remedy) from None
        return Run(record, self._backend)

    def _record_of(self, name: str) -> RunRecord:
        """The record of that name, which need not be there, for code of this library. Raises UsageError."""
        return RunRecord(self._root, checked_name(name))

    def runs(self) -> list[Run]:
        """All runs in the store, by name."""
        return [Run(RunRecord(self._root, name), self._backend) for name in run_names(self._root)]

    def listing(
        self, *, states: Collection[str] = (), pattern: str = "", tag: str = "", most: int | None = None,
        after: str = "",
    ) -> list[RunStatus]:  # fmt: skip
        """The runs at a glance, those submitted last first: only those in one of `states`, named like `pattern`
        (`melt-*`), with that `tag`, `most` of them, behind the run whose `RunStatus.cursor` is `after`.

        Comes from the store's index, a call for a thousand runs, and tells no reasons. The index is advice: a row may
        be late by half a minute. A store without one gets one. Raises StoreError, CloudError.
        """
        look = partial(listing, self._root, self._backend, states=states, pattern=pattern, tag=tag, most=most,
                       after=after)  # fmt: skip
        found = look()
        if not found and not after and next(rows(self._root), None) is None and run_names(self._root):
            self.reindex()
            found = look()
        return found

    def tags(self) -> dict[str, tuple[str, ...]]:
        """The tags of all runs that have any, by the runs' names; a call for a thousand."""
        return tagged(self._root)

    def reindex(self) -> None:
        """Read the records of all runs and write the index anew: for a store whose index was lost, or is older."""
        known = set(run_names(self._root))
        remove_rows(self._root, {row.name for row in rows(self._root)} - known)
        write_anew((run.record for run in self.runs()), lambda record: summary_of(Run(record, self._backend)))

    def statuses(self, names: Iterable[str] | None = None) -> list[RunStatus]:
        """The states of the runs `names`, of all by default, with few calls however many they are."""
        found = run_names(self._root) if names is None else names
        runs = [Run(RunRecord(self._root, name), self._backend) for name in found]
        with self._backend.prefetch([run.record for run in runs]), ThreadPoolExecutor(AT_ONCE) as pool:
            return [found for found in pool.map(_status_of, runs) if found]


def _heal_inputs(record: RunRecord, files: Mapping[str, Path]) -> None:
    """Store inputs anew that are missing or, where an attempt has ended for it, damaged: their content is at hand."""
    end = record.ended(record.newest_attempt())
    is_doubtful = end is not None and end.error == InputMissing.__name__
    for name, blob in record.submission().spec.inputs.items():
        if record.size_of(blob) != blob.size or (is_doubtful and not record.is_intact(blob)):
            record.suspect(blob)
            record.put_file(files[name])


def _status_of(run: Run) -> RunStatus | None:
    """The run's status; None of a folder that is no run. What one record lacks keeps no other from being shown."""
    try:
        status = run.status
        has_job = status.attempt or status.state in ("waiting", "starting")
        return status if has_job or run.record.is_submitted() else None
    except (Damaged, OtherFormat, NoSuchRun) as error:
        return unreadable(run.name, error)
