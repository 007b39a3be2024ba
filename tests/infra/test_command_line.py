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
from emulator.pulumi_engine import HINT, NO_REGISTRY, OFFLINE, CommandLine, command_line, pulumi_binary
from emulator.servers import moto
from lammps_jobs.backends.aws_batch.contract import parse
from tests.waiting import scaled

needs_engine = pytest.mark.skipif(pulumi_binary() is None, reason=HINT)


@pytest.fixture
def account(request) -> Iterator[Account]:
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        yield Account(url, getattr(request, "param", "eu-central-1"))


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


KEPT = {"Bucket", "BucketPublicAccessBlock", "BucketOwnershipControls", "BucketPolicy", "BucketVersioning", "Key",
        "Alias", "BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration", "ServiceQuota"}  # fmt: skip


def kinds(account: Account) -> set[str]:
    return {kind.rpartition(":")[2] for kind, _ in account.made}


@needs_engine
@pytest.mark.parametrize("account", ["us-east-1"], indirect=True)
def test_the_life_of_prod_whose_results_outlive_it(pulumi, account, tmp_path: Path):
    account.quotas["L-7212CCBC"] = 0.0  # prod asks for more
    pulumi("login", f"file://{tmp_path / 'backend'}")
    pulumi("stack", "init", "prod")
    pulumi("config", "set", "--path", "lammps-jobs:alerts.emails[0]", "group@example.org")
    warned = pulumi("preview")
    typed = set(re.findall(r"pulumi (config set (?:--path )?\S+ \S+?)(?:;|$)", warned, re.MULTILINE))
    assert len(typed) == 4, warned  # the account, and three zones
    for command in sorted(typed):  # a list grows at its end
        pulumi(*command.replace("'", "").replace("NUMBER", "123456789012").split())
    said = pulumi("up", "--yes", "--policy-pack", "policy")
    assert "is not set" not in said
    assert "lammps-jobs@v1.0.0" in said
    assert counts(said)["created"] > 90
    assert (
        "RequestServiceQuotaIncrease",
        {"ServiceCode": "ec2", "QuotaCode": "L-7212CCBC", "DesiredValue": 384.0},
    ) in (account.only_checked)
    assert set(counts(pulumi("up", "--yes", "--refresh"))) == {"unchanged"}
    outputs = parse(pulumi("stack", "output", "--json"), "pulumi stack output --json")
    assert outputs.pool("a100").instance_types == ("p4d.24xlarge", "p4de.24xlarge")
    s3 = account.client("s3")
    s3.delete_bucket_policy(Bucket=outputs.bucket)  # moto takes its TLS-only rule for a rule against all
    s3.put_object(Bucket=outputs.bucket, Key="runs/melt/submission.json", Body=b"{}")
    assert "protect" in pulumi("destroy", "--yes", fails=True)
    assert {"JobQueue", "Vpc"} <= kinds(account), "nothing goes while something is protected"
    # what `docs/deploy.md` says of taking it down
    pulumi("config", "set", "lammps-jobs:protect", "false")
    pulumi("up", "--yes")
    pulumi("destroy", "--yes")
    assert kinds(account) == KEPT
    assert s3.list_objects_v2(Bucket=outputs.bucket)["KeyCount"] == 1
    pulumi("stack", "rm", "--yes")


def imported() -> set[str]:
    """The packages that the program and its policies import."""
    script = "import sys, infra.stack, policy.pack; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
                          timeout=scaled(60))  # fmt: skip
    providers = importlib.metadata.packages_distributions()
    return {same(name) for module in done.stdout.split() for name in providers.get(module, [])
            if module not in ("lammps_jobs", "infra")} - {"setuptools", "coverage", "lammps-jobs"}  # fmt: skip


def same(name: str) -> str:
    """A package's name as all write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """What infra/requirements.txt names, and the versions."""
    (line,) = [line for line in (ROOT / "infra" / "requirements.txt").read_text().splitlines() if line[0] != "#"]
    lock = (ROOT / "infra" / line.removeprefix("-r ")).read_text()
    return {same(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)}


def test_what_the_program_imports_is_what_pulumi_installs():
    """A fresh clone has nothing but what infra/requirements.txt names."""
    assert imported() <= locked().keys()
    wanted = (ROOT / "requirements" / "infra.in").read_text()
    assert {same(name) for name in re.findall(r"^[\w.-]+$", wanted, re.MULTILINE)} <= imported(), "and nothing else"


@needs_engine
def test_a_fresh_clone_needs_pulumi_install_and_nothing_else(pulumi, tmp_path: Path):
    (pulumi.project / ".venv").unlink()  # the developers'
    pulumi("login", f"file://{tmp_path / 'backend'}")
    pulumi("stack", "init", "dev")
    said = pulumi.tried("install")
    if said.returncode and any(word in said.stdout + said.stderr for word in OFFLINE):
        pytest.skip(NO_REGISTRY)
    assert said.returncode == 0, said.stdout + said.stderr
    python = str(pulumi.project / ".venv" / "bin" / "python")
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json", "--exclude", "pip"],
                            capture_output=True, text=True, check=True, timeout=scaled(60))  # fmt: skip
    assert {same(one["name"]): one["version"] for one in json.loads(listed.stdout)} == locked()
    assert counts(pulumi("preview", "--policy-pack", "policy"))["create"] > 70
