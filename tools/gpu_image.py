"""`make gpu-image`: build the image for GPUs here, without a GPU, a Docker engine or NVIDIA's servers, and look at it.

    python -m tools.gpu_image Ampere80 [--source FOLDER] [--small] [--jobs N] [--check-only]

As root, with podman and buildah. The base image is made by debootstrap, CUDA's compiler comes as Python wheels,
LAMMPS's source from its release or from FOLDER (with cmake, lib, python and src). What was compiled is kept in a cache,
also by a build that was ended in its middle.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from emulator import ROOT
from emulator.containers import HINT, Podman, can_run_containers

ARCHITECTURES = ("Turing75", "Ampere80", "Ampere86", "Ada89", "Hopper90")
STUBS = "/opt/stubs"
MELT = """units lj
lattice fcc 0.8442
region box block 0 6 0 6 0 6
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
fix 1 all nve
thermo 20
run 100
run 100
"""
CHECKS = (
    ("LAMMPS lists its packages and styles", "lmp -help | grep -c '/kk'"),
    ("the runner's check", "lammps-jobs-attempt --check"),
    ("a run of ours on one rank, on host styles", "cd /tmp && lammps-jobs --store /tmp/store run in.melt --name one"),
    ("a rehearsal on two ranks, on host styles", "cd /tmp && lammps-jobs rehearse in.melt --ranks 2 --kill"),
    ("without a GPU, KOKKOS says so", "lmp -k on g 1 -sf kk -in /tmp/in.melt 2>&1 | grep -i -m1 'cuda'"),
)
"""What is looked at, and the command in a container that succeeds where it is so."""


def build(podman: Podman, arch: str, *, source: Path | None, small: bool, jobs: int) -> str:
    """Build the image, saying what goes on, and give its tag. Ends the program where it cannot be built."""
    tag = f"localhost/lammps-jobs:{arch.lower()}{'-small' if small else ''}"
    options = ["--build-arg", f"GPU_ARCH={arch}", "--build-arg", f"JOBS={jobs}", "--build-arg", f"SMALL={'1' * small}"]
    if source:
        options += ["--build-context", f"lammps-source={source.resolve()}"]
    started = time.monotonic()
    code = subprocess.call(podman.building("gpu", tag, options), cwd=ROOT, env=podman.environment)
    if code:
        sys.exit(f"The image for {arch} cannot be built, see above; run it again to go on from what is compiled.")
    print(f"== {tag}: built in {time.monotonic() - started:.0f} s")
    return tag


def check(podman: Podman, tag: str) -> list[str]:
    """What of the image is not as it should be. A machine with a GPU brings libcuda; here a stub takes its place."""
    for layer in podman.layers(tag):
        print(f"   {layer}")
    stubs = podman.home / "stubs"
    stubs.mkdir(exist_ok=True)
    names = {*podman("run", "--rm", tag, "python3", "-c", OF_THE_DRIVER).stdout.split(), "cuInit"}
    source = "".join(f"int {name}(void) {{ return 34; }}\n" for name in sorted(names))
    library = stubs / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-x", "c", "-o", library, "-"],
                   input=source.encode(), check=True)  # fmt: skip
    (stubs / "in.melt").write_text(MELT)
    return [wrong for what, command in CHECKS if (wrong := _check(podman, tag, stubs, what, command))]


def _check(podman: Podman, tag: str, stubs: Path, what: str, command: str) -> str:
    with_stubs = ("--env", f"LD_LIBRARY_PATH={STUBS}", "--volume", f"{stubs}:{STUBS}:ro")
    script = f"cp {STUBS}/in.melt /tmp; {command}"
    done = podman("run", "--rm", *with_stubs, tag, "sh", "-c", script, check=False, timeout_s=300)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
    print(f"== {'WRONG' if done.returncode else 'as it should be'}: {what}: {' '.join(said)}", flush=True)
    return f"{what}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}" if done.returncode else ""


OF_THE_DRIVER = r"""
import pathlib, re, sysconfig
library = pathlib.Path(sysconfig.get_path("purelib"), "lammps", "liblammps.so").read_bytes()
print(*sorted({name.decode() for name in re.findall(rb"\x00(cu[A-Z][A-Za-z0-9_]+)(?=\x00)", library)}))
"""
"""Prints which functions of the driver LAMMPS's library names."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("arch", choices=ARCHITECTURES)
    parser.add_argument("--source", type=Path, help="folder with LAMMPS's cmake, lib, python and src")
    parser.add_argument("--small", action="store_true", help="few packages and styles, for a trial")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time, of up to 2.5 GiB")
    parser.add_argument("--check-only", action="store_true", help="look at the image that is there")
    asked = parser.parse_args()
    if not can_run_containers():
        sys.exit(HINT)
    podman = Podman()
    tag = f"localhost/lammps-jobs:{asked.arch.lower()}{'-small' if asked.small else ''}"
    if not asked.check_only:
        build(podman, asked.arch, source=asked.source, small=asked.small, jobs=asked.jobs)
    wrong = check(podman, tag)
    if wrong:
        sys.exit("\n\n".join(wrong))


if __name__ == "__main__":
    main()
