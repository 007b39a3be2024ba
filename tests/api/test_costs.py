"""What runs cost, from a record that was written by hand; prices; and budgets as people write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

import lammps_jobs
from emulator import ROOT
from lammps_jobs import UsageError
from lammps_jobs.api.costs import AttemptCost, Cost, cost_of, estimate
from lammps_jobs.backends.aws_batch import prices
from lammps_jobs.backends.aws_batch.contract import StackOutputs
from lammps_jobs.backends.base import Price
from lammps_jobs.cli import commands
from lammps_jobs.cli.options import BUDGET, INTERVAL
from lammps_jobs.record.documents import Attempt, AttemptEnd, Event, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from tests.aws_batch.test_contract_outputs import OUTPUTS
from tests.infra.test_costs import prices as on_the_page

START = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
def cluster(tmp_path):
    """A run that lost its machine 10 minutes after a checkpoint, was set up for 2, and finished: 60 and 40 minutes."""
    made = lammps_jobs.connect(store=tmp_path)
    record = RunRecord(made._root, "twice")
    record.submit(Submission(spec=RunSpec(name="twice", script="in.x", inputs={}), submitted=START))
    for number, begin, end, outcome in ((1, 0, 60, "interrupted"), (2, 70, 110, "finished")):
        record.claim(Attempt(number=number, host="h", supervisor_pid=1, supervisor_started=1, scratch="",
                             claimed=at(begin)))  # fmt: skip
        record.end(AttemptEnd(number=number, outcome=outcome, ended=at(end)))  # type: ignore[arg-type]
    record.append_event(Event(attempt=1, kind="checkpoint", text="", at=at(50)), 1)
    record.append_event(Event(attempt=2, kind="resumed", text="", at=at(72)), 1)
    made.reindex()
    return made


def test_machine_time_and_what_an_interruption_wasted_are_told(cluster):
    cost = cost_of(cluster.run("twice"), {})
    assert (cost.seconds, cost.wasted_s, cost.interruptions, cost.usd) == (6000, 720, 1, None)
    said = CliRunner().invoke(commands, ["--store", cluster.store, "costs"], terminal_width=80).output
    assert "1h40m" in said
    assert "12m (12%)" in said
    by_month = CliRunner().invoke(commands, ["--store", cluster.store, "--json", "costs", "--by", "month"]).output
    assert {row["name"]: row["machine_s"] for row in json.loads(by_month)["rows"]} == {"2026-11": 3600, "2026-12": 2400}
    assert CliRunner().invoke(commands, ["--store", cluster.store, "costs", "nobody"]).exit_code == 6


def test_what_spot_saved_is_what_the_useful_hours_cost_on_demand_less_what_was_paid():
    price = Price(1.0, 1.0, is_spot=True, spot=(0.3, 0.3))
    attempts = tuple(AttemptCost(n, START, 3600, "finished", "t4", "me", lost_s=lost, price=price)
                     for n, lost in ((1, 1800), (2, 0)))  # fmt: skip
    cost = Cost("x", attempts)
    assert cost.usd == pytest.approx((0.6, 0.6))
    assert cost.wasted_usd == pytest.approx((0.15, 0.15))
    assert cost.saved_usd == pytest.approx(1.5 - 0.6)
    unknown = Cost("x", (AttemptCost(1, START, 3600, "finished", "t4", "me", price=Price(1.0, 1.0, is_spot=True)),))
    assert (unknown.usd, unknown.saved_usd) == ((0.0, 1.0), None)


def test_an_estimate_is_a_range_that_interruptions_make():
    made = estimate(36000, Price(1.0, 2.0), every_s=600, set_up_s=60, per_day=(0, 24))
    assert (made["least_s"], made["least_usd"]) == (36000, 10.0)
    assert made["most_s"] == pytest.approx(36000 * 1.1)
    assert made["most_usd"] == pytest.approx(22.0)


def test_the_table_of_prices_is_the_one_on_the_page():
    known = prices.table()
    page = on_the_page()
    assert known.machines.keys() == page.keys()
    for name, machine in known.machines.items():
        shown = [f"{machine.on_demand[region]:g}" if region in machine.on_demand else "not offered"
                 for region in ("us-east-1", "eu-central-1")]  # fmt: skip
        assert [f"{float(one):g}" if one[0].isdigit() else one for one in page[name]] == shown
    assert "21 January 2026" in (ROOT / "docs" / "costs.md").read_text()
    assert known.date == "2026-01-21"


def test_a_share_of_a_machine_is_paid_and_what_has_no_price_is_not_guessed(tmp_path):
    update = {"instance_types": ("g4dn.xlarge", "g4dn.2xlarge"), "vcpus": 4, "gpus": 1, "purchase": "spot"}
    pool = StackOutputs.model_validate(OUTPUTS).pool().model_copy(update=update)
    found = prices.price_of(pool, "us-east-1", prices.table())
    assert found
    assert (found.least, found.most, found.bounds) == (0.526, 0.752, (0.0, 0.752))
    cpu = pool.model_copy(update={"instance_types": ("c7i.4xlarge",), "vcpus": 8, "gpus": 0})
    assert prices.price_of(cpu, "us-east-1", prices.table()) is None
    more = tmp_path / "prices.toml"
    more.write_text('date = "2026-11-01"\nsource = "ours"\n[machines]\n"c7i.4xlarge" = { vcpus = 16, '
                    "on_demand = { us-east-1 = 0.8 }, spot = { us-east-1 = 0.3 } }\n")  # fmt: skip
    found = prices.price_of(cpu, "us-east-1", prices.table(str(more)))
    assert found == Price(0.4, 0.4, is_spot=True, spot=(0.15, 0.15), date="2026-11-01")
    more.write_text("date = 1")
    with pytest.raises(UsageError, match="prices cannot be read"):
        prices.table(str(more).replace("prices", "./prices"))


@pytest.mark.parametrize(
    ("text", "value"), [("20h", ("s", 72000)), ("5usd", ("usd", 5)), ("$2.50", ("usd", 2.5)), ("90", ("s", 90))]
)
def test_budgets_are_machine_time_or_money(text, value):
    assert BUDGET.convert(text, None, None) == value


def test_an_interval_is_a_time_or_a_range():
    assert INTERVAL.convert("10m", None, None) == (None, 600)
    assert INTERVAL.convert("1m..1h", None, None) == (60, 3600)
    for bad in ("1h..1m", "1m..", "often"):
        with pytest.raises(click.BadParameter):
            INTERVAL.convert(bad, None, None)
