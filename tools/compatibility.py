"""Rehearse folders of LAMMPS scripts and write the table of grades (docs/compatibility.md).

Usage: python -m tools.compatibility /usr/share/lammps/examples --folders melt peptide --table docs/compatibility.md
The scripts of Debian's package lammps-examples serve: apt-get install lammps-examples lammps-data
Exit code 1 when a result was wrong or a run was harmed.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lammps_jobs import LammpsJobsError, Resources
from lammps_jobs.errors import ScriptError
from lammps_jobs.rehearsal.rehearse import rehearse

FOLDERS = [
    "melt", "peptide", "micelle", "friction", "indent", "min", "crack", "flow", "shear",
    "rigid", "deposit", "dreiding", "cmap", "ellipse", "obstacle", "body", "dipole",
]  # fmt: skip
BAD = ("wrong", "harmed")
POTENTIALS = "/usr/share/lammps/potentials"


def one(
    script: Path, args: argparse.Namespace, ranks: int, threads: int = 1, switches: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Rehearse one script, with LAMMPS's `switches` where some are given; what came of it as a plain record."""
    resources = Resources(ranks=ranks, threads=threads, switches=switches)
    record: dict[str, Any] = {"script": f"{script.parent.name}/{script.name}", "ranks": ranks}
    with tempfile.TemporaryDirectory(prefix="corpus-", ignore_cleanup_errors=True) as folder:
        try:
            found = rehearse(
                script, resources=resources, limit_s=args.limit, cuts=args.cuts, seed=args.seed,
                steps=args.steps, keep=Path(folder) / "sides", at=tuple(args.at), kill=args.kill,
            )  # fmt: skip
        except ScriptError as error:
            return {**record, "outcome": "bare fails", "why": error.where.splitlines()[:1]}
        except TimeoutError:
            return {**record, "outcome": "too long", "why": []}
        except LammpsJobsError as error:
            if "side" not in error.what:
                outcome = "bare fails" if "not there" in error.what else "harmed"
                return {**record, "outcome": outcome, "why": [str(error)[:400]]}
            outcome = "refused" if "'lost'" in error.what and "code 13" in error.what else "harmed"
            return {**record, "outcome": outcome, "why": [str(error)[:400]]}
    outcome = "harmed" if found.harm else "wrong" if found.verdict == "different" else found.verdict
    return {
        **record, "outcome": outcome, "as_if": found.as_if, "equals_bare": found.equals_bare,
        "cuts": found.cuts, "stages": len(found.stages), "why": list(found.reasons),
        "harm": [str(d)[:300] for d in found.harm], "differences": [str(d)[:300] for d in found.differences],
    }  # fmt: skip


def scripts_in(root: Path, folders: list[str]) -> list[Path]:
    found = [path for folder in folders for path in sorted((root / folder).rglob("in.*")) if path.is_file()]
    return [path for path in found if not path.name.endswith(("~", ".gz"))]


def table(records: list[dict[str, Any]], switches: str) -> str:
    """The page of grades."""
    ran = [r for r in records if r["outcome"] not in ("bare fails", "too long")]
    counts = Counter(r["outcome"] for r in ran)
    exact = [r for r in ran if r["outcome"] == "exact"]
    never = sum(bool(r["equals_bare"]) for r in exact)
    lines = [
        "# Compatibility", "",
        "Scripts of Debian's package `lammps-examples`, unmodified, each rehearsed: cut in several places, every cut",
        f"with the process gone{' and once more with kill -9 after every resume' * ('--kill' in switches)},",
        "and compared with the same run not lost and with bare `lmp`. Made by",
        f"`python -m tools.compatibility {switches}` on LAMMPS 22Jul2025.", "",
        f"{len(records)} scripts and rank counts; {len(records) - len(ran)} that bare LAMMPS does not run in the time "
        f"limit; {len(ran)} rehearsed: " + ", ".join(f"{counts[key]} {key}" for key in sorted(counts)) + ".",
        f"Of the {len(exact)} exact ones {never} equal bare `lmp`, which was never cut, in every output byte.", "",
        "| Script | Ranks | Grade | Equal to the run never cut | Why |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for r in records:
        equal = {True: "yes", False: "no", None: ""}[r.get("equals_bare")]
        why = "; ".join(r["why"] + r.get("harm", []) * (r["outcome"] == "harmed")
                        + r.get("differences", []) * (r["outcome"] == "wrong"))  # fmt: skip
        why = " ".join(why.replace("|", "\\|").split())[:300]
        lines.append(f"| {r['script']} | {r['ranks']} | {r['outcome']} | {equal} | {why} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--folders", nargs="*", default=FOLDERS)
    parser.add_argument("--ranks", nargs="*", type=int, default=[1])
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each side")
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--at", nargs="*", type=float, default=[0.25, 0.6, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="cap the steps of every run, to get through many scripts")
    parser.add_argument("--kill", action="store_true", help="kill -9 after every resume, too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="records as JSON")
    parser.add_argument("--table", type=Path, help="the page of grades")
    args = parser.parse_args()
    os.environ.setdefault("LAMMPS_POTENTIALS", POTENTIALS)
    work = [(script, ranks) for script in scripts_in(args.root, args.folders) for ranks in args.ranks]
    with ThreadPoolExecutor(args.jobs) as pool:
        records = []
        for record in pool.map(lambda item: one(item[0], args, item[1]), work):
            records.append(record)
            print(f"{record['script']:45s} {record['ranks']} {record['outcome']:12s} "
                  f"{record.get('equals_bare', '')!s:6s} {'; '.join(record['why'])[:150]}", flush=True)  # fmt: skip
            for text in record.get("harm", []) + (
                record.get("differences", []) if record["outcome"] == "wrong" else []
            ):
                print("    " + text.replace("\n", "\n    "), flush=True)
    if args.out:
        args.out.write_text(json.dumps(records, indent=1))
    if args.table:
        args.table.write_text(table(records, shlex.join(sys.argv[1:])))
    bad = [record for record in records if record["outcome"] in BAD]
    print(f"{len(records)} rehearsed, {len(bad)} wrong or harmed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
