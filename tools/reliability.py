"""Cut and kill small scripts at random places, again and again, and write what came of it (docs/reliability.md).

Usage: python -m tools.reliability --cuts 1000 --seed 1 --table docs/reliability.md
Each script is rehearsed (`lammps-jobs rehearse`): run by plain `lmp`, run with checkpoints, and run while its machine
is taken away, by order and by `kill -9`, at places that the seed chooses; then all outputs are compared with those of
plain `lmp`. Exit code 1 when one came out wrong or was harmed.

With an accelerator, after `make kokkos`, which says where it lies (that folder goes into PYTHONPATH):
python -m tools.reliability --switches "-k on t {threads} -sf kk" --threads 1 2
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shlex
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
BESIDE = "\n## The fault campaign"
"""Where the part of the page begins that `tools.chaos` is for."""
HOPELESS = 3
"""Times that a kind that is never cut is tried."""


def trials(
    seed: int, ranks: tuple[int, ...], threads: tuple[int, ...] = (1,)
) -> Iterator[tuple[str, int, argparse.Namespace]]:
    """Endlessly, each kind with each number of ranks and threads, at other places each time, every other with kills."""
    draw = random.Random(seed)
    kinds = tuple(itertools.product(KINDS, ranks, threads))
    for round_, (kind, size, each) in ((n, one_of) for n in itertools.count() for one_of in kinds):
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
                kill=(round_ + size + each - 1) % 2 == 0,
                threads=each,
            ),
        )


def tried(switches: str, kind: str, ranks: int, args: argparse.Namespace) -> dict[str, Any]:
    """Rehearse one kind; in `switches`, LAMMPS's own, {threads} stands for the number of threads of a rank."""
    words = tuple(shlex.split(switches.replace("{threads}", str(args.threads))))
    with tempfile.TemporaryDirectory(prefix="reliability-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "in.script"
        path.write_text(script(kind, STEPS))
        found = one(path, args, ranks, args.threads, words)
    return found | {
        "kind": kind, "kill": args.kill, "at": args.at, "seed": args.seed, "threads": args.threads,
    }  # fmt: skip


def survey(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Try until so many cuts were taken, or so much time has passed."""
    until = time.monotonic() + 60 * args.minutes
    found: list[dict[str, Any]] = []
    barren: dict[str, int] = defaultdict(int)
    todo = trials(args.seed, tuple(args.ranks), tuple(args.threads))
    with ThreadPoolExecutor(args.jobs) as pool:
        running = {pool.submit(tried, args.switches, *next(todo)) for _ in range(args.jobs)}
        while running:
            done = next(as_completed(running))
            running.remove(done)
            record = done.result()
            found.append(record)
            barren[record["kind"]] += not record.get("cuts")
            taken = sum(len(record.get("cuts", ())) for record in found)
            print(f"{taken:5d} cuts  {record['outcome']:12s} {_size(record)}  {record['kind']}", flush=True)
            if taken < args.cuts and time.monotonic() < until:
                upcoming = next(trial for trial in todo if barren[trial[0]] < HOPELESS)
                running.add(pool.submit(tried, args.switches, *upcoming))
    return found


def _size(record: dict[str, Any]) -> str:
    """Its ranks, and the threads of each where there are several, in words."""
    threads = record.get("threads", 1)
    return f"{record['ranks']} rank(s)" + (f" of {threads} threads" if threads > 1 else "")


def table(records: list[dict[str, Any]], command: str, seconds: float) -> str:
    taken = sum(len(record.get("cuts", ())) for record in records)
    same = sum(len(record.get("cuts", ())) for record in records if record.get("equals_bare"))
    bad = [record for record in records if record["outcome"] in BAD]
    kinds, share = len({record["kind"] for record in records}), 100 * same / max(taken, 1)
    sizes = ", ".join(sorted({_size(record) for record in records}))
    lines = [
        "# Reliability",
        "",
        f"{taken} resumes at random places of {kinds} small scripts (`tools/reliability_scripts.py`),",
        f"in {len(records)} rehearsals on {sizes}: {len(bad)} wrong or harmed.",
        f"{same} of them ({share:.1f} %) were in runs of which every output is, to the last bit, that of plain `lmp`.",
        "In every other rehearsal engine and supervisor are also killed (`kill -9`) after each resume,",
        "at once or at a random step.",
        "",
        f"Made by `{command}` in {seconds / 60:.0f} minutes.",
        "",
        "| Script | Ranks | Rehearsals | Resumes | As never cut | Outcomes | Why not exact |",
        "|---|---|---|---|---|---|---|",
    ]
    by_kind: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_kind[record["kind"], record["ranks"], record.get("threads", 1)].append(record)
    for (kind, ranks, threads), some in sorted(by_kind.items()):
        cuts = sum(len(record.get("cuts", ())) for record in some)
        never = sum(bool(record.get("equals_bare")) for record in some)
        outcomes = ", ".join(sorted({record["outcome"] for record in some}))
        why = "; ".join(sorted({str(reason) for record in some for reason in record["why"]}))
        size = f"{ranks} of {threads} threads" if threads > 1 else ranks
        lines.append(f"| {kind} | {size} | {len(some)} | {cuts} | {never} of {len(some)} | {outcomes} | {why} |")
    for record in bad:
        told = [*record.get("harm", ()), *record.get("differences", ()), *record["why"]][:3]
        lines += ["", f"**{record['kind']}**, {_size(record)}, at {record['at']}, seed {record['seed']}:", "",
                  *(f"    {line}" for text in told for line in text.splitlines())]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--cuts", type=int, default=1000, help="how many cuts and kills there are to be at least")
    parser.add_argument("--seed", type=int, default=1, help="of the places of cuts and kills")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="numbers of MPI ranks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="numbers of threads of each rank")
    parser.add_argument("--switches", default="", help="LAMMPS's own switches, in one word; {threads} is put in")
    parser.add_argument("--jobs", type=int, default=2, help="rehearsals at a time")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin nothing more after that time")
    parser.add_argument("--table", type=Path, help="where to write the table")
    args = parser.parse_args()
    if max(args.threads) > 1:  # they are more than this machine's cores: let none wait at full speed, or for one core
        os.environ |= {"OMP_WAIT_POLICY": "passive", "OMP_PROC_BIND": "false"}
    began = time.monotonic()
    records = survey(args)
    page = table(records, "python -m tools.reliability " + shlex.join(sys.argv[1:]), time.monotonic() - began)
    if args.table:
        old = args.table.read_text() if args.table.exists() else ""
        args.table.write_text(page + old[old.index(BESIDE) :] if BESIDE in old else page)
    print(page)
    return int(any(record["outcome"] in BAD for record in records))


if __name__ == "__main__":
    sys.exit(main())
