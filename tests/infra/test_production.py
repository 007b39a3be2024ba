"""What a preview warns of before a group depends on a stack."""

from __future__ import annotations

import pytest

from emulator.graph import config_of
from infra.config import load
from infra.production import lacks

ZONES = ("us-east-1a", "us-east-1b")
WHOLE = {
    "account": "123456789012",
    "network": {"zone_names": list(ZONES), "egress": "nat"},
    "storage": {"on_destroy": "keep"},
}


def test_a_stack_to_try_things_on_is_left_alone():
    assert lacks(load(config_of("dev"), "dev"), ZONES) == []


def test_a_stack_that_says_all_is_not_warned_of():
    assert lacks(load(config_of("prod", **WHOLE), "prod"), ZONES) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"account": None}, ["account is not set", "pulumi config set lammps-jobs:account NUMBER"]),
        (
            {"network": {"egress": "nat"}},
            ["network.zone_names is not set", "'lammps-jobs:network.zone_names[1]' us-east-1b"],
        ),
        ({"storage": {"on_destroy": "delete"}}, ["storage.on_destroy is not 'keep'", "storage.on_destroy keep"]),
    ],
    ids=["account", "zones", "results"],
)
def test_what_is_missing_is_named_with_what_to_type(changes, expected):
    (text,) = lacks(load(config_of("prod", **WHOLE | changes), "prod"), ZONES)
    assert all(words in text for words in expected), text


def test_what_the_institute_keeps_is_not_the_stacks_to_pin_or_to_keep():
    there = {
        "network": {"existing": {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": ["subnet-0123456789abcdef0"]}},
        "storage": {"existing": {"bucket": "lab-runs"}, "on_destroy": "delete"},
    }
    assert lacks(load(config_of("prod", **WHOLE | there), "prod"), ()) == []
