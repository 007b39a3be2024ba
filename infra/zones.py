"""Which availability zones a stack spreads over: not every zone has every kind of machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.config import PROJECT, ConfigError, StackConfig


def zones_for(
    config: StackConfig,
    zones: Sequence[str],
    offered: Mapping[str, set[str]],
    subnets: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[str, ...]:
    """The zones to use, by name; `offered` has the pools' instance types in each.

    `subnets`, those of `network.existing`, to their VPC and zone: then the zones are theirs.

    Zones that serve the most pools come first, then those with the most types, then the first by name. Raises
    ConfigError for a type that the region has nowhere, and for a pool that none of the zones serves.
    """
    for pool in config.pools:
        missing = [name for name in pool.instance_types if not any(name in types for types in offered.values())]
        if missing:
            raise ConfigError(f"{PROJECT}:pools: {', '.join(missing)} of {pool.name} cannot be had in {config.region}: "
                              "take it out of instance_types, or choose another region")  # fmt: skip
    pinned = _of_subnets(config, subnets) if subnets else config.network.zone_names
    unknown = [zone for zone in pinned if zone not in zones]
    if unknown:
        raise ConfigError(f"{PROJECT}:network.zone_names: {config.region} has no {', '.join(unknown)}; it has "
                          f"{', '.join(sorted(zones))}")  # fmt: skip
    if not pinned and len(zones) < config.network.zones:
        raise ConfigError(f"{PROJECT}:network.zones = {config.network.zones}: {config.region} has only {len(zones)}")

    def rank(zone: str) -> tuple[int, int, str]:
        types = offered.get(zone, set())
        return -sum(bool(types & set(pool.instance_types)) for pool in config.pools), -len(types), zone

    chosen = pinned or sorted(zones, key=rank)[: config.network.zones]
    for pool in config.pools:
        if not any(offered.get(zone, set()) & set(pool.instance_types) for zone in chosen):
            raise ConfigError(f"{PROJECT}:network: no machine of {pool.name} can be had in {', '.join(chosen)}: name "
                              "zones that have one in network.zone_names, or subnets there")  # fmt: skip
    return tuple(sorted(chosen))


def _of_subnets(config: StackConfig, subnets: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """The zones of the institute's subnets. Raises ConfigError for one of another network."""
    existing = config.network.existing
    for name, (vpc, _) in subnets.items():
        if existing and vpc != existing.vpc_id:
            raise ConfigError(f"{PROJECT}:network.existing: {name} is in {vpc}, not in {existing.vpc_id}")
    return tuple(sorted({zone for _, zone in subnets.values()}))
