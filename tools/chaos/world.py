"""Where a campaign takes place: a store, the processes of its attempts, and a plan of what each run is to compute."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.endpoint import Call, Endpoint, Fault, serving
from emulator.servers import moto
from lammps_jobs.api.cluster import Cluster
from lammps_jobs.backends.local import CORES, OWNER, LocalBackend
from lammps_jobs.record.object_store import open_root
from lammps_jobs.supervisor import process


class Forked:
    """A supervisor that the zygote forked, as `subprocess.Popen` shows one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        return None if process.began(self.pid) else 1


class ForkingBackend(LocalBackend):
    """The local backend, with supervisors from a zygote."""

    def __init__(self, url: str, zygote: subprocess.Popen[str]) -> None:
        super().__init__(url)
        self._zygote, self._asking = zygote, threading.Lock()
        self.shift_s = 0.0
        """By how much the wall clock of attempts that start from now on is wrong."""

    def _launch(self, name: str, cores: int) -> tuple[Any, Path]:
        scratch = Path(tempfile.mkdtemp(prefix="lammps-jobs-"))
        (scratch / OWNER).write_text(self._mark(name))
        job = json.dumps({"store": self.url, "run": name, "scratch": str(scratch), CORES: cores})
        out = scratch / "supervisor.out"
        assert self._zygote.stdin
        assert self._zygote.stdout
        with self._asking:
            self._zygote.stdin.write(json.dumps({"job": job, "out": str(out), "shift_s": self.shift_s}) + "\n")
            self._zygote.stdin.flush()
            return Forked(int(self._zygote.stdout.readline())), out


@dataclass
class World:
    """A store on which runs are harmed."""

    kind: str
    """`folder` or `s3`."""
    cluster: Cluster
    folder: Path
    """For scripts and journals; of a folder store, its store is `folder/store`."""
    endpoint: Endpoint | None = None
    small_disk: Path | None = None
    """The folder of the store, where that is a file system of its own of a few MB."""

    @property
    def backend(self) -> LocalBackend:
        assert isinstance(self.cluster._backend, LocalBackend)
        return self.cluster._backend

    def clear(self, name: str) -> None:
        """Remove what is left of a run that is over: a small disk fills up, and the emulator of S3 looks through
        all keys for each list."""
        if self.kind == "s3":
            import boto3

            boto3.resource("s3").Bucket("chaos").objects.filter(Prefix=f"runs/{name}/").delete()
        else:
            shutil.rmtree(self.folder / "store" / name, ignore_errors=True)

    def add_fault(self, on: Callable[[Call], bool], kind: str, times: int) -> Fault:
        assert self.endpoint
        fault = Fault(on, kind, times)
        with self.endpoint.lock:
            self.endpoint.faults.append(fault)
        return fault


@contextlib.contextmanager
def zygote(endpoint: str) -> Iterator[subprocess.Popen[str]]:
    """Attempts speak with the store through `endpoint`, in which the faults are; the looks at them do not."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tools.chaos.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})},
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextlib.contextmanager
def world(kind: str, *, real: bool) -> Iterator[World]:
    """A new store of that kind, `folder` or `s3`; `real` attempts run LAMMPS."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)))
        endpoint, url, address = None, str(folder / "store"), ""
        if kind == "s3":
            endpoint = Endpoint(stack.enter_context(moto()))
            address = stack.enter_context(serving(endpoint, lambda *_: (500, {}, "")))
            os.environ.update(AWS_ENDPOINT_URL=endpoint.moto_url, AWS_ACCESS_KEY_ID="test",
                              AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1",
                              AWS_DEFAULT_REGION="us-east-1")  # fmt: skip
            import boto3

            boto3.client("s3", endpoint_url=endpoint.moto_url).create_bucket(Bucket="chaos")
            url = "s3://chaos/runs"
        disk = folder / "store" if kind == "folder" and not real else None
        if disk and not stack.enter_context(_small_disk(disk)):
            disk = None
        backend = LocalBackend(url) if real else ForkingBackend(url, stack.enter_context(zygote(address)))
        yield World(kind, Cluster(url, backend, open_root(url)), folder, endpoint, disk)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Make the folder a file system of 16 MB; False where this user may not."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "chaos", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def signalled(pid: int | None, number: signal.Signals) -> bool:
    """Whether the process was there to get the signal."""
    if not pid or process.began(pid) is None:
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
        return True
    return False


def command_of(seed: int, kind: str, *, real: bool) -> str:
    """The command that repeats a scenario."""
    words = ["python", "-m", "tools.chaos", "--seed", str(seed), "--store", kind, "--scenarios", "1"]
    words += ["--real"] if real else []
    return shlex.join(words)
