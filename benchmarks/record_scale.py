"""What the record costs at scale: calls for a listing, and manifests, memory and time of one long run. No LAMMPS.

`python -m benchmarks.record_scale --runs 10000 --checkpoints 2000 --files 50 [--s3]`
"""

from __future__ import annotations

import argparse
import html
import os
import re
import resource
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import obstore

from emulator.endpoint import Endpoint, serving
from emulator.servers import moto
from lammps_jobs.api.cluster import connect
from lammps_jobs.api.download import write
from lammps_jobs.record import index
from lammps_jobs.record.documents import (
    Attempt,
    AttemptEnd,
    Checkpoint,
    OutputFile,
    Progress,
    Result,
    ResultFacts,
    RunSpec,
    Submission,
)
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import Summary, told
from lammps_jobs.supervisor.rolling import Roller

Calls = Callable[[], int]

KEPT = 3
"""Checkpoints that retention leaves."""
PIECE = 100
"""Bytes that a checkpoint adds to a file."""
SHOWN = 100
"""Runs of a page of `list`."""


def make_run(record: RunRecord) -> None:
    """A finished run, as its attempt leaves it."""
    attempt = Attempt(number=1, host="elsewhere", supervisor_pid=1, supervisor_started=0, scratch="")
    progress = Progress(attempt=1, step=9, target=9, stage=1)
    result, end = Result(attempt=1, step=9, outputs={}), AttemptEnd(number=1, outcome="finished")
    facts = ResultFacts(attempt=1, step=9, finished=result.finished)
    record.submit(Submission(spec=RunSpec(name=record.name, script="in.x", inputs={})))
    record.claim(attempt)
    record.publish_progress(progress)
    record.finish(result)
    record.end(end)
    record.tell_of(partial(told, attempt=attempt, progress=progress, end=end, result=facts), may_remove=True)


def timed(what: str, do: Callable[[], Any], calls: Calls) -> None:
    before, began, own = calls(), time.monotonic(), time.thread_time()
    found = do()
    count = len(found) if isinstance(found, list) else 1
    took, computed = time.monotonic() - began, time.thread_time() - own
    print(
        f"{what}: {count} runs, {calls() - before} calls, {took:.2f} s, of it computed here {computed:.3f} s",
        flush=True,
    )


def bare_list(url: str, pages: int) -> list[None]:
    """So many LISTs of the index, a thousand rows each, straight from the server, and nothing made of the answers."""
    token = ""
    for _ in range(pages):
        query = {"list-type": "2", "prefix": "runs/_index/", **({"continuation-token": token} if token else {})}
        with urllib.request.urlopen(f"{url}/bench?{urllib.parse.urlencode(query)}", timeout=300) as answer:
            found = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", answer.read().decode())
        token = html.unescape(found[1]) if found else ""
    return [None] * pages


def looks(store: str, runs: int, calls: Calls) -> None:
    """A page of the list, all of it, one run; and all records one after another, as before there was an index."""
    place = connect(store=store)
    timed("page of the list", lambda: place.listing(most=SHOWN), calls)
    timed("whole list", place.listing, calls)
    timed("status of one run", lambda: place.run(f"run-{runs // 2:05d}").status, calls)
    timed("from the records", lambda: place.statuses([f"run-{n:05d}" for n in range(min(runs, SHOWN))]), calls)


def make_bare_run(record: RunRecord) -> None:
    """Only what a list and a look-up of names see of a finished run: its specification and its row."""
    submission = Submission(spec=RunSpec(name=record.name, script="in.x", inputs={}))
    obstore.put(record.root, f"{record.name}/spec.json", submission.model_dump_json().encode())
    facts = ResultFacts(attempt=1, step=9, finished=submission.submitted)
    index.put(record.root, index.row_of(record.name, Summary(submitted=submission.submitted, result=facts)))


def fill(store: str, runs: int, whole: int) -> None:
    """So many runs, of which the first `whole` and the middle one are whole records."""
    root = open_root(store)

    def make(number: int) -> None:
        is_whole = number < whole or number == runs // 2
        (make_run if is_whole else make_bare_run)(RunRecord(root, f"run-{number:05d}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(runs)))


def counting() -> Calls:
    """Count the calls to a folder from now on."""
    counts: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **how: Any) -> Any:
            counts[name] += 1
            return call(*args, **how)

        return operation

    for name in ("put", "get", "head", "list", "list_with_delimiter", "delete"):
        setattr(obstore, name, counted(name, getattr(obstore, name)))
    return counts.total


def on_s3(runs: int) -> None:
    """The same on an S3 server on loopback, where HTTP requests are counted."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1"
    )
    with moto() as behind:
        os.environ["AWS_ENDPOINT_URL"] = behind
        boto3.client("s3").create_bucket(Bucket="bench")
        fill("s3://bench/runs", runs, SHOWN)
        endpoint = Endpoint(behind)
        with serving(endpoint, lambda *_: (500, {}, "")) as url:
            os.environ["AWS_ENDPOINT_URL"] = url
            calls = lambda: len(endpoint.calls)  # noqa: E731
            looks("s3://bench/runs", runs, calls)
            for pages in (1, -(-runs // index.A_PAGE)):
                timed(f"the server alone, {pages} LIST(s)", partial(bare_list, url, pages), calls)


def long_run(store: str, checkpoints: int, files: int) -> None:
    """One run of so many checkpoints, in each of which so many files grow; then as a resume and a download read it."""
    record = RunRecord(open_root(store), "long")
    state = record.put_bytes(b"state", of=1)
    outputs = {f"dump.{number}": OutputFile() for number in range(files)}
    roller = Roller(record, {})
    began, written, longest = time.monotonic(), 0, 0.0
    with ThreadPoolExecutor(8) as pool:
        for seq in range(1, checkpoints + 1):
            added = pool.map(lambda _: record.put_bytes(os.urandom(PIECE)), outputs)
            outputs = {
                name: OutputFile(segments=(*one.segments, blob))
                for (name, one), blob in zip(roller.applied(outputs).items(), added, strict=True)
            }
            checkpoint = Checkpoint(
                seq=seq, attempt=1, step=seq, stage=1, stage_boundary=False, restart={}, state=state, outputs=outputs,
                lammps_version=1, ranks=1,
            )  # fmt: skip
            at = time.monotonic()
            record.commit(checkpoint)
            longest = max(longest, time.monotonic() - at)
            written += record.sizes("checkpoints/")[f"checkpoints/{seq:06d}.json"]
            if seq > KEPT:
                record.remove(f"checkpoints/{seq - KEPT:06d}.json")
            roller.begin(outputs)
            roller.settle()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    last = record.sizes("checkpoints/")[f"checkpoints/{checkpoints:06d}.json"]
    stored = sum(record.sizes("blobs/").values())
    print(
        f"long run: {checkpoints} checkpoints of {files} files in {time.monotonic() - began:.1f} s; last manifest "
        f"{last / 1e6:.3f} MB, all {written / 1e6:.1f} MB, longest commit {longest:.2f} s; memory {memory:.0f} MB; "
        f"{checkpoints * files} segments of {PIECE} bytes are {sum(len(one.segments) for one in outputs.values())}, "
        f"{stored / 1e6:.0f} MB stored, lists included",
        flush=True,
    )
    look_at_long(RunRecord(record.root, "long"), checkpoints)


def look_at_long(record: RunRecord, seq: int) -> None:
    """In a folder; what a network adds is a wait for each call, or for so many of them at a time."""
    calls = counting()
    at, before = time.monotonic(), calls()
    found = record.checkpoint(seq)
    print(f"... read with all lists: {calls() - before} calls, {time.monotonic() - at:.2f} s", flush=True)
    assert found
    at, before = time.monotonic(), calls()
    record.verify(found)
    print(f"... verified: {calls() - before} calls, {time.monotonic() - at:.2f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        at, before = time.monotonic(), calls()
        write(record, found.outputs, Path(folder), overwrite=False)
        print(f"... downloaded: {calls() - before} calls, {time.monotonic() - at:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--checkpoints", type=int, default=200)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--s3", action="store_true", help="the runs on an S3 server on loopback, not in a folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.checkpoints:
            long_run(f"{folder}/long", args.checkpoints, args.files)
        if args.s3:
            on_s3(args.runs)
        else:
            fill(f"{folder}/runs", args.runs, args.runs)
            looks(f"{folder}/runs", args.runs, counting())


if __name__ == "__main__":
    main()
