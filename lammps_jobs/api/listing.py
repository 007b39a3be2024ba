"""Many runs at a glance, from the store's index: a call for a thousand of them."""

from __future__ import annotations

import functools
import itertools
import socket
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lammps_jobs.api.status import Reading, RunStatus, derive
from lammps_jobs.backends.base import AT_ONCE, Backend, JobStatus
from lammps_jobs.record import index, labels, layout
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Blob,
    CheckpointFacts,
    Document,
    Fidelity,
    JobAnswer,
    JobRequest,
    Outcome,
    Progress,
    ResultFacts,
    RunSpec,
    Submission,
)
from lammps_jobs.record.index import A_PAGE, Row
from lammps_jobs.record.run_record import RunRecord, glance_of
from lammps_jobs.record.summary import Kind, Summary
from lammps_jobs.supervisor import process

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MAY_GO_ON: tuple[Kind, ...] = ("waiting", "starting", "running", "interrupted")
"""Of these the backend is asked: their rows do not say what becomes of them."""
_OUTCOMES: dict[Kind, Outcome] = {"interrupted": "interrupted", "failed": "failed", "finished": "finished"}
_NO_BLOB = Blob(sha256="0" * 64, size=0)


def listing(
    root: ObjectStore, backend: Backend, *, states: Collection[str] = (), pattern: str = "", tag: str = "",
    most: int | None = None, after: str = "",
) -> list[RunStatus]:  # fmt: skip
    """The runs, those submitted last first: only those in one of `states`, named like `pattern`, with the `tag`, `most`
    of them, behind the cursor `after` (`index.cursor_of`).

    Reasons are not told; `Run.status` has them. Raises StoreError, CloudError.
    """
    meant = labels.tagged(root, *labels.checked_tags(tag)) if tag else None
    rows = (
        row for row in index.rows(root, after)
        if (not pattern or fnmatchcase(row.name, pattern)) and (meant is None or row.name in meant)
    )  # fmt: skip
    found: list[RunStatus] = []
    for page in _pages(rows, A_PAGE if states or most is None else most):
        seen = statuses_of(root, backend, page)
        found += [status for status in seen if not states or status.state in states]
        if most is not None and len(found) >= most:
            break
    return found[:most]


def _pages(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while page := list(itertools.islice(rows, size)):
        yield page


def statuses_of(root: ObjectStore, backend: Backend, rows: Iterable[Row]) -> list[RunStatus]:
    """What becomes of rows when their backend has been asked, in bulk, which of them still run."""
    found = [(row, summary_of(row)) for row in rows]
    asked = {row.name: _glance(root, row, seen) for row, seen in found if row.kind in MAY_GO_ON}
    with backend.prefetch(list(asked.values())), ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = dict(zip(asked, pool.map(backend.status, asked.values()), strict=True))
    return [derive(Reading.of(row.name, seen), jobs.get(row.name, JobStatus("gone"))) for row, seen in found]


def summary_of(row: Row) -> Summary:
    """The run's head as far as its row tells it."""
    fidelity = Fidelity(grade=row.grade, as_if="never cut" if row.is_as_never_cut else "set up again")
    changed = row.changed or row.submitted
    attempt = progress = checkpoint = end = result = None
    if row.attempt:
        attempt = _attempt_of(row, changed)
    if row.target or row.stage or row.kind == "running":
        progress = Progress(attempt=row.attempt, step=row.step, target=row.target, stage=row.stage, updated=changed,
                            fidelity_so_far=fidelity)  # fmt: skip
    if row.checkpoint:
        checkpoint = _checkpoint_of(row, changed)
    if row.kind in _OUTCOMES:
        end = AttemptEnd(number=row.attempt, outcome=_OUTCOMES[row.kind], last_step=row.step, ended=changed,
                         fidelity_so_far=fidelity)  # fmt: skip
    if row.kind == "finished":
        result = ResultFacts(attempt=row.attempt, step=row.step, finished=changed, fidelity_so_far=fidelity)
    return Summary(
        submitted=row.submitted, began=row.began, cancelled=row.kind == "cancelled", job=row.job, attempt=attempt,
        progress=progress, checkpoint=checkpoint, end=end, result=result,
    )  # fmt: skip


@functools.cache
def _here() -> tuple[str, str]:
    """This host, and its start."""
    return socket.gethostname(), process.boot_id()


def _attempt_of(row: Row, changed: datetime) -> Attempt:
    """A host that is not this one is some other."""
    host, boot = _here()
    return Attempt(
        number=row.attempt, host=host if row.host == index.hash_of(host) else row.host, supervisor_pid=row.pid,
        supervisor_started=row.started, boot=boot if row.boot == index.hash_of(boot) else row.boot, scratch="",
        job=row.job if row.job_attempt else "", job_attempt=row.job_attempt, claimed=changed,
    )  # fmt: skip


def _checkpoint_of(row: Row, changed: datetime) -> CheckpointFacts:
    return CheckpointFacts(
        seq=row.checkpoint or 1, attempt=row.attempt, step=row.checkpoint_step or 0, stage=row.stage,
        stage_boundary=False, restart={}, state=_NO_BLOB, lammps_version=0, ranks=1, committed=changed,
    )  # fmt: skip


def _glance(root: ObjectStore, row: Row, seen: Summary) -> RunRecord:
    """The record as the row tells it, with its job where it has one."""
    record = glance_of(RunRecord(root, row.name), seen)
    spec = RunSpec(name=row.name, script="script", inputs={})
    record = record.glance({layout.SPEC: Submission(spec=spec, submitted=row.submitted)}, {})
    if not row.job:
        return record
    request = JobRequest(number=1, name="", stack="", pool="", queue="", definition="", asked=row.submitted)
    known: dict[str, Document] = {"jobs/0001.json": request, "jobs/0001.id.json": JobAnswer(job_id=row.job)}
    return record.glance(known, {"jobs": ["0001.id.json", "0001.json"]})


def write_anew(records: Iterable[RunRecord], read: Callable[[RunRecord], Summary | None]) -> None:
    """Write the heads and rows of these runs from what `read` makes of their records."""

    def write(record: RunRecord) -> None:
        found = read(record)
        if found:
            record.tell_of(lambda seen: found.model_copy(update={"row": seen.row, "old_rows": seen.old_rows}))
            index.put(record.root, index.row_of(record.name, found))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(write, records))
