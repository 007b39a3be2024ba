"""`pulumi preview`, `up`, a changed config, `refresh`, `destroy`: the real engine, an account on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pulumi_aws
import pytest
from pulumi.automation import CommandError

from emulator import ROOT
from emulator.account import Account
from emulator.graph import config_of
from emulator.provider import serving
from emulator.pulumi_engine import HINT, pulumi_binary, stack_of
from emulator.servers import moto
from infra.stack import build
from lammps_jobs.backends.aws_batch.contract import StackOutputs
from tests.waiting import scaled

pytestmark = pytest.mark.skipif(pulumi_binary() is None, reason=HINT)

QUIET: dict[str, Any] = {"color": "never"}


@pytest.fixture(scope="module")
def moto_with_policies() -> Iterator[str]:
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        yield url


@pytest.fixture
def account(moto_with_policies) -> Account:
    """An empty account."""
    with urlopen(Request(f"{moto_with_policies}/moto-api/reset", method="POST"), timeout=scaled(60)) as answer:
        assert answer.status == 200
    return Account(moto_with_policies, "eu-central-1")


def with_docker() -> None:
    build(lambda: True)


def test_the_life_of_a_stack(account, tmp_path: Path):
    config = config_of("dev")
    with serving(account) as providers:
        stack = stack_of("dev", with_docker, tmp_path, providers=providers, config=config)
        planned = stack.preview(**QUIET).change_summary
        assert not account.made, "a preview makes nothing"
        first = stack.up(**QUIET)
        assert first.summary.resource_changes == planned
        outputs = StackOutputs.model_validate({key: one.value for key, one in first.outputs.items()})
        assert outputs.default_pool == "t4"

        machines_leave_before_their_role_loses_its_rights(stack.export_stack().deployment["resources"])

        assert set(stack.up(**QUIET).summary.resource_changes) == {"same"}, "a second `up` has nothing to do"

        pools = '"max_vcpus": 16'
        changed = {**config, "lammps-jobs:pools": config["lammps-jobs:pools"].replace(pools, '"max_vcpus": 32', 1)}
        stack = stack_of("dev", with_docker, tmp_path, providers=providers, config=changed)
        diff = stack.preview(diff=True, **QUIET)
        assert diff.change_summary["update"] == 2  # the compute environment, and the outputs that tell of it
        assert "maxVcpus" in diff.stdout
        assert "16 => 32" in diff.stdout
        assert not {"replace", "create", "delete"} & set(diff.change_summary)
        assert stack.up(**QUIET).outputs["pools"].value["t4"]["max_vcpus"] == 32
        name, asked = account.only_checked[-1]
        assert (name, asked["computeResources"]["maxvCpus"]) == ("UpdateComputeEnvironment", 32)

        assert set(stack.refresh(**QUIET).summary.resource_changes) == {"same"}

        # a pool of other machines is there before the queue lets the old one go
        changed["lammps-jobs:network"] = '{"cidr": "10.50.0.0/16"}'
        stack = stack_of("dev", with_docker, tmp_path, providers=providers, config=changed)
        before = len(account.made)
        summary = stack.up(**QUIET).summary.resource_changes
        assert summary["replace"] >= 3  # network and subnets
        assert summary.get("delete", 0) == 0
        queues = account.client("batch").describe_job_queues()["jobQueues"]
        assert {queue["state"] for queue in queues} == {"ENABLED"}
        assert len(account.made) == before

        stack.destroy(**QUIET)
        assert account.made == []


def machines_leave_before_their_role_loses_its_rights(resources: list[dict[str, Any]]) -> None:
    """Taken down first, or at the same time, an environment could stay in DELETING."""
    rights = {one["urn"] for one in resources if "RolePolicy" in one["type"] and "::machine" in one["urn"]}
    assert len(rights) == 2  # of ECS, and of Session Manager
    environments = [one for one in resources if one["type"].endswith(":ComputeEnvironment")]
    assert len(environments) == 3
    assert all(rights <= set(one["dependencies"]) for one in environments)


def test_destroy_leaves_the_protected_bucket_with_what_is_in_it(account, tmp_path: Path):
    config = {**config_of("dev", protect=True, storage={"on_destroy": "keep"}), "aws:region": account.region}
    with serving(account) as providers:
        stack = stack_of("dev", with_docker, tmp_path, providers=providers, config=config)
        bucket = stack.up(**QUIET).outputs["bucket"].value
        account.client("s3").delete_bucket_policy(Bucket=bucket)  # moto takes its TLS-only rule for a rule against all
        account.client("s3").put_object(Bucket=bucket, Key="runs/melt/submission.json", Body=b"{}")
        with pytest.raises(CommandError, match="protect"):
            stack.destroy(**QUIET)
        stack.destroy(exclude_protected=True, **QUIET)
        left = {kind.rpartition(":")[2] for kind, _ in account.made}
        assert "Bucket" in left
        assert not {"JobQueue", "ComputeEnvironment", "Role", "JobDefinition", "LaunchTemplate"} & left
        assert account.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1


class Stranger(Account):
    def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("no valid credential sources for AWS Provider found")


@pytest.mark.parametrize(
    ("account_type", "changes", "expected"),
    [
        (Stranger, {}, "Log in (aws sso login), set AWS_PROFILE"),
        (Account, {"pools": [{"name": "x"}]}, "Pulumi.dev.yaml: lammps-jobs:pools[0].instance_types is missing"),
    ],
)
def test_what_is_wrong_is_said_by_pulumi_itself(account_type, changes, expected, tmp_path: Path):
    with moto() as url, serving(account_type(url, "eu-central-1")) as providers:
        stack = stack_of("dev", with_docker, tmp_path, providers=providers, config=config_of("dev", **changes))
        with pytest.raises(CommandError) as error:
            stack.up(**QUIET)
        assert expected in str(error.value)
        assert "Traceback" not in str(error.value)


def test_policy_pack_stops_a_public_bucket_before_it_is_made(account, tmp_path: Path):
    def program() -> None:
        pulumi_aws.s3.Bucket("open", acl="public-read")

    with serving(account) as providers:
        stack = stack_of("dev", program, tmp_path, providers=providers, config={"aws:region": account.region})
        with pytest.raises(CommandError, match="no-public-bucket"):
            stack.up(policy_packs=[str(ROOT / "policy")], **QUIET)
    assert account.made == []
