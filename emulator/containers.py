"""Containers without a Docker engine: podman on a store of its own, and the CPU image built with buildah.

No registry is reached: the base image is made by debootstrap under the name that the Dockerfile's FROM uses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator import ROOT
from emulator.patience import scaled

NEEDED = ("podman", "buildah", "runc", "catatonit", "debootstrap")
HINT = "no containers here: apt-get install podman buildah runc catatonit debootstrap (as root)"
BASE = "docker.io/library/debian:bookworm-slim"
IMAGE = f"localhost/lammps-jobs:cpu-{zlib.crc32(str(ROOT).encode()):08x}"
"""Of this working copy: another one on the same machine may hold other code."""
CERTIFICATES = "/etc/ssl/certs"
LOOK_EVERY_S = 10.0
"""Seconds between two looks at a container whose client still waits for it."""

CONF = """[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
netns="host"
[engine]
cgroup_manager="cgroupfs"
runtime="{runc}"
"""


def can_run_containers() -> bool:
    """Whether the tools are here, and the right to use them."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in NEEDED)


def _overlays(folder: Path) -> bool:
    """Whether the kernel lets us lay one folder over another here."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        lower, upper, work, merged = (Path(made, name) for name in ("lower", "upper", "work", "merged"))
        for path in (lower, upper, work, merged):
            path.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)]
        if subprocess.run(mount, capture_output=True, timeout=20, check=False).returncode:
            return False
        subprocess.run(["umount", str(merged)], check=True, timeout=20)
        return True


class Podman:
    """Images and containers in the cache folder of this project; containers are removed by who made them."""

    def __init__(self) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lammps-jobs"
        self.home = cache / "containers"
        self.home.mkdir(parents=True, exist_ok=True)
        conf = self.home / "containers.conf"
        conf.write_text(CONF.format(runc=shutil.which("runc")))
        self.environment = {**os.environ, "CONTAINERS_CONF": str(conf)}
        driver = "overlay" if _overlays(self.home) else "vfs"  # vfs copies the whole image for every container
        store = ["--root", str(self.home / driver), "--runroot", str(self.home / "run"), "--storage-driver", driver]
        self._podman, self._buildah = ["podman", *store], ["buildah", *store]

    @property
    def command(self) -> list[str]:
        """The words before podman's own, for who starts it himself."""
        return ["env", f"CONTAINERS_CONF={self.environment['CONTAINERS_CONF']}", *self._podman]

    def __call__(self, *args: str, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        command = [*self._podman, *args]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=scaled(timeout_s), check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {' '.join(args)}: {done.stderr.strip()}")
        return done

    def popen(self, *args: str, **how: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._podman, *args], env=self.environment, **how)

    def end_of(self, container: str, client: subprocess.Popen[bytes]) -> int:
        """Wait for the end of a container that `client` runs, and remove it: its exit code.

        podman's client can miss the end of a container that another client stops at the same moment; so the container
        itself is asked, too.
        """
        try:
            while True:
                try:
                    return client.wait(LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    told = self("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container, check=False)
                    status, _, code = told.stdout.strip().partition(" ")
                    if status in ("exited", "stopped") and client.poll() is None:
                        client.kill()
                        client.wait()
                        return int(code)
        finally:
            self("rm", "--force", "--ignore", container, check=False)

    def make_base(self) -> None:
        """The base image, from Debian's packages (half a minute, once); by one process at a time."""
        with (self.home / "base.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self("image", "exists", BASE, check=False).returncode:
                self._import_base(self.home / "base")

    def _import_base(self, tree: Path) -> None:
        for mounted in ("proc", "sys"):  # of one that was killed: then nothing could be removed, or made there again
            subprocess.run(["umount", "--lazy", str(tree / mounted)], capture_output=True, timeout=20, check=False)
        shutil.rmtree(tree, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(tree)],
                       check=True, capture_output=True, timeout=scaled(600))  # fmt: skip
        packed = subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run([*self._podman, "import", "-", BASE], stdin=packed.stdout, env=self.environment, check=True,
                       capture_output=True, timeout=scaled(600))  # fmt: skip
        packed.wait(scaled(60))
        shutil.rmtree(tree)

    def layers(self, tag: str = IMAGE) -> list[str]:
        """Each layer of an image that holds anything: its size, and what made it."""
        said = self("history", "--format", "{{.Size}}\t{{.CreatedBy}}", tag).stdout.splitlines()
        pairs = [line.split("\t", 1) for line in said if not line.startswith("0 ")]
        return [f"{size:>9s}  {made}" for size, made in pairs]

    def build(self, target: str = "cpu", tag: str = IMAGE, *, cached: bool = True) -> float:
        """Build a target of image/Dockerfile; the seconds that it took. Unchanged layers are not built again."""
        started = time.monotonic()
        done = subprocess.run(self.building(target, tag, [] if cached else ["--no-cache"]), cwd=ROOT, text=True,
                              capture_output=True, env=self.environment, timeout=scaled(1200), check=False)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the image {tag} cannot be built:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return time.monotonic() - started

    def building(self, target: str, tag: str, options: Sequence[str] = ()) -> list[str]:
        """The command that builds a target of image/Dockerfile, on the base image that is made here first."""
        self.make_base()
        return [*self._buildah, "bud", "--isolation=chroot", "--pull-never", "--layers", *options, "--target", target,
                "--tag", tag, "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
                "--file", "image/Dockerfile", "."]  # fmt: skip


class NoContainers(Podman):
    """Where no machine ever comes: starting or touching a container is an error."""

    def __init__(self) -> None:
        """Nothing is looked for on this machine."""

    def __call__(self, *args: str, check: bool = True, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        raise AssertionError(f"no container should be touched: {args}")
