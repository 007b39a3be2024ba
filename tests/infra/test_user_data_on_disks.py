"""A machine's first start with disks that are there: loop devices, in a container without mdadm, dnf and systemd."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.containers import BASE, HINT, Podman, can_run_containers
from infra.batch import user_data
from infra.config import Pool
from tests.waiting import scaled

POOL = {"name": "a100", "instance_types": ["p4d.24xlarge"], "gpu": "Ampere80", "max_vcpus": 96,
        "scratch": "instance-store"}  # fmt: skip
SIZE_MIB = 64


def has_loop_devices() -> bool:
    return subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(not can_run_containers(), reason=HINT),
    pytest.mark.skipif(can_run_containers() and not has_loop_devices(), reason="no loop devices: modprobe loop"),
]

# Debian's small image has no xfs; the disks of this machine are none of Amazon's.
TOOLS = """
printf '#!/bin/sh\\nfor last; do :; done\\nexec mkfs.ext4 -q -F "$last"\\n' >/usr/local/sbin/mkfs.xfs
printf '#!/bin/sh\\nfor disk in {disks}; do echo "$disk Amazon Instance Storage"; done\\n' >/usr/local/bin/lsblk
chmod +x /usr/local/sbin/mkfs.xfs /usr/local/bin/lsblk
"""
AFTER = """
echo "mounted: $(findmnt --noheadings --output SOURCE /var/lib/docker/volumes)"
echo "mode: $(stat --format %a /var/lib/docker/volumes)"
mkdir /var/lib/docker/volumes/job && echo "written: $?"
echo "settings: $(grep -c = /etc/ecs/ecs.config)"
service=/usr/local/sbin/lammps-jobs-notices
echo "service: $(bash -n $service; echo $?) $(stat --format %a $service)"
"""


@contextlib.contextmanager
def disks(folder: Path, number: int) -> Iterator[list[str]]:
    made = []
    try:
        for at in range(number):
            file = folder / f"disk{at}"
            with file.open("wb") as out:
                out.truncate(SIZE_MIB * 2**20)
            attach = ["losetup", "--find", "--show", str(file)]
            done = subprocess.run(attach, capture_output=True, text=True, check=True, timeout=scaled(20))
            made.append(done.stdout.strip())
        yield made
    finally:
        for one in made:
            subprocess.run(["losetup", "--detach", one], check=True, timeout=scaled(20))


def first_start(folder: Path, there: list[str]) -> tuple[dict[str, str], str]:
    """What the machine is afterwards, and what it said."""
    podman = Podman()
    podman.make_base()
    script = user_data(Pool.model_validate(POOL)).partition("#!/bin/bash")[2].rpartition("\n--")[0]
    (folder / "first-start").write_text(script)
    (folder / "all").write_text(f"{TOOLS.format(disks=' '.join(there))}\nbash /start/first-start || exit\n{AFTER}")
    done = podman("run", "--rm", "--privileged", "--network", "none", "--volume", f"{folder}:/start:ro", BASE, "bash",
                  "/start/all")  # fmt: skip
    return dict(line.split(": ", 1) for line in done.stdout.splitlines()), done.stderr


WHOLE = {"written": "0", "settings": "4", "service": "0 755"}


def test_of_several_disks_without_mdadm_one_holds_the_scratch_folders(tmp_path: Path):
    with disks(tmp_path, 3) as there:
        found, log = first_start(tmp_path, there)
    assert found == WHOLE | {"mounted": there[0], "mode": "701"}
    assert "no RAID of 3 disks" in log
    assert f"scratch is on {there[0]}" in log


def test_a_disk_that_is_broken_leaves_scratch_on_the_root_volume(tmp_path: Path):
    found, log = first_start(tmp_path, ["/dev/nvme9n1"])
    assert found | {"mode": ""} == WHOLE | {"mounted": "", "mode": ""}
    assert "/dev/nvme9n1 cannot be used: scratch is on the root volume" in log
    assert "no service for notices" in log, "there is no systemd here"
