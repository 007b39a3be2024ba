"""A cluster: where runs are submitted and found again."""

from __future__ import annotations

import difflib
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.api.differences import MOST, differences
from lammps_jobs.api.display import table
from lammps_jobs.api.extension import extend
from lammps_jobs.api.over import Over, members_of, names_of
from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus, unreadable
from lammps_jobs.api.sweep import AT_A_LOOK, Sweep
from lammps_jobs.backends.base import AT_ONCE, Address, Backend, factory_of
from lammps_jobs.errors import Damaged, InputMissing, NameTaken, NoSuchRun, OtherFormat, UsageError, WrongState
from lammps_jobs.record.documents import (
    NAME_RULE,
    RUN_NAME,
    Blob,
    Checkpoints,
    CutPlan,
    Resources,
    RunSpec,
    Submission,
)
from lammps_jobs.record.object_store import open_root, sha256_of
from lammps_jobs.record.rename import rename
from lammps_jobs.record.run_record import RunRecord, run_names
from lammps_jobs.record.sweep_record import Member, add_part, members, sweep_names
from lammps_jobs.script.inputs import gather

if TYPE_CHECKING:
    from obstore.store import ObjectStore

Values = str | float | int | Iterable[str | float | int]
"""What a LAMMPS variable can be given: one value, or several, over which the script's `next` goes."""


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
    return Cluster(site.store, site.backend, open_root(site.store, site.region))


LONGEST_SHOWN = 80
"""Characters of a name that are shown in an error, or taken of a script's for its run's."""


class Cluster:
    """A place where runs run, and the store where their records are. `connect` opens it."""

    def __init__(self, store: str, backend: Backend, root: ObjectStore) -> None:
        self.store, self._backend, self._root = store, backend, root

    def __repr__(self) -> str:
        return f"Cluster({self.store!r})"

    def _repr_html_(self) -> str:
        return table(self.statuses(), self.store)

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
    ) -> Run:
        """Start a run of `script` in the background and return at once.

        Files that the script names are taken along; `inputs` adds files or folders, or one. It starts in the folder
        `start`, by default in its own or, where more of its files are found from here, in the present one as `lmp -in`.
        Warns (UserWarning) of what may be wrong with the script.
        `variables` are what `lmp -var` would be given. `name` defaults to one derived from the script, and from its
        folder where a script elsewhere has that name already. Submitting the same specification under the same name
        again returns the run there is (`Run.is_new`). With `replace`, another run of that name that has stopped makes
        room: it is renamed (`NAME.past-1`). `cut_plan` is for rehearsals and tests: it asks for checkpoints at steps,
        where a user's run takes them by the clock.

        Raises InputMissing, UsageError (bad name, undefined or unused variable), NameTaken (the name has another
        specification: it says what differs), WrongState (`replace` of a run that runs), StoreError.
        """
        run = self._record(script, inputs, variables, name, resources, checkpoints, cut_plan, start, replace=replace)
        if not run.record.newest_attempt():
            self._backend.start(run.record)
        return run

    def _record(
        self, script: str | Path, inputs: str | Path | Iterable[str | Path], variables: Mapping[str, Values] | None,
        name: str | None, resources: Resources, checkpoints: Checkpoints, cut_plan: CutPlan = CutPlan(),
        start: str | Path | None = None, *, replace: bool = False,
    ) -> Run:  # fmt: skip
        """Put a run on record, and start nothing."""
        script = Path(script)
        words = values_of(variables or {})
        found = gather(script, listed(inputs), words, start=start)
        origin = str(script.resolve())
        record = RunRecord(self._root, checked_name(name) if name else self._free_name(script, origin))

        def spec_with(blob_of: Callable[[Path], Blob]) -> RunSpec:
            return RunSpec(
                name=record.name,
                script=found.script,
                inputs={path: blob_of(file) for path, file in found.files.items()},
                folders=found.folders,
                executables=found.executables,
                variables=words,
                resources=resources,
                checkpoints=checkpoints,
                cut_plan=cut_plan,
            )

        for text in found.warnings:
            warnings.warn(text, stacklevel=3)
        differ = self._differ(record, spec_with(_blob_of), found.files) if record.is_submitted() else []
        if differ and replace:
            record = self._made_room(record)
        elif differ:
            raise _name_taken(record.name, differ, self.store)
        is_new = not record.is_submitted()
        if is_new:
            spec = spec_with(record.put_file)
            if not record.submit(Submission(spec=spec, origin=origin)):  # somebody was faster
                is_new = False
                if differ := self._differ(record, spec, found.files):
                    raise _name_taken(record.name, differ, self.store)
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
    ) -> Sweep:
        """Submit many runs of `script`, with other variables each, and return at once.

        `over` holds the values of variables, of which all combinations are run (`{"T": [0.7, 0.8], "seed": "1..8"}`;
        side by side with `zipped`), or a row of variables a run, or names a CSV file of such rows. The runs are named
        after their values. On this machine they wait for free cores; on a stack all are in its queue. Further values
        under the same name join the sweep; those that it has already are left alone.

        All members are checked before the first is submitted. Raises what `submit` raises, and UsageError for no
        member, too many, or two that are the same.
        """
        script, rows = Path(script), members_of(over, zipped=zipped)
        sweep = checked_name(name or _name_from(script))
        names = names_of(sweep, rows, self._members(sweep))
        shared = values_of(variables or {})
        for row in rows:
            gather(script, listed(inputs), shared | {key: (value,) for key, value in row.items()})
        for run_name, row in zip(names, rows, strict=True):
            self._record(script, inputs, {**(variables or {}), **row}, run_name, resources, checkpoints)
        add_part(self._root, sweep, tuple(Member(run=n, variables=row) for n, row in zip(names, rows, strict=True)))
        made = self.find_sweep(sweep)
        for _ in range(0, len(rows), AT_A_LOOK):
            made.advance()
        self._backend.in_background(sweep)
        return made

    def _members(self, sweep: str) -> list[Member]:
        try:
            return members(self._root, sweep)
        except NoSuchRun:
            return []

    def find_sweep(self, name: str) -> Sweep:
        """The sweep of that name. Raises NoSuchRun when there is none."""
        return Sweep(self, name, members(self._root, checked_name(name)))

    def sweeps(self) -> list[Sweep]:
        """All sweeps in the store, by name."""
        return [self.find_sweep(name) for name in sweep_names(self._root)]

    def start_if_room(self, name: str, *, again: bool = False) -> bool:
        """Start an attempt of a run that waits or has stopped; False when there is no room for it."""
        return self._backend.start_if_room(RunRecord(self._root, name), again=again)

    # -- looking ---------------------------------------------------------------------------------

    def _free_name(self, script: Path, origin: str) -> str:
        """The script's name; with its folder's before it where a script elsewhere has taken that."""
        plain = _name_from(script)
        record = RunRecord(self._root, plain)
        taken_by = record.submission().origin if record.is_submitted() else ""
        return f"{_plain(Path(origin).parent.name)}-{plain}" if taken_by and taken_by != origin else plain

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
        return Run(rename(self._root, old, checked_name(new)), self._backend)

    def run(self, name: str) -> Run:
        """The run of that name. Raises NoSuchRun when there is none."""
        record = RunRecord(self._root, checked_name(name))
        try:
            record.submission()
        except NoSuchRun as error:
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


def listed(inputs: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """One input, or several, as a list: text is one path, not its letters."""
    return [inputs] if isinstance(inputs, str | Path) else list(inputs)


def values_of(variables: Mapping[str, Values]) -> dict[str, tuple[str, ...]]:
    """LAMMPS variables as the words that `lmp -var` takes: a single value becomes a tuple of one."""
    return {name: _words(name, value) for name, value in variables.items()}


def _words(name: str, value: Values) -> tuple[str, ...]:
    if isinstance(value, str | float | int):
        return (str(value),)
    try:
        found = tuple(str(item) for item in value)
    except TypeError:
        found = ()
    if not found:
        raise UsageError(f"The variable {name!r} has no value: {value!r}.", remedy="Give it a number, words or a list.")
    return found


def checked_name(name: str) -> str:
    """The name, when it is one. Raises UsageError."""
    if not RUN_NAME.fullmatch(name):
        shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}... ({len(name)} characters)"
        raise UsageError(f"{shown!r} is no name for a run.", remedy=NAME_RULE)
    return name


def _name_taken(name: str, differ: list[str], store: str) -> NameTaken:
    more = f", and {len(differ) - MOST} more" if len(differ) > MOST else ""
    return NameTaken(
        f"A run named {name!r} exists, and is another one: {'; '.join(differ[:MOST])}{more}.", where=store,
        remedy="Choose another --name, or --replace the old one, which is then kept as NAME.past-1.",
    )  # fmt: skip


def _name_from(script: Path) -> str:
    """`melt` from in.melt, melt.in and melt.lmp."""
    return _plain(script.name.removeprefix("in.").removesuffix(".in").removesuffix(".lmp").removesuffix(".lammps"))


def _plain(text: str) -> str:
    """Text as a run's name: accents taken off letters, what else is not allowed replaced by a dash."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text).strip("-._")[:LONGEST_SHOWN] or "run"


def _blob_of(file: Path) -> Blob:
    size = file.stat().st_size
    return Blob(sha256=sha256_of(file, 0, size), size=size)
