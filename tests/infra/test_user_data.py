"""What a machine does at its first start, with made-up disks and without the tools that Amazon's images lack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import ROOT
from infra.batch import user_data
from infra.config import Pool
from tests.waiting import scaled

POOL = {"name": "a100", "instance_types": ["p4d.24xlarge"], "gpu": "Ampere80", "max_vcpus": 96}
ALWAYS = ("bash", "mkdir", "dirname", "chmod", "cat", "awk")
MAKES = {"mkfs.xfs": "exit 0", "mount": "exit 0", "systemctl": "exit 0"}


def start(folder: Path, disks: int, tools: dict[str, str], scratch: str = "instance-store") -> tuple[str, str]:
    """Runs the user data where only `tools` are, in `folder`; its log and the ECS agent's settings."""
    path = folder / "bin"
    path.mkdir()
    for name in ALWAYS:
        (path / name).symlink_to(str(shutil.which(name)))
    listed = "".join(f"/dev/nvme{n}n1 Amazon EC2 NVMe Instance Storage\\n" for n in range(1, disks + 1))
    lsblk = f"printf '/dev/nvme0n1 Amazon Elastic Block Store\\n{listed}'"
    for name, line in {"lsblk": lsblk, "timeout": 'shift; "$@"', **tools}.items():
        (path / name).write_text(f'#!/bin/bash\necho "{name} $*" >>"{folder}/calls"\n{line}\n')
        (path / name).chmod(0o755)
    text = user_data(Pool.model_validate({**POOL, "scratch": scratch}))
    script = text.partition("#!/bin/bash")[2].rpartition("\n--")[0]
    (folder / "first-start").write_text(script)
    done = subprocess.run([str(path / "bash"), folder / "first-start"], capture_output=True, text=True, check=True,
                          env={"PATH": str(path), "ROOT": str(folder)}, timeout=scaled(30))  # fmt: skip
    assert (folder / "run" / "lammps-jobs").is_dir(), "every job mounts it"
    return done.stderr, (folder / "etc" / "ecs" / "ecs.config").read_text()


CASES = {
    "eight disks, no mdadm, no way to get it": (8, MAKES, "scratch is on /dev/nvme1n1"),
    "eight disks, and mdadm": (8, {**MAKES, "mdadm": "exit 0"}, "scratch is on /dev/md0"),
    "eight disks, and mdadm fails": (8, {**MAKES, "mdadm": "exit 1"}, "the first one alone"),
    "one disk": (1, MAKES, "scratch is on /dev/nvme1n1"),
    "no disk": (0, MAKES, "no disks of its own"),
    "no file system can be made": (1, {**MAKES, "mkfs.xfs": "exit 1"}, "cannot be used: scratch is on the root volume"),
    "nothing can be mounted": (2, {**MAKES, "mount": "exit 32"}, "cannot be used: scratch is on the root volume"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_machine_comes_up_whatever_its_disks(case, tmp_path: Path):
    disks, tools, expected = CASES[case]
    log, settings = start(tmp_path, disks, tools)
    assert expected in log
    assert "ECS_CONTAINER_STOP_TIMEOUT=110s\n" in settings
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n" in settings


def test_mdadm_is_installed_where_it_is_missing(tmp_path: Path):
    there = tmp_path / "bin" / "mdadm"
    install = f"printf '#!/bin/bash\\nexit 0\\n' >{there}; chmod +x {there}"
    log, _ = start(tmp_path, 8, {**MAKES, "dnf": install})
    assert "dnf -y -q install mdadm" in (tmp_path / "calls").read_text()
    assert "scratch is on /dev/md0" in log


def test_scratch_on_the_root_volume_touches_no_disk(tmp_path: Path):
    start(tmp_path, 8, MAKES, "ebs")
    assert {line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()} == {"systemctl"}


def test_the_disks_are_where_docker_keeps_the_volumes_of_jobs(tmp_path: Path):
    start(tmp_path, 1, MAKES)
    assert f"mount -o noatime /dev/nvme1n1 {tmp_path}/var/lib/docker/volumes\n" in (tmp_path / "calls").read_text()


def test_the_service_that_tells_of_the_machines_end_is_installed_whole(tmp_path: Path):
    start(tmp_path, 0, MAKES)
    installed = tmp_path / "usr" / "local" / "sbin" / "lammps-jobs-notices"
    assert installed.read_text() == (ROOT / "infra" / "notices.sh").read_text()
    assert installed.stat().st_mode & 0o111
    unit = (tmp_path / "etc" / "systemd" / "system" / "lammps-jobs-notices.service").read_text()
    assert "\nExecStartPre=-/usr/local/sbin/lammps-jobs-notices deny\n" in unit
    assert "\nEnvironment=NOTICES=/run/lammps-jobs JOBS_USER=1000\n" in unit
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.index("systemctl daemon-reload") < calls.index("systemctl enable --now --no-block lammps-jobs-notices")


def test_a_machine_without_systemd_comes_up_and_says_what_it_lacks(tmp_path: Path):
    log, settings = start(tmp_path, 1, {**MAKES, "systemctl": "exit 1"})
    assert "no service for notices" in log
    assert "scratch is on /dev/nvme1n1" in log
    assert "ECS_CONTAINER_STOP_TIMEOUT" in settings


@pytest.mark.parametrize("script", ["user-data.sh", "notices.sh"])
def test_scripts_of_machines_pass_shellcheck(script):
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, ROOT / "infra" / script], capture_output=True, text=True, check=False,
                          timeout=scaled(30))  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_user_data_is_no_longer_than_ec2_takes():
    text = user_data(Pool.model_validate({**POOL, "scratch": "instance-store"}))
    assert text.isascii()
    assert len(text) <= 16384
