"""A workflow with signac: it keeps the data space, state points and results; lammps-jobs runs what is missing.

`pip install signac`, then `python examples/workflow.py`, again and again: what has finished is not run again, what was
interrupted goes on, and further state points join. All is in the folder `melting`.
"""

from pathlib import Path

import signac

import lammps_jobs

SCRIPT = Path(__file__).parent / "melt" / "in.melt"
project = signac.init_project("melting")
cluster = lammps_jobs.connect(store="melting/runs")  # or a stack: connect("prod")


def started(job: signac.job.Job) -> lammps_jobs.Run:
    """The run of a state point, which is submitted once and resumed when it was interrupted."""
    run = cluster.submit(SCRIPT, name=f"melt-{job.id}", variables=job.statepoint(), tags="melting")
    if run.status.state in ("interrupted", "lost"):
        run.resume()
    return run


def keep(job: signac.job.Job, run: lammps_jobs.Run) -> None:
    """Put the run's outputs into the state point's folder, and its averages into its document."""
    run.download(job.path, overwrite=True)
    rows = run.thermo().iloc[-5:]
    job.document.update(run=run.name, attempts=run.status.attempt, grade=run.status.fidelity.grade,
                        temperature=float(rows["Temp"].mean()), msd=float(rows["c_msd[4]"].mean()))  # fmt: skip


for temperature in (0.5, 1.5, 2.5):
    project.open_job({"T": temperature, "N": 1000}).init()

waiting = {started(job): job for job in project if "msd" not in job.document}
print(f"{len(project)} state points, {len(waiting)} to run")
for run in lammps_jobs.as_completed(waiting):
    run.status.check()  # raises what ended it, if it did not finish
    keep(waiting[run], run)

for job in sorted(project, key=lambda one: one.statepoint.T):
    state = "liquid" if job.document.msd > 0.5 else "crystal"
    print(f"T={job.statepoint.T}  <T>={job.document.temperature:.2f}  msd={job.document.msd:.3f}  {state}")
