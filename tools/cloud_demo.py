"""The whole way to AWS on this machine: stack, image, a polymer whose machine is reclaimed twice, result, report.

`make cloud-demo`. The Pulumi program's resources are made in an emulated account, the image is built without Docker,
each attempt runs in its container. Exit code 1 when the result differs from the run that lost no machine.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

import lammps_jobs
from emulator.batch import Cloud
from emulator.containers import HINT, IMAGE, ROOT, Podman, can_run_containers
from emulator.journeys import job_of, until
from emulator.stack import deployed
from lammps_jobs.report.page import write

sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "examples" / "polymer")]
from demo import PRODUCTION, compare, resumed_at  # noqa: E402
from generate import write_melt  # noqa: E402

OUT = ROOT / "demo-out" / "cloud"
CHAINS, RANKS = 40, 2


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
    with deployed(podman) as (cloud, environment):
        os.environ.update(environment)
        stack = lammps_jobs.connect("dev", pool="cpu")
        print(f"stack dev: deployed; runs are recorded in {stack.store}", flush=True)
        run = travel(cloud, stack)
        kept = lammps_jobs.connect(store=OUT / "store").submit(
            OUT / "in.polymer", name="polymer-kept", resources=run.spec.resources,
            cut_plan=lammps_jobs.CutPlan(cut_at=resumed_at(run), then="set up again"),
        )  # fmt: skip
        state = kept.wait(300)
        same = run.status.state == state.state == "finished" and compare(run, kept, OUT)
        page = write(run, OUT / "report.html")
    verdict = "the same, bit for bit" if same else "DIFFERENT"
    print(f"The run that lost two machines and the one that lost none are {verdict}.\nReport: {page}")
    return 0 if same else 1


def travel(cloud: Cloud, stack: lammps_jobs.Cluster) -> lammps_jobs.Run:
    """Submit the polymer, take its machine away twice in production, and wait for its end."""
    shutil.copy(ROOT / "examples" / "polymer" / "in.polymer", OUT)
    with (OUT / "melt.data").open("w") as file:
        write_melt(file, CHAINS, 100, 0.85, seed=1)
    started = time.monotonic()
    run = stack.submit(OUT / "in.polymer", resources=lammps_jobs.Resources(ranks=RANKS),
                       checkpoints=lammps_jobs.Checkpoints(every_s=1.0))  # fmt: skip
    print(f"submitted in {time.monotonic() - started:.1f} s: {CHAINS * 100} beads on {RANKS} MPI ranks", flush=True)
    for attempt, notice in ((1, True), (2, False)):
        in_production(run, attempt)
        how = "reclaimed with a Spot notice" if notice else "taken away without a word"
        print(f"  attempt {attempt}: {how} after step {run.status.step} of production", flush=True)
        cloud.reclaim(job_of(cloud, run), notice=notice)
        until(lambda attempt=attempt: run.status.attempt > attempt)  # type: ignore[misc]
    state = run.wait(300)
    for event in run.events:
        if event.kind == "resumed":
            print(f"  attempt {event.attempt}: resumed at step {event.step} in {event.seconds:.1f} s")
    print(f"  {state.state} at step {state.step}, resumes are {state.fidelity.grade}", flush=True)
    return run


def in_production(run: lammps_jobs.Run, attempt: int) -> None:
    """Wait until the attempt has a checkpoint of its own in the middle of production."""

    def is_there() -> bool:
        mine = [one for one in run.events if one.kind == "checkpoint" and one.attempt == attempt]
        return any(one.stage == PRODUCTION and (one.step or 0) > 500 for one in mine)

    until(is_there)
    time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
