"""What an hour of a pool's machines costs, from a dated table of list prices and what the user adds to it."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lammps_jobs.backends.aws_batch.contract import PoolOutputs
from lammps_jobs.backends.base import Price
from lammps_jobs.errors import UsageError

PRICES = "LAMMPS_JOBS_PRICES"
"""Names a file like prices.toml, whose machines are added, or put in the place of those there are."""


class Machine(BaseModel):
    """A kind of machine, with prices in USD an hour by region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vcpus: int
    gpus: int = 0
    on_demand: dict[str, float] = {}
    spot: dict[str, float] = {}


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str
    source: str
    machines: dict[str, Machine]


@cache
def table(extra: str = "") -> Table:
    """The table of this package, with that of the file `extra`. Raises UsageError when that is none."""
    own = Table.model_validate(tomllib.loads(files(__package__).joinpath("prices.toml").read_text()))
    if not extra:
        return own
    try:
        read: dict[str, Any] = tomllib.loads(Path(extra).read_text())
        more = Table.model_validate(read)
    except (OSError, ValueError, ValidationError) as error:
        text = str(error).splitlines()[0]
        raise UsageError(f"The prices cannot be read: {text}", where=f"{PRICES}={extra}",
                         remedy="docs/costs.md shows what such a file looks like.") from None  # fmt: skip
    source = f"{own.source}; {more.source}"
    return Table(date=max(own.date, more.date), source=source, machines=own.machines | more.machines)


def price_of(pool: PoolOutputs, region: str, known: Table) -> Price | None:
    """What an hour of an attempt in the pool costs: of its share of each kind of machine, by vCPUs or GPUs, the larger.

    None where a kind has no price: AWS may choose just that. Spot is None where not all have a Spot price.
    """
    full: list[float] = []
    spot: list[float] = []
    for kind in pool.instance_types:
        machine = known.machines.get(kind)
        if machine is None or region not in machine.on_demand:
            return None
        share = min(1.0, max(pool.vcpus / machine.vcpus, pool.gpus / machine.gpus if machine.gpus else 0.0))
        full.append(share * machine.on_demand[region])
        if region in machine.spot:
            spot.append(share * machine.spot[region])
    has_spot = pool.purchase == "spot" and len(spot) == len(full)
    return Price(min(full), max(full), is_spot=pool.purchase == "spot",
                 spot=(min(spot), max(spot)) if has_spot else None, date=known.date)  # fmt: skip


def here() -> Table:
    return table(os.environ.get(PRICES, ""))
