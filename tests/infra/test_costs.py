"""What docs/costs.md reckons, and the guard that stops the researchers' own roles."""

from __future__ import annotations

import json
import re

import pytest

from emulator import ROOT
from emulator.graph import config_of, run
from infra.config import ConfigError, Pool, load
from infra.machines import MACHINES

PAGE = (ROOT / "docs" / "costs.md").read_text()
COLUMN = {"us-east-1": 0, "eu-central-1": 1}


def prices() -> dict[str, list[str]]:
    rows = re.findall(r"^\| ([a-z0-9]+\.\w+) \| (\d) \w.*? \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert {name: MACHINES[name].gpus for name, *_ in rows} == {name: int(gpus) for name, gpus, *_ in rows}
    return {name: found for name, _, *found in rows}


def at_most(pool: Pool, region: str) -> float:
    """USD an hour, of all the machines that `max_vcpus` allows at once, at their full price."""
    hourly = {name: float(prices()[name][COLUMN[region]]) for name in pool.instance_types}
    return max(pool.max_vcpus // MACHINES[name].vcpus * usd for name, usd in hourly.items())


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_page_says_what_every_gpu_pool_may_cost_in_an_hour(stack):
    config = load(config_of(stack), stack)
    for pool in config.pools:
        said = re.search(rf"^\| {stack}.*? \| {pool.name} \| .* \| ([\d.]+) \|$", PAGE, re.MULTILINE)
        assert bool(said) == bool(pool.gpu), pool.name
        if said:
            assert float(said[1]) == pytest.approx(at_most(pool, config.region), abs=0.005)


def test_what_the_guard_may_overshoot_is_half_a_day_of_every_pool():
    rows = re.findall(r"^\| prod(?: \(.*?\))? \| .*? \| .* \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    hourly = sum(map(float, rows))
    assert f"{12 * hourly:,.0f} USD at the very most (12 x {hourly:.2f})" in PAGE


def test_the_gateways_month_is_reckoned_from_the_prices():
    (hour,) = re.findall(r"^\| NAT gateway \| ([\d.]+) an hour", PAGE, re.MULTILINE)
    assert f"{float(hour) * 730:.2f} USD for the gateway" in PAGE


def test_a_spent_budget_stops_the_researchers_roles_that_are_named():
    alerts = {"emails": ["a@b.org"], "monthly_budget_usd": 10, "stop_at_budget": True, "stop_roles": ["Physicists"]}
    graph = run(config_of("dev", alerts=alerts))
    (action,) = graph.of("aws:budgets/budgetAction:BudgetAction").values()
    assert "Physicists" in action["definition"]["iamActionDefinition"]["roles"]
    (may,) = json.loads(graph.of("aws:iam/rolePolicy:RolePolicy")["stop"]["policy"])["Statement"]
    assert "arn:aws:iam::123456789012:role/Physicists" in may["Resource"]
    with pytest.raises(ConfigError, match="stop_roles are stopped by nothing"):
        load(config_of("dev", alerts={"stop_roles": ["x"]}), "dev")
