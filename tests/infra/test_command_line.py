"""Pulumi's own command line on this repository's own Pulumi.yaml and stack files, as a newcomer types it."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import ROOT
from emulator.account import Account
from emulator.provider import serving
from emulator.pulumi_engine import HINT, CommandLine, command_line, pulumi_binary
from emulator.servers import moto
from lammps_jobs.backends.aws_batch.contract import parse
from tests.waiting import scaled

needs_engine = pytest.mark.skipif(pulumi_binary() is None, reason=HINT)


@pytest.fixture
def account() -> Iterator[Account]:
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        yield Account(url, "eu-central-1")


@pytest.fixture
def pulumi(account, tmp_path: Path) -> Iterator[CommandLine]:
    """`pulumi` in a fresh clone, logged in nowhere."""
    with serving(account) as providers:
        yield command_line(tmp_path, providers, scaled(300))


def counts(said: str) -> dict[str, int]:
    """The summary that `pulumi` prints: `79 unchanged`, `+ 2 to create`."""
    summary = said.rpartition("Resources:")[2]
    return {word: int(number) for number, word in re.findall(r"^\s+\W*(\d+) (?:to )?(\w+)", summary, re.MULTILINE)}


@needs_engine
def test_the_life_of_a_stack_as_it_is_typed(pulumi, account, tmp_path: Path):
    pulumi("login", f"file://{tmp_path / 'backend'}")
    pulumi("stack", "init", "dev")
    pulumi("config", "set", "--path", "lammps-jobs:pools[0].max_vcpus", "32")
    planned = pulumi("preview", "--diff")
    assert re.search(r"maxVcpus\s*: 32", planned)
    assert not account.made, "a preview makes nothing"
    made = counts(pulumi("up", "--yes", "--policy-pack", "policy"))
    assert made["created"] == counts(planned)["create"]
    again = counts(pulumi("up", "--yes"))
    assert set(again) == {"unchanged"}, "a second `up` has nothing to do"
    outputs = parse(pulumi("stack", "output", "--json"), "pulumi stack output --json")
    assert (outputs.stack, outputs.pool().max_vcpus) == ("dev", 32)
    assert set(counts(pulumi("refresh", "--yes"))) == {"unchanged"}
    pulumi("destroy", "--yes")
    assert account.made == []
    pulumi("stack", "rm", "--yes")
    assert json.loads(pulumi("stack", "ls", "--json")) == []


def test_what_the_program_imports_is_what_pulumi_installs():
    """A fresh clone has nothing but what infra/requirements.txt names."""
    (line,) = [line for line in (ROOT / "infra" / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    lock = (ROOT / "infra" / line.removeprefix("-r ")).read_text()
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    script = "import sys, infra.stack; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
                          timeout=scaled(60))  # fmt: skip
    providers = importlib.metadata.packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", name).lower() for module in done.stdout.split()
              for name in providers.get(module, []) if module not in ("lammps_jobs", "infra")}  # fmt: skip
    needed -= {"setuptools", "coverage", "lammps-jobs"}
    assert needed <= installed
    assert "pulumi-aws" in needed
    assert not {"moto", "lammps", "boto3", "pytest"} & installed, "and nothing else"
