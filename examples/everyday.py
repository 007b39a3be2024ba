# %% [markdown]
# # An ordinary day
#
# A run is submitted, followed, looked at, gone on with, and repeated at three temperatures. Everything here runs on
# this machine; with `connect("prod")` it runs on a stack. It takes half a minute on two cores, and needs
# `pip install -e ".[local,analysis]"`.
#
# These cells are a script (`python examples/everyday.py`) and a notebook (`examples/everyday.ipynb`).

# %% [markdown]
# ## One run: submitted, and followed to its end
# The script is an ordinary LAMMPS input script; `variables` are what `lmp -var` would be given. The run goes on in the
# background whatever becomes of this process: `cluster.run("day-first")` finds it again.

# %%
from pathlib import Path

import lammps_jobs

SCRIPT = Path(globals().get("__file__", "everyday.py")).parent / "melt" / "in.melt"
cluster = lammps_jobs.connect()
run = cluster.submit(SCRIPT, name="day-first", variables={"N": 1000}, tags="day", note="does it melt at all?")
run  # noqa: B018 - a notebook shows what a cell ends with

# %%
run.wait(on_change=lambda state: print(f"\r{state.state}, step {state.step}", end=""))  # raises what ended it otherwise
print()
print("resumes:", run.status.fidelity.grade)

# %% [markdown]
# ## The thermo table
# A pandas table over all attempts and stages, with LAMMPS's own columns and, in `attrs`, their units.

# %%
thermo = run.thermo()
print("units:", thermo.attrs["unit_style"], thermo.attrs["units"])
print(thermo[["Step", "Temp", "PotEng"]].tail(3))

# %% [markdown]
# Charts of any of its columns; `run.report()` writes a whole page, with a timeline and the log.

# %%
plot = run.plot("Temp", "c_msd[4]")
plot.save("day-plot.html")
plot  # noqa: B018

# %% [markdown]
# ## An output without a copy on disk
# `run.open` reads any file that LAMMPS wrote; `run.universe()` and `run.atoms()` open trajectories in MDAnalysis and
# ASE, `run.download()` writes all files to a folder.

# %%
import pandas  # noqa: E402

averages = pandas.read_csv(run.open("averages.dat"), sep=r"\s+", comment="#", names=["step", "msd", "temp"])
print(averages.tail(2))

# %% [markdown]
# ## What follows
# More of it, from exactly where it ended; and one that begins when that has finished.

# %%
longer = cluster.extend(run, steps=500, name="day-longer")
last = cluster.submit(SCRIPT, name="day-hot", variables={"T": 2.5, "N": 500}, after=longer, tags=["day", "hot"])
print(last.name, "is", last.status.state, "-", last.status.reason)
for done in lammps_jobs.as_completed([longer, last]):
    print(done.name, done.status.state)

# %% [markdown]
# ## Three temperatures at once, as one table
# `averages` has a row for each run, with means of its last stage and their errors from block averages. What failed is
# started again by `sweep.retry()`. A sweep, too, can follow others: `after=`.

# %%
sweep = cluster.sweep(SCRIPT, {"T": "1.2:2.0:0.4"}, name="day-sweep", variables={"N": 500}, after=last)
sweep.wait()
print(sweep.averages(skip=0.3)[["T", "Temp", "Temp_error", "c_msd[4]"]])

# %% [markdown]
# ## Found again tomorrow

# %%
print([state.name for state in cluster.listing(tag="day")])
cluster  # noqa: B018
