"""A cluster: where runs are submitted and found again."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lammps_jobs.api.run import Run
from lammps_jobs.api.status import RunStatus
from lammps_jobs.backends.base import AT_ONCE, Address, Backend, factory_of
from lammps_jobs.errors import NameTaken, UsageError
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
from lammps_jobs.record.run_record import RunRecord, run_names
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


class Cluster:
    """A place where runs run, and the store where their records are. `connect` opens it."""

    def __init__(self, store: str, backend: Backend, root: ObjectStore) -> None:
        self.store, self._backend, self._root = store, backend, root

    def __repr__(self) -> str:
        return f"Cluster({self.store!r})"

    def submit(
        self,
        script: str | Path,
        *,
        inputs: Iterable[str | Path] = (),
        variables: Mapping[str, Values] | None = None,
        name: str | None = None,
        resources: Resources = Resources(),
        checkpoints: Checkpoints = Checkpoints(),
        cut_plan: CutPlan = CutPlan(),
        start: str | Path | None = None,
    ) -> Run:
        """Start a run of `script` in the background and return at once.

        Files that the script names are taken along; `inputs` adds more files or folders. It starts in the folder
        `start`, by default in its own or, where more of its files are found from here, in the present one as `lmp -in`.
        Warns (UserWarning) of what may be wrong with the script.
        `variables` are what `lmp -var` would be given. `name` defaults to one derived from the script. Submitting
        the same specification under the same name again returns the run there is. `cut_plan` is for rehearsals and
        tests: it asks for checkpoints at steps, where a user's run takes them by the clock.

        Raises InputMissing, UsageError (bad name, undefined variable), NameTaken (the name has another
        specification), StoreError.
        """
        script = Path(script)
        words = values_of(variables or {})
        found = gather(script, inputs, words, start=start)
        record = RunRecord(self._root, _checked_name(name or _name_from(script)))

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
            warnings.warn(text, stacklevel=2)
        if record.is_submitted():
            self._require_same(record, spec_with(_blob_of))
        else:
            spec = spec_with(record.put_file)
            if not record.submit(Submission(spec=spec)):
                self._require_same(record, spec)  # somebody was faster
        if not record.newest_attempt():
            self._backend.start(record)
        return Run(record, self._backend)

    def _require_same(self, record: RunRecord, spec: RunSpec) -> None:
        """Raises NameTaken when the run that has the name is another one."""
        existing = record.submission().spec
        compared = RunSpec.model_fields.keys() - {"folders"}  # empty ones, which come and go beside a script
        differ = [
            key for key in RunSpec.model_fields if key in compared and getattr(existing, key) != getattr(spec, key)
        ]
        if not differ:
            return
        raise NameTaken(
            f"A run named {spec.name!r} exists with another specification ({', '.join(differ)} differ).",
            where=self.store,
            remedy="Choose another --name, or look at the old one: lammps-jobs status " + spec.name,
        )

    def run(self, name: str) -> Run:
        """The run of that name. Raises NoSuchRun when there is none."""
        record = RunRecord(self._root, name)
        record.submission()
        return Run(record, self._backend)

    def runs(self) -> list[Run]:
        """All runs in the store, by name."""
        return [Run(RunRecord(self._root, name), self._backend) for name in run_names(self._root)]

    def statuses(self) -> list[RunStatus]:
        """The states of all runs, by name, with few calls however many they are."""
        runs = self.runs()
        with self._backend.prefetch([run.record for run in runs]), ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda run: run.status, runs))


def values_of(variables: Mapping[str, Values]) -> dict[str, tuple[str, ...]]:
    """LAMMPS variables as the words that `lmp -var` takes: a single value becomes a tuple of one."""
    return {name: _words(value) for name, value in variables.items()}


def _words(value: Values) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str | float | int) else tuple(str(item) for item in value)


def _checked_name(name: str) -> str:
    if not RUN_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a run.", remedy=NAME_RULE)
    return name


def _name_from(script: Path) -> str:
    """`melt` from in.melt, melt.in and melt.lmp."""
    plain = script.name.removeprefix("in.").removesuffix(".in").removesuffix(".lmp").removesuffix(".lammps")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "run"


def _blob_of(file: Path) -> Blob:
    size = file.stat().st_size
    return Blob(sha256=sha256_of(file, 0, size), size=size)
