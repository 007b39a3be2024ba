"""The promise on a real simulation: a polymer melt loses its machine and ends as if it had not.

The run is killed in the middle of production, resumed from its record, and compared with the same
run that was cut at the same step, set up again and not lost. Exit code 1 when they differ.
Production is as long as this machine needs for some seconds, and the run is killed at a step, not at a time:
the same happens on slow, busy and fast machines.
"""

from __future__ import annotations

import argparse
import filecmp
import math
import re
import shutil
import sys
import time
from pathlib import Path

import lammps_jobs
from lammps_jobs.report.page import write

sys.path.insert(0, str(Path(__file__).parent / "polymer"))
from generate import write_melt

PRODUCTION = 5
PRODUCTION_S = 12.0
LEAST_STEPS = 20_000
STEPS_BETWEEN = 4000
"""Steps between two checkpoints, about: with enough room to find a step at which no averaging window is open."""
SHORT = {"heat": 200, "press": 200, "prod": 1000}
"""Steps of the stages of a run that only shows how fast this machine is."""
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
    speed = speed_of(cluster, script, resources)
    steps, often = production_steps(speed, PRODUCTION_S), checkpoints_for(speed)
    run = cluster.submit(script, name="polymer", variables={"prod": steps}, resources=resources, checkpoints=often)
    print(f"polymer: {args.chains * 100} beads on {args.ranks} MPI ranks, {steps} steps of production, "
          f"a checkpoint every {often.every_s:.1f} s", flush=True)  # fmt: skip
    kill_in_production(run, steps // 2)
    print(f"  taken away with SIGKILL after step {run.status.step} of production", flush=True)
    run.resume()
    state = run.wait(check=False)
    print(f"  resumed from step {run.resumed_at[0][1]}, {state.state} at step {state.step}", flush=True)

    kept = cluster.submit(
        script, name="polymer-kept", variables={"prod": steps}, resources=resources,
        cut_plan=lammps_jobs.CutPlan(cut_at=run.resumed_at, then="set up again"),
    )  # fmt: skip
    kept_state = kept.wait(check=False)
    same = state.state == kept_state.state == "finished" and compare(run, kept, args.out)
    page = write(run, args.out / "report.html")
    verdict = "the same, bit for bit" if same else "DIFFERENT"
    print(f"The run that lost its machine and the one that did not are {verdict} ({state.fidelity.grade}).")
    print(f"Report: {page.resolve()}")
    return 0 if same else 1


def speed_of(cluster: lammps_jobs.Cluster, script: Path, resources: lammps_jobs.Resources) -> float:
    """Steps of production per second on this machine, measured in a short run."""
    run = cluster.submit(script, name="speed", variables=SHORT, resources=resources)
    if run.wait(check=False).state != "finished":
        sys.exit(f"The demo's first, short run is {run.status.state}: {run.status.reason}\n{run.status.where}")
    took, steps = re.findall(r"^Loop time of (\S+) on \d+ procs for (\d+) steps", run.logs(), re.MULTILINE)[-1]
    return int(steps) / float(took)


def production_steps(speed: float, seconds: float) -> int:
    """Steps of production that take about `seconds`: a multiple of what is between two frames."""
    return max(LEAST_STEPS, 500 * math.ceil(speed * seconds / 500))


def checkpoints_for(speed: float) -> lammps_jobs.Checkpoints:
    return lammps_jobs.Checkpoints(every_s=max(1.0, STEPS_BETWEEN / speed))


def kill_in_production(run: lammps_jobs.Run, step: int) -> None:
    """Wait for `step` of production and for a checkpoint in it, then kill everything."""
    while True:
        state = run.status
        if state.is_ended:
            sys.exit(f"Waited for step {step} of production and a checkpoint in it, but the run is {state.state} "
                     f"at step {state.step} already. {state.reason}\n{state.where}")  # fmt: skip
        if state.stage == PRODUCTION and state.step >= step and _has_checkpoint_in_production(run):
            run.kill()
            run.wait(check=False)
            return
        time.sleep(0.05)


def _has_checkpoint_in_production(run: lammps_jobs.Run) -> bool:
    newest = run.record.checkpoint(run.record.checkpoint_seqs()[-1])
    return bool(newest and newest.stage == PRODUCTION and not newest.stage_boundary)


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
