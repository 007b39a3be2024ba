"""Harm runs at random, see that nothing is lost, doubled, forked, hung, orphaned or wrongly ended, and write a table.

Usage: python -m tools.chaos --minutes 5 --seed 1 [--store folder s3] [--real] [--out FILE]
Runs real supervisors on a real record, killed as processes; their engine is a cheap one that speaks the engine's
protocol, or LAMMPS with --real. A failure prints the command that repeats it. Exit code 1 when anything was broken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools.chaos import real as lammps
from tools.chaos import scenario as cheap
from tools.chaos.faults import FAULTS
from tools.chaos.scenario import Scenario
from tools.chaos.world import command_of, world

STORES = ("folder", "s3")


def campaign(
    store: str, seed: int, minutes: float, most: int, *, real: bool, kinds: list[str], jobs: int, out: Path | None
) -> list[dict[str, Any]]:  # fmt: skip
    """Play scenarios one after the other until so many were played or so much time has passed."""
    until = time.monotonic() + 60 * minutes
    possible = [kind for kind in kinds if store == "s3" or not kind.startswith("S3")]
    possible = [kind for kind in possible if not real or kind in lammps.KINDS]
    found: list[dict[str, Any]] = []
    numbers = iter(range(most))
    with world(store, real=real) as there, ThreadPoolExecutor(jobs) as pool:

        def play(_: int) -> None:
            for number in numbers:
                if time.monotonic() > until:
                    return
                scene = (lammps.begun if real else cheap.begun)(there, f"run-{number}")
                scene = cheap.played(scene, seed + number, possible)
                found.append(told(scene, store, seed + number, real=real))
                if not scene.broken:
                    there.clear(scene.name)
                if out:
                    with out.open("a") as file:
                        file.write(json.dumps(found[-1]) + "\n")

        list(pool.map(play, range(jobs)))
    return found


def told(scene: Scenario, store: str, seed: int, *, real: bool) -> dict[str, Any]:
    hits = sum(harm.hits for harm in scene.harms)
    print(f"{store:6s} seed {seed}: {len(scene.harms)} faults, {hits} hits, {scene.resumes} resumes", flush=True)
    for text in scene.broken:
        print(f"  BROKEN {text}\n  again: {command_of(seed, store, real=real)}", flush=True)
    harms = [vars(harm) for harm in scene.harms]
    return {"store": store, "seed": seed, "real": real, "harms": harms, "broken": scene.broken}


def table(scenarios: list[dict[str, Any]]) -> str:
    """By kind: how often it took effect, how often an attempt ended of it, work lost, time to go on."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for scene in scenarios:
        for harm in scene["harms"]:
            by_kind[harm["kind"]].append(harm)
    lines = [
        "| Fault | took effect | attempts ended | steps lost: median, max | seconds to go on: median, max |",
        "|---|---|---|---|---|",
    ]
    for kind in [kind for kind in FAULTS if kind in by_kind]:
        some = by_kind[kind]
        ended = [harm for harm in some if harm["lost_steps"] is not None]
        steps, seconds = [h["lost_steps"] for h in ended], [h["s_to_go_on"] for h in ended]
        lost = f"{statistics.median(steps):.0f}, {max(steps)}" if steps else "-"
        wait = f"{statistics.median(seconds):.1f}, {max(seconds):.1f}" if seconds else "-"
        lines.append(f"| {kind} | {sum(h['hits'] for h in some)} | {len(ended)} | {lost} | {wait} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="begin nothing more after that time, a store")
    parser.add_argument("--scenarios", type=int, default=10**6, help="so many a store at most")
    parser.add_argument("--store", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--kind", nargs="+", choices=list(FAULTS), default=list(FAULTS), help="only these faults")
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time")
    parser.add_argument("--real", action="store_true", help="with LAMMPS")
    parser.add_argument("--out", type=Path, help="add what happened to this file, a JSON line a scenario")
    parser.add_argument("--table", type=Path, nargs="+", help="only print the table of such files")
    args = parser.parse_args()
    if args.table:
        scenarios = [json.loads(line) for path in args.table for line in path.read_text().splitlines()]
    else:
        scenarios = []
        for store in args.store:
            scenarios += campaign(
                store,
                args.seed,
                args.minutes,
                args.scenarios,
                real=args.real,
                kinds=args.kind,
                jobs=args.jobs,
                out=args.out,
            )
    broken = [text for scene in scenarios for text in scene["broken"]]
    hits = sum(harm["hits"] for scene in scenarios for harm in scene["harms"])
    print(f"\n{len(scenarios)} runs, {hits} faults that took effect, {len(broken)} broken\n\n{table(scenarios)}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
