"""What `pulumi up` would do for typical changes of the stack dev: `make changes [WRITE=1]`.

The stack is made in an emulated account, then each change is previewed by the real engine. `--check` compares with the
reviewed text in docs/previews/changes.txt, `--write` replaces it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from emulator import ROOT
from emulator.account import Account
from emulator.graph import config_of
from emulator.provider import serving
from emulator.pulumi_engine import stack_of
from emulator.servers import moto
from infra.stack import build

FILE = ROOT / "docs" / "previews" / "changes.txt"
Pools = list[dict[str, Any]]
NEW_POOL = {"name": "l4", "instance_types": ["g6.xlarge"], "gpu": "Ada89", "max_vcpus": 16, "scratch": "instance-store"}
OTHER_LAMMPS = {"lammps": "stable_22Jul2025_update3", "lammps_sha256": "0" * 64}
ELSEWHERE = "registry.example.org/lammps@sha256:" + "a" * 64
OTHER_IMAGE = {"source": "existing", "digests": {"cpu": ELSEWHERE, "Turing75": ELSEWHERE}}


def _pools(change: Callable[[Pools], object]) -> dict[str, Any]:
    pools: Pools = json.loads(config_of("dev")["lammps-jobs:pools"])
    change(pools)
    return {"pools": pools}


CHANGES: dict[str, dict[str, Any]] = {
    "more machines at once: pools[0].max_vcpus 16 -> 64": _pools(lambda pools: pools[0].update(max_vcpus=64)),
    "other types in a pool: pools[2].instance_types + c7i.2xlarge": _pools(
        lambda pools: pools[2]["instance_types"].append("c7i.2xlarge")
    ),
    "a pool on demand instead of on Spot: pools[2].purchase on-demand": _pools(
        lambda pools: pools[2].update(purchase="on-demand")
    ),
    "one more pool: l4, g6.xlarge": _pools(lambda pools: pools.append(NEW_POOL)),
    "a larger root volume: pools[2].disk_gib 100 -> 200": _pools(lambda pools: pools[2].update(disk_gib=200)),
    "a pool less: cpu": _pools(lambda pools: pools.pop(2)),
    "another LAMMPS: image.lammps stable_22Jul2025_update3": {"image": OTHER_LAMMPS},
    "images from elsewhere: image.source existing": {"image": OTHER_IMAGE},
    "other addresses: network.cidr 10.40.0.0/16 -> 10.50.0.0/16": {
        "network": {"cidr": "10.50.0.0/16", "egress": "public"}
    },
    "deleted objects can be had back longer: storage.noncurrent_days 1 -> 7": {
        "storage": {"on_destroy": "delete", "noncurrent_days": 7}
    },
}
"""What changes, in words, to the keys of the configuration that differ."""

MASKS = (
    (r"\b(vpc|subnet|sg|lt|rtb|rtbassoc|igw|vpce|sgr)-[0-9a-f]{8,}", r"\1-<id>"),
    (r"(update\d)-[0-9a-f]{12}", r"\1-<sources>"),
    (r"sha256:(?!a{64})[0-9a-f]{64}", "sha256:<digest>"),
    (r"(lammps-jobs-dev-[a-z0-9-]+)-\d{4}\b", r"\1-<n>"),
)
HEAD = re.compile(r"^ *(\+-|\+\+|--|[~+-]) ?\S+:(\w+): \([\w-]+\)", re.MULTILINE)
"""The line of the engine's diff that begins a resource: its sign and its type."""


def plan_of(stack: Any) -> str:
    """The engine's diff in short: each resource with its sign, and below it the inputs that change; then the counts."""
    body, _, summary = stack.preview(diff=True, color="never").stdout.partition("\nResources:")
    body = body.partition("    --outputs:--")[0]
    heads = [*HEAD.finditer(body)]
    found = []
    for head, end in zip(heads, [*(one.start() for one in heads[1:]), len(body)], strict=True):
        block = body[head.end() : end]
        name = re.search(r"urn=urn:\S+::(\S+)\]", block)
        if head[1] in SHOWN and name:
            found.append("\n".join([f"{head[1]} {head[2]} {name[1]}", *_inputs(head[1], block)]))
    counts = re.findall(r"^\s+(\S* ?\d+ to \w+|\d+ unchanged)", summary, re.MULTILINE)
    text = "\n".join([*sorted(found, key=lambda block: block.split("\n")[0][2:]), "Resources: " + ", ".join(counts)])
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text


def _inputs(sign: str, block: str) -> list[str]:
    """The lines of a resource's inputs that change."""
    if sign not in ("~", "+-"):
        return []
    lines = ["    " + line.strip() for line in block.split("\n") if re.match(r"\s+[~+-] ", line)]
    document, *content = lines or [""]
    if content and all(line.startswith("    -") for line in content):  # as the engine says of what it does not know yet
        return [document.partition(":")[0] + ": (known once the others are made)"]
    return lines


SHOWN = ("~", "+", "-", "+-")
"""Signs of the engine: update, create, delete, replace; it says a replacement's halves once more, each for itself."""


def page() -> str:
    """All changes with their plans."""
    parts = ["What `pulumi preview --diff` says of typical changes of the stack dev, made by `make changes WRITE=1`.\n"
             "`+-` is made anew first, then the old one goes; `~` changes in place."]  # fmt: skip
    with (
        moto(MOTO_IAM_LOAD_MANAGED_POLICIES="true") as url,
        serving(Account(url, "eu-central-1")) as providers,
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(ROOT / "infra"),
    ):
        state = Path(folder)
        stack = stack_of("dev", lambda: build(lambda: True), state, providers=providers, config=config_of("dev"))
        stack.up(color="never")
        file = state / "work" / "Pulumi.dev.yaml"
        kept = yaml.safe_load(file.read_text())
        for name, changes in CHANGES.items():
            # what `pulumi config set-all` would write, without its process
            file.write_text(yaml.safe_dump({**kept, "config": config_of("dev", **changes)}))
            parts.append(f"==== {name}\n{plan_of(stack)}")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="replace docs/previews/changes.txt")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 when docs/previews/changes.txt says something else"
    )
    args = parser.parse_args()
    text = page()
    if args.write:
        FILE.write_text(text)
    elif args.check:
        return int(FILE.read_text() != text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
