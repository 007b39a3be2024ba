"""Cut and kill small scripts at random places, again and again, and write what came of it (docs/reliability.md).

Usage: python -m tools.reliability --cuts 1000 --seed 1 --table docs/reliability.md
Each script is rehearsed (`lammps-jobs rehearse`): run by plain `lmp`, run with checkpoints, and run while its machine
is taken away, by order and by `kill -9`, at places that the seed chooses; then all outputs are compared with those of
plain `lmp`. Exit code 1 when one came out wrong or was harmed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tools.compatibility import BAD, one
from tools.reliability_scripts import KINDS, script

STEPS = 1000
CUTS_EACH = 6
LIMIT_S = 300.0
HOPELESS = 3
"""Times that a kind that is never cut is tried."""


def trials(seed: int, ranks: tuple[int, ...]) -> Iterator[tuple[str, int, argparse.Namespace]]:
    """Endlessly, every kind with every number of ranks, each time at other places, with kills every other time."""
    draw = random.Random(seed)
    for round_, (kind, size) in ((n, pair) for n in itertools.count() for pair in itertools.product(KINDS, ranks)):
        at = sorted(round(draw.uniform(0.02, 0.98), 3) for _ in range(CUTS_EACH))
        yield (
            kind,
            size,
            argparse.Namespace(
                limit=LIMIT_S,
                cuts=CUTS_EACH,
                seed=draw.randrange(10**6),
                steps=None,
                at=at,
                kill=(round_ + size) % 2 == 0,
            ),
        )


def tried(kind: str, ranks: int, args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="reliability-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "in.script"
        path.write_text(script(kind, STEPS))
        return one(path, args, ranks) | {"kind": kind, "kill": args.kill, "at": args.at, "seed": args.seed}


def survey(cuts: int, seed: int, ranks: tuple[int, ...], jobs: int, minutes: float) -> list[dict[str, Any]]:
    """Try until so many cuts were taken, or so much time has passed."""
    until = time.monotonic() + 60 * minutes
    found: list[dict[str, Any]] = []
    barren: dict[str, int] = defaultdict(int)
    todo = trials(seed, ranks)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(tried, *next(todo)) for _ in range(jobs)}
        while running:
            done = next(as_completed(running))
            running.remove(done)
            record = done.result()
            found.append(record)
            barren[record["kind"]] += not record.get("cuts")
            taken = sum(len(record.get("cuts", ())) for record in found)
            print(f"{taken:5d} cuts  {record['outcome']:12s} {record['ranks']} rank(s)  {record['kind']}", flush=True)
            if taken < cuts and time.monotonic() < until:
                upcoming = next(trial for trial in todo if barren[trial[0]] < HOPELESS)
                running.add(pool.submit(tried, *upcoming))
    return found


def table(records: list[dict[str, Any]], command: str, seconds: float) -> str:
    taken = sum(len(record.get("cuts", ())) for record in records)
    same = sum(len(record.get("cuts", ())) for record in records if record.get("equals_bare"))
    bad = [record for record in records if record["outcome"] in BAD]
    kinds, share = len({record["kind"] for record in records}), 100 * same / max(taken, 1)
    sizes = " and ".join(map(str, sorted({record["ranks"] for record in records})))
    lines = [
        "# Reliability",
        "",
        f"{taken} resumes at random places of {kinds} small scripts (`tools/reliability_scripts.py`),",
        f"in {len(records)} rehearsals on {sizes} rank(s): {len(bad)} wrong or harmed.",
        f"{same} of them ({share:.1f} %) were in runs of which every output is, to the last bit, that of plain `lmp`.",
        "In every other rehearsal engine and supervisor are also killed (`kill -9`) after each resume,",
        "at once or at a random step.",
        "",
        f"Made by `{command}` in {seconds / 60:.0f} minutes.",
        "",
        "| Script | Ranks | Rehearsals | Resumes | As never cut | Outcomes | Why not exact |",
        "|---|---|---|---|---|---|---|",
    ]
    by_kind: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_kind[record["kind"], record["ranks"]].append(record)
    for (kind, ranks), some in sorted(by_kind.items()):
        cuts = sum(len(record.get("cuts", ())) for record in some)
        never = sum(bool(record.get("equals_bare")) for record in some)
        outcomes = ", ".join(sorted({record["outcome"] for record in some}))
        why = "; ".join(sorted({str(reason) for record in some for reason in record["why"]}))
        lines.append(f"| {kind} | {ranks} | {len(some)} | {cuts} | {never} of {len(some)} | {outcomes} | {why} |")
    for record in bad:
        told = [*record.get("harm", ()), *record.get("differences", ()), *record["why"]][:3]
        lines += ["", f"**{record['kind']}**, {record['ranks']} rank(s), at {record['at']}, seed {record['seed']}:", "",
                  *(f"    {line}" for text in told for line in text.splitlines())]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--cuts", type=int, default=1000, help="how many cuts and kills there are to be at least")
    parser.add_argument("--seed", type=int, default=1, help="of the places of cuts and kills")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="numbers of MPI ranks")
    parser.add_argument("--jobs", type=int, default=2, help="rehearsals at a time")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin nothing more after that time")
    parser.add_argument("--table", type=Path, help="where to write the table")
    args = parser.parse_args()
    began = time.monotonic()
    records = survey(args.cuts, args.seed, tuple(args.ranks), args.jobs, args.minutes)
    page = table(records, "python -m tools.reliability " + " ".join(sys.argv[1:]), time.monotonic() - began)
    if args.table:
        args.table.write_text(page)
    print(page)
    return int(any(record["outcome"] in BAD for record in records))


if __name__ == "__main__":
    sys.exit(main())
