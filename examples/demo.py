"""The promise on a real simulation: a polymer melt loses its machine and ends as if it had not.

The run is killed in the middle of production, resumed from its record, and compared with the same
run that was cut at the same step, set up again and not lost. Exit code 1 when they differ.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import time
from pathlib import Path

import lammps_jobs
from lammps_jobs.report.page import write

sys.path.insert(0, str(Path(__file__).parent / "polymer"))
from generate import write_melt

PRODUCTION = 5
COMPARED = ("trajectory.lammpstrj", "averages.dat", "msd.dat", "final.data")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("demo-out"))
    parser.add_argument("--chains", type=int, default=40, help="chains of 100 beads")
    parser.add_argument("--ranks", type=int, default=2)
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    script = args.out / "in.polymer"
    shutil.copy(Path(__file__).parent / "polymer" / "in.polymer", script)
    with (args.out / "melt.data").open("w") as file:
        write_melt(file, args.chains, 100, 0.85, seed=1)

    cluster = lammps_jobs.connect(store=str(args.out / "store"))
    resources = lammps_jobs.Resources(ranks=args.ranks)
    often = lammps_jobs.Checkpoints(every_s=1.0)
    run = cluster.submit(script, name="polymer", resources=resources, checkpoints=often)
    print(f"polymer: {args.chains * 100} beads on {args.ranks} MPI ranks, a checkpoint every second", flush=True)
    kill_in_production(run)
    print(f"  taken away with SIGKILL after step {run.status.step} of production", flush=True)
    run.resume()
    state = run.wait(300)
    print(f"  resumed from step {resumed_at(run)[0][1]}, {state.state} at step {state.step}", flush=True)

    kept = cluster.submit(
        script, name="polymer-kept", resources=resources,
        cut_plan=lammps_jobs.CutPlan(cut_at=resumed_at(run), then="set up again"),
    )  # fmt: skip
    kept_state = kept.wait(300)
    same = state.state == kept_state.state == "finished" and compare(run, kept, args.out)
    page = write(run, args.out / "report.html")
    verdict = "the same, bit for bit" if same else "DIFFERENT"
    print(f"The run that lost its machine and the one that did not are {verdict} ({state.fidelity.grade}).")
    print(f"Report: {page.resolve()}")
    return 0 if same else 1


def kill_in_production(run: lammps_jobs.Run) -> None:
    """Wait for a checkpoint a good way into production and some steps more, then kill everything."""
    while True:
        state, progress = run.status, run.progress
        if state.is_ended:
            sys.exit(f"The demo's run is {state.state} too early: {state.reason}\n{state.where}")
        if progress and progress.stage == PRODUCTION and (progress.last_checkpoint_step or 0) > 1000:
            newest = run.record.checkpoint(run.record.checkpoint_seqs()[-1])
            if newest and newest.stage == PRODUCTION and not newest.stage_boundary:
                time.sleep(0.4)
                run.kill()
                run.wait(10)
                return
        time.sleep(0.05)


def resumed_at(run: lammps_jobs.Run) -> tuple[tuple[int, int], ...]:
    """The cuts that the run was resumed from, as (stage, timestep)."""
    return tuple((e.stage or 0, e.step or 0) for e in run.events if e.kind == "resumed")


def compare(run: lammps_jobs.Run, kept: lammps_jobs.Run, out: Path) -> bool:
    run.download(out / "lost")
    kept.download(out / "kept")
    same = [filecmp.cmp(out / "lost" / name, out / "kept" / name, shallow=False) for name in COMPARED]
    for name, equal in zip(COMPARED, same, strict=True):
        print(f"  {name:24s} {'identical' if equal else 'DIFFERS'}")
    rows = run.thermo().equals(kept.thermo())
    print(f"  {'thermo table':24s} {'identical' if rows else 'DIFFERS'} ({len(run.thermo())} rows)")
    return all(same) and rows


if __name__ == "__main__":
    sys.exit(main())
