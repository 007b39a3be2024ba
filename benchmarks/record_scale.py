"""What the record costs at scale: calls for a listing, and manifests, memory and time of one long run. No LAMMPS.

`python -m benchmarks.record_scale --runs 10000 --checkpoints 2000 --files 50 [--store s3://...]`
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import obstore

from lammps_jobs.api.cluster import connect
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Blob,
    Checkpoint,
    OutputFile,
    Progress,
    Result,
    RunSpec,
    Submission,
)
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord

CALLS = ("put", "get", "head", "list", "list_with_delimiter", "delete")


def counting() -> Counter[str]:
    """Count the calls to the store from now on."""
    counts: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **how: Any) -> Any:
            counts[name] += 1
            return call(*args, **how)

        return operation

    for name in CALLS:
        setattr(obstore, name, counted(name, getattr(obstore, name)))
    return counts


def make_run(record: RunRecord) -> None:
    record.submit(Submission(spec=RunSpec(name=record.name, script="in.x", inputs={})))
    record.claim(Attempt(number=1, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch=""))
    record.publish_progress(Progress(attempt=1, step=9, target=9, stage=1))
    record.finish(Result(attempt=1, step=9, outputs={}))
    record.end(AttemptEnd(number=1, outcome="finished"))


def listing(store: str, runs: int, counts: Counter[str]) -> None:
    root = open_root(store)
    for number in range(runs):
        make_run(RunRecord(root, f"run-{number:05d}"))
    counts.clear()
    began = time.monotonic()
    found = connect(store=store).statuses()
    print(f"list: {len(found)} runs, {sum(counts.values())} calls ({dict(counts)}), {time.monotonic() - began:.1f} s")


def long_run(store: str, checkpoints: int, files: int) -> None:
    record = RunRecord(open_root(store), "long")
    state = record.put_bytes(b"state", of=1)
    outputs = {f"dump.{number}": OutputFile() for number in range(files)}
    began, written, longest = time.monotonic(), 0, 0.0
    for seq in range(1, checkpoints + 1):
        outputs = {
            name: OutputFile(segments=(*one.segments, Blob(sha256=os.urandom(32).hex(), size=1)))
            for name, one in outputs.items()
        }
        checkpoint = Checkpoint(
            seq=seq, attempt=1, step=seq, stage=1, stage_boundary=False, restart={}, state=state, outputs=outputs,
            lammps_version=1, ranks=1,
        )  # fmt: skip
        at = time.monotonic()
        record.commit(checkpoint)
        longest = max(longest, time.monotonic() - at)
        written += len(checkpoint.model_dump_json(indent=1))
    last = len(checkpoint.model_dump_json(indent=1))
    at = time.monotonic()
    RunRecord(record.root, "long").checkpoint(checkpoints)
    print(
        f"long run: {checkpoints} checkpoints of {files} files in {time.monotonic() - began:.1f} s; last manifest "
        f"{last / 1e6:.2f} MB, all {written / 1e6:.0f} MB, longest commit {longest:.2f} s, read again in "
        f"{time.monotonic() - at:.2f} s; memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--checkpoints", type=int, default=200)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--store", help="a folder or s3://bucket/prefix; a temporary folder by default")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        long_run(args.store or f"{folder}/long", args.checkpoints, args.files)
        counts = counting()
        listing(args.store or f"{folder}/runs", args.runs, counts)


if __name__ == "__main__":
    main()
