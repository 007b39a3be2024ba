"""The bucket's own rule that claims and commits are created once: what the library does passes, putting over does not.

moto ignores the conditions of such rules: the calls are recorded on their way to it and held against the document.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import obstore
import pytest

import lammps_jobs
from emulator.access import Need, is_allowed, needs
from emulator.endpoint import Endpoint, serving
from infra.policies import allow, document
from infra.storage import bucket_policy
from lammps_jobs.record import layout
from lammps_jobs.record.object_store import create_only, open_root
from lammps_jobs.record.upkeep import copy

pytestmark = [pytest.mark.cloud, pytest.mark.engine]


@pytest.fixture
def watched(bucket, monkeypatch) -> Iterator[tuple[str, Endpoint]]:
    """A store in S3, and all calls that reach it."""
    endpoint = Endpoint(os.environ["AWS_ENDPOINT_URL"])

    def none(operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
        return 404, {}, "NotFound"

    with serving(endpoint, none) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield bucket, endpoint


def refused(store: str, endpoint: Endpoint) -> list[Need]:
    name = store.removeprefix("s3://").partition("/")[0]
    rule = json.loads(bucket_policy(f"arn:aws:s3:::{name}"))
    rule["Statement"] = [one for one in rule["Statement"] if one["Sid"] == "CreatedOnce"]  # there is no TLS on loopback
    everything = document(allow("All", ["s3:*"], ["*"]))
    asked = [need for call in endpoint.calls for need in needs(call, "us-east-1", {})]
    assert any(need.action == "s3:PutObject" for need in asked)
    return [need for need in asked if not is_allowed(need, everything, rule)]


def test_a_run_and_its_copy_pass_the_buckets_rule(watched, stopped):
    store, endpoint = watched
    copied = copy(stopped.record, lammps_jobs.connect(store=store)._record_of("test"))
    commits = copied.checkpoint_seqs()
    assert commits
    renamed = lammps_jobs.connect(store=store).rename("test", "other")
    assert renamed.record.checkpoint_seqs() == commits
    assert not refused(store, endpoint)


@pytest.mark.parametrize(
    "tail", [layout.claim(3), layout.checkpoint(7), layout.decision(1), layout.job(2), layout.RESULT]
)
def test_what_is_created_once_is_not_put_over(watched, tail):
    store, endpoint = watched
    root = open_root(store)
    create_only(root, f"melt/{tail}", b"{}")
    assert not refused(store, endpoint)
    obstore.put(root, f"melt/{tail}", b"{}")
    (need,) = refused(store, endpoint)
    assert need.resource.endswith(f"/melt/{tail}")


@pytest.mark.parametrize("tail", [layout.progress(3), layout.blob("0" * 64), "attempts/0003/log.lammps"])
def test_progress_blobs_and_logs_are_put_as_before(watched, tail):
    store, endpoint = watched
    obstore.put(open_root(store), f"melt/{tail}", b"{}" * 4_000_000)  # in parts
    assert not refused(store, endpoint)
    parts = [call for call in endpoint.calls if "partNumber" in call.query]
    assert bool(parts) == (len(endpoint.calls) > 1), "parts take no If-None-Match; only the end of the upload could"
