"""Who has nothing but docs/deploy.md comes from a fresh clone to a finished run: its commands as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulator import ROOT
from emulator.account import Account
from emulator.batch import Cloud
from emulator.containers import HINT as NO_CONTAINERS
from emulator.containers import Podman, can_run_containers
from emulator.endpoint import Endpoint, serving
from emulator.provider import serving as providing
from emulator.pulumi_engine import HINT, NO_REGISTRY, OFFLINE, clean_copy, environment_of, pulumi_binary
from emulator.servers import moto
from emulator.stack import JOB, RESEARCHER, keys
from lammps_jobs.backends.aws_batch.contract import parse
from tests.waiting import scaled

pytestmark = [
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(pulumi_binary() is None, reason=HINT),
    pytest.mark.skipif(not can_run_containers(), reason=NO_CONTAINERS),
]
REGION = "eu-central-1"
WHERE_IT_IS = "https://github.com/OWNER/lammps-jobs"


def blocks() -> list[str]:
    """The page's blocks of commands: the first `up`, the first run, taking it down."""
    page = (ROOT / "docs" / "deploy.md").read_text().replace("BUCKET-FOR-STATE", "lab-state")
    return re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def published(folder: Path) -> Path:
    """The project as others clone it."""
    folder.mkdir()
    (clean_copy(folder) / ".venv").unlink()
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "The project as it is"]):
        command = ["git", "-c", "user.name=lab", "-c", "user.email=lab@example.org", *words]
        subprocess.run(command, cwd=folder, check=True, timeout=scaled(60))
    return folder


@dataclass
class Terminal:
    """A shell in which one block is typed after the other: its folder and its variables stay."""

    folder: Path
    environment: dict[str, str]
    start: str = field(default="", init=False)

    def types(self, block: str) -> str:
        """What is printed, all in all. Raises AssertionError at the first command that fails."""
        kept = self.folder / "kept"
        script = f'{self.start}set -eo pipefail\n{block}\nset +e\n{{ export -p; echo cd "$PWD"; }} >{kept}\n'
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=scaled(900), check=False)  # fmt: skip
        if done.returncode and any(word in done.stdout + done.stderr for word in OFFLINE):
            pytest.skip(NO_REGISTRY)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        self.start = f". {kept}\n"
        return done.stdout + done.stderr


@dataclass
class World:
    """An AWS account with a bucket for Pulumi's state and nothing else, and somebody in front of it."""

    account: Account
    cloud: Cloud
    terminal: Terminal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    podman = Podman()
    podman.build()
    reach = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url, providing(Account(url, REGION)) as providers:
        account = Account(url, REGION)
        account.client("s3").create_bucket(Bucket="lab-state", CreateBucketConfiguration={"LocationConstraint": REGION})
        endpoint = Endpoint(url)
        cloud = Cloud(endpoint, REGION, podman, reach | keys(JOB) | {"LAMMPS_JOBS_GPUS": "0"})  # there are none here
        with serving(endpoint, cloud.answer) as address:
            cloud.environment["AWS_ENDPOINT_URL"] = address
            tools = environment_of(tmp_path / "state", providers, "pulumi-language-python", "docker", "aws")
            del tools["PULUMI_BACKEND_URL"], tools["PULUMI_CONFIG_PASSPHRASE"]
            said = {
                "PULUMI_SKIP_CONFIRMATIONS": "true",  # nobody is there to say yes
                "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{published(tmp_path / 'origin')}.insteadOf",
                "GIT_CONFIG_VALUE_0": WHERE_IT_IS,
            }  # fmt: skip
            mine = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
            seat = {**mine, **tools, **said, **reach, **keys(RESEARCHER), "AWS_ENDPOINT_URL": address}
            try:
                yield World(account, cloud, Terminal(tmp_path, seat))
            finally:
                cloud.close()


def test_the_page_leads_from_a_fresh_clone_to_a_downloaded_run_and_back(world, tmp_path: Path):
    first_up, first_run, taking_down = blocks()
    said = world.terminal.types(first_up)
    assert re.search(r"\+ \d+ created", said)
    outputs = parse(
        world.account.client("ssm").get_parameter(Name="/lammps-jobs/dev/outputs")["Parameter"]["Value"], "ssm"
    )
    world.account.client("s3").delete_bucket_policy(Bucket=outputs.bucket)  # moto: its TLS-only rule against all
    said = world.terminal.types(first_run)
    assert "finished" in said
    (job,) = world.cloud.jobs.values()
    assert (job.status, job.name.startswith("melt")) == ("SUCCEEDED", True)
    assert (tmp_path / "lammps-jobs" / "melt" / "log.lammps").read_text().count("Loop time") >= 1
    world.terminal.types(taking_down)
    assert world.account.client("batch").describe_job_queues()["jobQueues"] == []
