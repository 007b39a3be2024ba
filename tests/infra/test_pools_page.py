"""The blocks of docs/pools.md, deployed all at once."""

from __future__ import annotations

import re

import yaml

from emulator import ROOT
from emulator.graph import config_of, run
from infra.config import load
from policy import rules

PAGE = (ROOT / "docs" / "pools.md").read_text()


def test_every_pool_of_the_page_can_be_deployed():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    pools = yaml.safe_load(block)
    config = load(config_of("dev", pools=pools), "dev")
    assert {pool.instance_types[0].split(".")[0] for pool in config.pools} >= {"g4dn", "g5", "g6", "g6e", "p4d", "p5"}
    assert [pool.name for pool in config.pools] == re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE)
    for pool in config.pools:
        assert (pool.job_gpus, pool.purchase) == (bool(pool.gpu), "spot")
        assert not pool.gpu or pool.scratch == "instance-store", "their own disks are paid for"
        assert pool.job_memory_mib <= min(m.memory_mib / max(1, m.gpus) for m in pool.machines.values()), pool.name
    graph = run(config_of("dev", pools=pools))
    assert len(graph.of("aws:batch/jobQueue:JobQueue")) == len(pools)
    assert not [said for (token, _), inputs in graph.resources.items() for said in rules.broken(token, inputs)]
