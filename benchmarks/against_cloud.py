"""What the stack costs besides its machines: calls, seconds and bytes, on the stack emulated on loopback.

Prints the second table of docs/benchmarks.md. Transfers stand beside s5cmd's to the same server in the same run.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import boto3

import lammps_jobs
from emulator import ROOT, graph
from emulator.batch import Cloud
from emulator.containers import HINT, IMAGE, NoContainers, Podman, can_run_containers
from emulator.journeys import checkpointed, job_of
from emulator.patience import until
from emulator.stack import deployed
from lammps_jobs import Checkpoints
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord

MIB = 2**20
SCRIPT = """
units           lj
atom_style      atomic
lattice         fcc 0.8442
region          box block 0 6 0 6 0 6
create_box      1 box
create_atoms    1 box
mass            1 1.0
velocity        all create 1.44 87287 loop geom
pair_style      lj/cut 2.5
pair_coeff      1 1 1.0 1.0 2.5
fix             integrate all nve
dump            frames all custom 50 frames.lammpstrj id type x y z vx vy vz
thermo          50
run             2000000
"""
"""A small Lennard-Jones fluid that runs longer than any of these measurements."""
COLUMNS = ("what", "lammps-jobs", "bare tool", "ratio", "goal")


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def timed(function: Callable[[], object]) -> float:
    started = time.monotonic()
    function()
    return time.monotonic() - started


def calls_since(cloud: Cloud, start: int) -> str:
    """The calls that were made, by service."""
    counted = Counter(call.service for call in cloud.endpoint.calls[start:])
    return ", ".join(f"{count} {service}" for service, count in sorted(counted.items()))


def submitting(cloud: Cloud, script: Path, runs: int) -> None:
    """One submission, and a look at many runs that wait."""
    stack = lammps_jobs.connect("dev", pool="cpu")
    stack.submit(script, name="first")  # clients are made, connections opened
    start = len(cloud.endpoint.calls)
    seconds = [timed(lambda n=n: stack.submit(script, name=f"run-{n}")) for n in range(runs)]  # type: ignore[misc]
    one = len(cloud.endpoint.calls[start:]) / runs
    batch, s3 = boto3.client("batch"), boto3.client("s3")
    outputs = stack._backend.outputs  # type: ignore[attr-defined]

    def bare() -> None:
        s3.upload_file(str(script), outputs.bucket, "runs/bare/script")
        batch.submit_job(
            jobName="bare", jobQueue=outputs.pool("cpu").queue, jobDefinition=outputs.pool("cpu").definition,
            shareIdentifier="bare", parameters={"run": "bare", "store": "x"},
        )  # fmt: skip

    bare()
    plain = statistics.median(timed(bare) for _ in range(10))
    ours = statistics.median(seconds)
    row("submit a run", f"{ours * 1000:.0f} ms, {one:.0f} calls", f"{plain * 1000:.0f} ms, 2 calls (boto3)",
        f"{ours / plain:.1f}", "-")  # fmt: skip
    start = len(cloud.endpoint.calls)
    took = timed(stack.statuses)
    row(f"look at {runs + 1} runs", f"{took:.1f} s, {calls_since(cloud, start)}", "-", "-", "a Batch call per 100 runs")


def moving(size_mib: int, s5cmd: Path, turns: int) -> None:
    """A file to the store and back, by the record's store and by s5cmd, in turns, to the same server."""
    bucket = "bench-transfer"
    boto3.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]}
    )
    root = open_root(f"s3://{bucket}/runs", os.environ["AWS_REGION"])
    ours: dict[str, list[float]] = {"up": [], "down": []}
    theirs: dict[str, list[float]] = {"up": [], "down": []}
    command = [str(s5cmd), "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "--log", "error", "cp"]
    with tempfile.TemporaryDirectory(prefix="lammps-jobs-bench-") as folder:
        file, got = Path(folder) / "file", Path(folder) / "got"
        with file.open("wb") as out:
            for _ in range(size_mib):
                out.write(os.urandom(MIB))
        for turn in range(turns):
            record = RunRecord(root, f"turn-{turn}")
            blob = None

            def put(record: RunRecord = record) -> None:
                nonlocal blob
                blob = record.put_file(file)

            there = f"s3://{bucket}/s5cmd-{turn}"
            ours["up"].append(timed(put))
            theirs["up"].append(timed(lambda there=there: subprocess.run([*command, file, there], check=True)))  # type: ignore[misc]
            assert blob
            ours["down"].append(timed(lambda record=record, blob=blob: record.write_file([blob], got)))  # type: ignore[misc]
            theirs["down"].append(timed(lambda there=there: subprocess.run([*command, there, got], check=True)))  # type: ignore[misc]
    for way in ("up", "down"):
        mine, other = statistics.median(ours[way]), statistics.median(theirs[way])
        row(f"{size_mib} MiB {way}, hashed" + (" before" if way == "up" else " on the way"), f"{mine:.1f} s",
            f"{other:.1f} s (s5cmd, not hashed)", f"{other / mine:.2f}", "at least 1.0")  # fmt: skip


def containers(podman: Podman, script: Path) -> None:
    """The image, and an interruption in its container."""
    fresh = timed(lambda: podman.build(cached=False))
    size = int(podman("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout) / 1e6
    row("CPU image", f"{size:.0f} MB, built in {fresh:.0f} s on its base", "-", "-", "-")
    with deployed(podman) as (cloud, environment):
        os.environ.update(environment)
        stack = lammps_jobs.connect("dev", pool="cpu")
        found: dict[str, list[float]] = {"SIGTERM": [], "to done": [], "first": []}
        for turn in range(5):
            run = stack.submit(script, name=f"container-{turn}", checkpoints=Checkpoints(every_s=3))
            job = job_of(cloud, run)
            checkpointed(run, 1)
            run.interrupt()
            until(job.over.is_set, f"the end of {run.name}", job.described)
            events = {event.kind: event for event in run.events}
            notice, committed = events["notice"], events["checkpoint"]
            found["SIGTERM"].append((committed.at - notice.at).total_seconds())
            found["to done"].append((events["ended"].at - notice.at).total_seconds())
            found["first"].append((events["started"].at - run.record.job_requests()[0].asked).total_seconds())
    for what, values, goal in (
        ("SIGTERM to durable checkpoint, in a container", found["SIGTERM"], "110 s"),
        ("... to the attempt's end", found["to done"], "-"),
        ("submission to LAMMPS started, image at hand", found["first"], "-"),
    ):
        row(what, f"{statistics.median(values):.2f} s (n={len(values)})", "-", "-", goal)


def planning() -> None:
    for stack in ("dev", "prod"):
        command = [sys.executable, "-W", "ignore", "-m", "tools.preview", stack]
        took = timed(lambda command=command: subprocess.run(command, check=True, capture_output=True, cwd=ROOT))  # type: ignore[misc]
        own = timed(lambda stack=stack: graph.run(graph.config_of(stack), stack))  # type: ignore[misc]
        row(
            f"`make preview STACK={stack}`", f"{took:.1f} s, of it our program {own:.1f} s", "-", "-", "our program 3 s"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=999)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file that is moved")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--s5cmd", type=Path, default=Path(shutil.which("s5cmd") or ""))
    args = parser.parse_args()
    if not can_run_containers():
        print(HINT)
        return 10
    print(f"{platform.machine()}, {os.cpu_count()} cores\n")
    row(*COLUMNS)
    row(*["---"] * len(COLUMNS))
    with tempfile.TemporaryDirectory(prefix="lammps-jobs-bench-") as folder:
        script = Path(folder) / "in.bench"
        script.write_text(SCRIPT)
        with deployed(NoContainers()) as (cloud, environment):
            os.environ.update(environment)
            cloud.capacity.clear()
            submitting(cloud, script, args.runs)
            os.environ["AWS_ENDPOINT_URL"] = cloud.moto_url
            if args.s5cmd.is_file():
                moving(args.mib, args.s5cmd, args.turns)
        containers(Podman(), script)
    planning()
    return 0


if __name__ == "__main__":
    sys.exit(main())
