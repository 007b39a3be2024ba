"""What `pulumi up` would make, on a machine without AWS: `make preview STACK=dev`.

With the engine it is `pulumi preview --diff`, its provider answered by the test account's table; without it the
registered graph. `--check` compares with the reviewed text in docs/previews, `--write` replaces it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from emulator import ROOT
from emulator.account import Account
from emulator.graph import config_of, run
from emulator.provider import serving
from emulator.pulumi_engine import HINT, pulumi_binary, stack_of
from infra.stack import build

BLOCK = r"\n(?=\s*\+ \S+: \(create\))"


class Offline(Account):
    """An account that is only asked what is known beforehand."""

    def invoke(self, token: str, args: dict[str, Any]) -> dict[str, Any]:
        match token.rpartition(":")[2]:
            case "getCallerIdentity":
                return {"accountId": "123456789012", "arn": "", "userId": "", "id": ""}
            case "getAvailabilityZones":
                return {"names": [self.region + letter for letter in "abc"], "id": "", "groupNames": [], "zoneIds": []}
        return super().invoke(token, args)


def by_engine(stack: str) -> str:
    """The engine's own diff for a first deployment, with what differs from day to day masked."""
    config = config_of(stack)
    offline = Offline("", config["aws:region"])
    with tempfile.TemporaryDirectory() as folder, serving(offline) as providers, contextlib.chdir(ROOT / "infra"):
        deployed = stack_of(stack, lambda: build(lambda: True), Path(folder), providers=providers, config=config)
        return steady(deployed.preview(diff=True, color="never").stdout)


def steady(text: str) -> str:
    """The resources by name, without provider lines and with the digest of the image's sources masked."""
    body, _, outputs = text.split("\nResources:", maxsplit=1)[0].partition("    --outputs:--")
    head, *blocks = re.split(BLOCK, body)
    outputs, *more = re.split(BLOCK, outputs)  # the engine prints them at the moment when they become known
    blocks += more
    kept = []
    for block in blocks:
        lines = [line.rstrip() for line in block.rstrip().split("\n") if "[provider=" not in line]
        kept.append(re.sub(r"update4-[0-9a-f]{12}", "update4-<sources>", "\n".join(lines)))
    kept.sort(key=lambda block: re.search(r"urn=(\S+)\]", block)[1])  # type: ignore[index]
    count = re.search(r"\n\s+\+ \d+ to create", text)
    return "\n".join(
        [head.strip(), *kept, "Outputs:" + outputs.rstrip(), "Resources:" + (count[0] if count else ""), ""]
    )


def by_graph(stack: str) -> str:
    """The registered resources with their inputs, where there is no engine."""
    lines = [f"(no Pulumi engine here, so this is the program's graph; {HINT})", ""]
    for (token, name), inputs in sorted(run(config_of(stack), stack, preview=True).resources.items()):
        lines.append(f"+ {token} {name}")
        lines += [f"    {key}: {json.dumps(value)[:160]}" for key, value in sorted(inputs.items())]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("stack", choices=["dev", "prod"])
    parser.add_argument("--write", action="store_true", help="replace docs/previews/STACK.txt")
    parser.add_argument("--check", action="store_true", help="exit 1 when docs/previews/STACK.txt says something else")
    args = parser.parse_args()
    started = time.monotonic()
    text = by_engine(args.stack) if pulumi_binary() else by_graph(args.stack)
    file = ROOT / "docs" / "previews" / f"{args.stack}.txt"
    if args.write:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    elif args.check:
        return int(file.read_text() != text)
    else:
        print(text)
    print(f"{time.monotonic() - started:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
