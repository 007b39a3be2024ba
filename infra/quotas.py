"""EC2's vCPU quotas: whether the pools fit into them, and asking for more."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi_aws as aws

from infra.base import Component, Context
from infra.config import Pool, StackConfig
from infra.machines import MACHINES, QUOTA_CODES, quota_of

SPARE = "Lower max_vcpus, or set quotas.request to true (AWS may take days), or quotas.check to false."


def needed(config: StackConfig) -> dict[str, int]:
    """vCPUs that the pools may use at most at one time, by quota code.

    A pool whose types fall under several quotas counts with its whole limit against each.
    """
    wanted: dict[str, int] = {}
    for pool in config.pools:
        for code in quotas_of(pool):
            wanted[code] = wanted.get(code, 0) + pool.max_vcpus
    return wanted


def smallest(config: StackConfig) -> dict[str, int]:
    """vCPUs of the smallest machine that must be startable under each quota code."""
    least: dict[str, int] = {}
    for pool in config.pools:
        for name in pool.instance_types:
            code = QUOTA_CODES[quota_of(name), pool.purchase]
            least[code] = min(least.get(code, MACHINES[name].vcpus), MACHINES[name].vcpus)
    return least


def shortfalls(config: StackConfig, allowed: Mapping[str, float]) -> list[str]:
    """What does not fit, in sentences; empty when everything does."""
    found = []
    for code, vcpus in sorted(needed(config).items()):
        have = allowed[code]
        pools = ", ".join(pool.name for pool in config.pools if code in quotas_of(pool))
        if have < vcpus:
            none = " Not even one machine can start." if have < smallest(config)[code] else ""
            found.append(f"EC2 quota {code} allows {have:g} vCPUs in {config.region}; pools {pools} may ask for "
                         f"{vcpus}.{none}")  # fmt: skip
    return found


def quotas_of(pool: Pool) -> set[str]:
    """Codes of the quotas that the machines of a pool count against."""
    return {QUOTA_CODES[quota_of(name), pool.purchase] for name in pool.instance_types}


class Quotas(Component):
    """Asks for what the pools need and do not have yet; a quota is never lowered."""

    def __init__(self, context: Context, allowed: Mapping[str, float]) -> None:
        super().__init__("Quotas", context)
        for code, vcpus in sorted(needed(context.config).items()):
            if allowed.get(code, 0) < vcpus:
                aws.servicequotas.ServiceQuota(
                    code.lower(), service_code="ec2", quota_code=code, value=vcpus, opts=self.child(retain=True)
                )
        self.register_outputs({})
