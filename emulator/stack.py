"""A whole stack on loopback: the Pulumi program's resources in moto, jobs in containers, `connect("dev")` works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from emulator.account import Account
from emulator.batch import Cloud
from emulator.containers import Podman
from emulator.endpoint import Endpoint, serving
from emulator.graph import Graph, config_of, run
from emulator.servers import moto

RESEARCHER, JOB = "researcher", "job"
"""Access keys: who asks can be told from them."""


def keys(who: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": who, "AWS_SECRET_ACCESS_KEY": "test"}


@contextlib.contextmanager
def deployed(podman: Podman, stack: str = "dev", **changes: Any) -> Iterator[tuple[Cloud, dict[str, str]]]:
    """The cloud of a stack with `changes` to its configuration, and the environment in which researchers reach it."""
    config = config_of(stack, **changes)
    region = config["aws:region"]
    with moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url:
        graph = run(config, stack, graph=Graph(account=Account(url, region)))
        # moto takes the bucket's TLS-only rule for a rule against everybody; there is no TLS on loopback
        Account(url, region).client("s3").delete_bucket_policy(Bucket=graph.outputs["bucket"])
        reach = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        endpoint = Endpoint(url)
        cloud = Cloud(endpoint, region, podman, reach | keys(JOB))
        try:
            with serving(endpoint, cloud.answer) as address:
                cloud.environment["AWS_ENDPOINT_URL"] = address
                yield cloud, cloud.environment | keys(RESEARCHER)
                cloud.close()
        finally:
            cloud.close()
