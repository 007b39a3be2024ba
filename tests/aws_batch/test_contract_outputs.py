"""Finding a stack: by name, in a file, from `pulumi stack output --json` - and each way in which it can be missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lammps_jobs.backends.aws_batch.contract import OUTPUTS_VARIABLE, StackOutputs, load, parameter_name, parse
from lammps_jobs.errors import CloudError, StackError

POOL: dict[str, Any] = {
    "queue": "arn:q", "definition": "arn:d:1", "environments": ["arn:e"], "purchase": "spot", "gpu": "Turing75",
    "image": "x@sha256:0", "instance_types": ["g4dn.xlarge"], "gpus": 1, "vcpus": 4,
    "memory_mib": 14000, "max_vcpus": 16,
}  # fmt: skip
OUTPUTS: dict[str, Any] = {
    "format": 1, "stack": "dev", "region": "eu-central-1", "account": "123456789012", "bucket": "b",
    "store": "s3://b/runs", "log_group": "/x", "pools": {"t4": POOL}, "default_pool": "t4",
    "access": "none", "dashboard": "https://x",
    "researcher_policy": "arn:p",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(OUTPUTS))
    return path


def test_a_file_and_the_variable_that_names_one(file, monkeypatch):
    assert load(str(file)).pool().queue == "arn:q"
    monkeypatch.setenv(OUTPUTS_VARIABLE, str(file))
    assert load("dev").stack == "dev"
    with pytest.raises(StackError, match="those of the stack 'dev', not of 'prod'"):
        load("prod")


def test_unknown_pool_names_those_that_are_there():
    with pytest.raises(StackError, match="It has: t4"):
        StackOutputs.model_validate(OUTPUTS).pool("a100")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "no JSON"),
        ("{}", "has no outputs"),
        ("[]", "has no outputs"),
        (json.dumps({**OUTPUTS, "format": 99}), "newer version"),
        (json.dumps({**OUTPUTS, "bucket": None}), "stale or of something else: bucket"),
        (json.dumps({key: value for key, value in OUTPUTS.items() if key != "pools"}), "pools"),
        (json.dumps({**OUTPUTS, "more": 1}), "more"),
    ],
)
def test_outputs_that_make_no_sense(text, expected):
    with pytest.raises(StackError, match=expected) as error:
        parse(text, "here")
    assert error.value.where == "here"
    assert error.value.remedy


def test_missing_file():
    with pytest.raises(StackError, match="cannot be read"):
        load("missing.json")


@pytest.fixture
def aws(moto_url, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                        "AWS_DEFAULT_REGION": "eu-central-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_REGION", raising=False)


def test_by_name_in_the_region(aws):
    import boto3

    boto3.client("ssm").put_parameter(Name=parameter_name("dev"), Value=json.dumps(OUTPUTS), Type="String")
    assert load("dev") == StackOutputs.model_validate(OUTPUTS)
    with pytest.raises(StackError, match="no stack named 'prod' in eu-central-1"):
        load("prod")
    with pytest.raises(StackError, match="no stack named 'dev' in us-west-2"):
        load("dev", "us-west-2")


def test_no_region_no_credentials_no_network(aws, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(CloudError, match="No AWS region is set"):
        load("dev")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(CloudError, match="cannot be reached"):
        load("dev")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CloudError, match="no AWS credentials"):
        load("dev")
