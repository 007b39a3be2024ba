"""An attempt as an AWS Batch job: `lammps-jobs-attempt --store s3://... --run NAME` inside the stack's container.

Exit codes, which the job definition's retry rules know: 0 done (or continued by another job), 75 interrupted with its
checkpoint committed, 76 the machine does not work; anything else would fail again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lammps_jobs.backends.aws_batch import arrays, continuation, following, gpu_health, topics
from lammps_jobs.backends.aws_batch.backend import OURS
from lammps_jobs.backends.aws_batch.contract import MOST_ATTEMPTS, Variable
from lammps_jobs.backends.aws_batch.metrics import Metrics
from lammps_jobs.engine.check import check
from lammps_jobs.errors import INTERRUPTED, MACHINE_UNUSABLE, LammpsJobsError, StackError, StoreAway
from lammps_jobs.record.documents import FULL_LOG, Event, Progress
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.environment import JobEnvironment
from lammps_jobs.supervisor.loop import Supervisor


def say(text: str) -> None:
    print(f"{OURS}{text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="lammps-jobs-attempt", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--store", help="where the runs are recorded: s3://bucket/runs")
    parser.add_argument("--run", help="the run's name; SWEEP@N for the run that the index says of the sweep's array N")
    parser.add_argument("--check", action="store_true", help="say what is in this image, and whether it works")
    args = parser.parse_args()
    if args.check:
        return check()
    if not args.store or not args.run:
        parser.error("--store and --run are needed")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(INTERRUPTED))  # until the supervisor listens, nothing is lost
    environment = JobEnvironment.from_variables()
    broken = gpu_health.fault(environment.gpus)
    if broken:
        say(f"this machine cannot be used: {broken}")
        return MACHINE_UNUSABLE
    try:
        return work(args.store, args.run, environment)
    except LammpsJobsError as error:
        say(str(error).replace("\n", " "))
        return INTERRUPTED if isinstance(error, StoreAway) else error.exit_code


def work(url: str, name: str, environment: JobEnvironment) -> int:
    """Run the attempt, and continue the run elsewhere where AWS Batch will not."""
    told = name
    root = open_root(url, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))
    found = (
        arrays.run_of(root, name, environment.index, environment.job) if arrays.MARK in name else RunRecord(root, name)
    )
    if found is None:
        say("the sweep was cancelled, or this run of it was started again since; nothing to do")
        return 0
    store, name = found, found.name
    if _was_cancelled(store):
        say("the run was cancelled; nothing to do")
        return 0
    put_off = following.is_put_off(store, url, environment, told) if environment.job else ""
    if put_off:
        say(put_off)
        return 0
    if environment.job and continuation.is_stuck(store, environment) and _goes_on_elsewhere(store, url, environment):
        return 0
    scratch = (
        Path(os.environ.get(Variable.SCRATCH, "/tmp"))
        / f"{environment.job.replace(':', '-') or name}-{environment.job_attempt}"
    )
    _make(scratch)
    metrics = Metrics(environment.stack, name, environment.pool)

    def observe(said: Progress | Event) -> None:
        if isinstance(said, Event):
            say(f"{said.kind}: {said.text}")
        made = (
            metrics.event(said)
            if isinstance(said, Event)
            else metrics.progress(said, lambda: gpu_health.use(environment.gpus))
        )
        if made:
            print(made, flush=True)

    environment = dataclasses.replace(environment, observe=observe, publish=topics.publish)
    supervisor = Supervisor.claim(store, scratch, environment)
    with printing(supervisor.scratch / FULL_LOG):
        code = supervisor.run()
    if code == INTERRUPTED and environment.job and environment.job_attempt >= MOST_ATTEMPTS:
        return 0 if _goes_on_elsewhere(store, url, environment) else code
    return code


def _make(scratch: Path) -> None:
    """Raises StackError where the job's volume is not its own: it has the owner that its folder has in the image."""
    try:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{scratch.parent} cannot be written: {error.strerror}",
            where=f"user {os.getuid()} in image {os.environ.get('LAMMPS_JOBS_IMAGE', 'unknown')}",
            remedy="Build the image from image/Dockerfile, where that folder is this user's.",
        ) from error


def _goes_on_elsewhere(store: RunRecord, url: str, environment: JobEnvironment) -> bool:
    """Whether another job took over; where that fails the user resumes the run, and nothing is lost."""
    try:
        request = continuation.submit_next(store, url, environment)
    except LammpsJobsError as error:
        say(f"the next job cannot be submitted: {error}".replace("\n", " "))
        return False
    if request:
        say(f"goes on as another job in pool {request.pool}")
    return request is not None


def _was_cancelled(store: RunRecord) -> bool:
    return store.newest()[1]


# -- the log -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def printing(path: Path, every_s: float = 1.0) -> Iterator[None]:
    """Print what is added to the stitched log, so that CloudWatch has it while the attempt runs."""
    over = threading.Event()

    def follow() -> None:
        file: BinaryIO | None = None
        rest = b""
        while True:
            last = over.is_set()
            if file:  # it stays readable when the attempt, at its end, removes its scratch folder
                *whole, rest = (rest + file.read()).split(b"\n")
                for text in whole:
                    print(text.decode(errors="replace"), flush=True)
            with contextlib.suppress(OSError):
                if file is None or path.stat().st_ino != os.fstat(file.fileno()).st_ino:  # begun anew
                    file, rest = path.open("rb"), b""
                    continue
            if last:
                return
            over.wait(every_s)

    thread = threading.Thread(target=follow, daemon=True, name="print-log")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


if __name__ == "__main__":
    sys.exit(main())
