"""The public interface as a type checker sees it: checked by `mypy --strict` in tests/api/test_public.py, never run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import IO, assert_type

import pandas

import lammps_jobs
from lammps_jobs import (
    After,
    AttemptCost,
    Blob,
    Checkpoint,
    Checkpoints,
    Cluster,
    Cost,
    CutPlan,
    Difference,
    DoneAndNotDone,
    Equipment,
    Event,
    Fidelity,
    Grade,
    LammpsJobsError,
    NameTaken,
    OutputFile,
    Plot,
    Price,
    Progress,
    RehearsalReport,
    Resources,
    Run,
    RunSpec,
    RunStatus,
    StageVerdict,
    State,
    Sweep,
    Values,
    Verdict,
    as_completed,
    connect,
    rehearse,
    wait,
)


def connecting() -> Cluster:
    assert_type(lammps_jobs.connect("prod", pool="t4", region="eu-central-1"), Cluster)
    assert_type(connect(store=Path("store")), Cluster)
    return connect()


def submitting(cluster: Cluster) -> None:
    values: dict[str, Values] = {"T": 1.5, "seed": [1, 2, 3], "model": "eam"}
    before: After = ["melt", "sweep:cold", cluster.find_sweep("hot")]
    assert_type(cluster.submit("in.melt", after=before), Run)
    assert_type(cluster.sweep("in.melt", {"T": [1, 2]}, after=before, budget_s=3600.0), Sweep)
    run = cluster.submit(
        "in.melt",
        inputs=["water.data", Path("tables")],
        variables=values,
        name="melt",
        resources=Resources(ranks=2, threads=1, accelerator="kokkos"),
        checkpoints=Checkpoints(every_s=60, keep=2, grace_s=10),
        cut_plan=CutPlan(cut_at=((1, 500),), then="stop"),
    )
    assert_type(run, Run)
    assert_type(cluster.submit(Path("in.melt")), Run)
    assert_type(cluster.run("melt"), Run)
    assert_type(cluster.runs(), list[Run])
    assert_type(cluster.statuses(), list[RunStatus])
    assert_type(cluster.store, str)


def looking(run: Run) -> None:
    assert_type(run.name, str)
    assert_type(run.spec, RunSpec)
    assert_type(run.spec.inputs, dict[str, Blob])
    assert_type(run.progress, Progress | None)
    assert_type(run.events, list[Event])
    assert_type(run.logs(), str)
    assert_type(run.raw_log(), str)
    assert_type(run.thermo(), pandas.DataFrame)
    assert_type(run.plot("Temp"), Plot)
    assert_type(run.cost, Cost)
    assert_type(run.cost.attempts, tuple[AttemptCost, ...])
    assert_type(run.cost.attempts[0].price, Price | None)
    assert_type(run.plot().save("plot.html"), Path)
    assert_type(run.report("melt.html"), Path)
    assert_type(run.open("averages.dat"), IO[str])
    assert_type(run.open("melt.dcd", "rb"), IO[bytes])
    assert_type(run.tags, tuple[str, ...])
    assert_type(run.note, str)
    assert_type(run.shell(), list[str])
    assert_type(run.resumed_at, tuple[tuple[int, int], ...])
    assert_type(run.checkpoint, Checkpoint | None)
    if run.checkpoint:
        assert_type(run.checkpoint.equipment, Equipment | None)
    if run.checkpoint:
        assert_type(run.checkpoint.outputs, dict[str, OutputFile])


def status_of(run: Run) -> None:
    status = run.status
    assert_type(status, RunStatus)
    assert_type(status.state, State)
    assert_type(status.is_ended, bool)
    assert_type(status.step, int)
    assert_type(status.checkpoint_step, int | None)
    assert_type(status.fidelity, Fidelity)
    assert_type(status.fidelity.grade, Grade)


def acting(run: Run) -> None:
    def show(status: RunStatus) -> None:
        print(status.state)

    assert_type(run.wait(timeout_s=10.0, on_change=show), RunStatus)
    assert_type(run.settle(), bool)
    assert_type(run.download("results"), list[Path])
    assert_type(run.final_state(), bytes)
    run.interrupt()
    run.resume()
    run.cancel(now=True)
    run.kill()


def waiting_for_several(runs: list[Run]) -> None:
    for run in as_completed(runs, timeout_s=60.0):
        assert_type(run, Run)
    assert_type(wait(runs, return_when="FIRST_EXCEPTION"), DoneAndNotDone)
    assert_type(wait(runs).not_done, set[Run])


def sweeping(cluster: Cluster) -> None:
    sweep = cluster.sweep("in.melt", {"T": [0.7, 0.8], "seed": "1..8"}, zipped=True, name="melt")
    assert_type(sweep, Sweep)
    assert_type(sweep.run(T=0.7, seed=1), Run)
    assert_type(sweep.wait(check=False), Counter[str])
    assert_type(list(sweep.as_completed()), list[Run])
    assert_type(sweep.averages(skip=0.5), pandas.DataFrame)
    assert_type(cluster.rename("old", "new"), Run)


def rehearsing() -> None:
    report = rehearse("in.melt", variables={"T": 1.5}, at=(0.5, 1.0), keep="sides", limit_s=60.0)
    assert_type(report, RehearsalReport)
    assert_type(report.verdict, Verdict)
    assert_type(report.stages, tuple[StageVerdict, ...])
    assert_type(report.harm, tuple[Difference, ...])


def catching(cluster: Cluster) -> str:
    try:
        cluster.submit("in.melt")
    except NameTaken as error:
        assert_type(error.exit_code, int)
        return error.remedy
    except LammpsJobsError as error:
        assert_type(error.what, str)
        return error.where
    return ""
