"""The whole way to AWS on this machine: stack, image, a polymer whose machine is reclaimed twice, result, report.

`make cloud-demo`. The Pulumi program's resources are made in an emulated account, the image is built without Docker,
each attempt runs in its container. Machines are taken away at steps of a production whose length suits the speed of
this machine. Exit code 1 when the result differs from the run that lost no machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import lammps_jobs
from emulator import ROOT
from emulator.batch import Cloud
from emulator.containers import HINT, IMAGE, Podman, can_run_containers
from emulator.journeys import checkpointed, job_of, passed, reaches
from emulator.stack import deployed
from lammps_jobs.report.page import write

sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "examples" / "polymer")]
from demo import PRODUCTION, checkpoints_for, compare, production_steps, speed_of  # noqa: E402
from generate import write_melt  # noqa: E402

OUT = ROOT / "demo-out" / "cloud"
CHAINS, RESOURCES = 40, lammps_jobs.Resources(ranks=2)
PRODUCTION_S = 30.0
NOTICES = {1: True, 2: False}
"""Attempts that lose their machine: whether with a Spot notice."""


def main() -> int:
    if not can_run_containers():
        print(HINT)
        return 10
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    podman = Podman()
    print(f"image {IMAGE}: built in {podman.build():.0f} s", flush=True)
    for line in podman.layers():
        print(f"  {line}")
    script = write_inputs()
    here = lammps_jobs.connect(store=OUT / "store")
    speed = speed_of(here, script, RESOURCES)
    steps, often = production_steps(speed, PRODUCTION_S), checkpoints_for(speed)
    print(
        f"production: {steps} steps, {steps / speed:.0f} s here; a checkpoint every {often.every_s:.1f} s", flush=True
    )
    with deployed(podman) as (cloud, environment):
        os.environ.update(environment)
        stack = lammps_jobs.connect("dev", pool="cpu")
        print(f"stack dev: deployed; runs are recorded in {stack.store}", flush=True)
        run = stack.submit(script, variables={"prod": steps}, resources=RESOURCES, checkpoints=often)
        travel(cloud, run, steps)
        kept = here.submit(
            script, name="polymer-kept", variables={"prod": steps}, resources=RESOURCES,
            cut_plan=lammps_jobs.CutPlan(cut_at=run.resumed_at, then="set up again"),
        )  # fmt: skip
        state = kept.wait(check=False)
        same = run.status.state == state.state == "finished" and compare(run, kept, OUT)
        page = write(run, OUT / "report.html")
    verdict = "the same, bit for bit" if same else "DIFFERENT"
    print(f"The run that lost two machines and the one that lost none are {verdict}.\nReport: {page}")
    return 0 if same else 1


def write_inputs() -> Path:
    shutil.copy(ROOT / "examples" / "polymer" / "in.polymer", OUT)
    with (OUT / "melt.data").open("w") as file:
        write_melt(file, CHAINS, 100, 0.85, seed=1)
    return OUT / "in.polymer"


def travel(cloud: Cloud, run: lammps_jobs.Run, steps: int) -> None:
    """Take the machine of a run away at a quarter and at half of production, and wait for its end."""
    print(f"submitted: {CHAINS * 100} beads on {RESOURCES.ranks} MPI ranks", flush=True)
    for attempt, notice in NOTICES.items():
        step = attempt * steps // 4
        passed(run, attempt, PRODUCTION, step)
        safe = checkpointed(run, attempt, stage=PRODUCTION)
        cloud.reclaim(job_of(cloud, run), notice=notice)
        how = "reclaimed with a Spot notice" if notice else "taken away without a word"
        print(f"  attempt {attempt}: {how} after step {step} of production, checkpoint at {safe}", flush=True)
        reaches(run, lambda attempt=attempt: run.status.attempt > attempt, f"attempt {attempt + 1} to start")  # type: ignore[misc]
    state = run.wait(check=False)
    for event in run.events:
        if event.kind == "resumed":
            print(f"  attempt {event.attempt}: resumed at step {event.step} in {event.seconds:.1f} s")
    print(f"  {state.state} at step {state.step}, resumes are {state.fidelity.grade}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
