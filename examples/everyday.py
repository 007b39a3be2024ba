"""An ordinary day, in cells: open it in VS Code or Jupyter (jupytext), or run it: `python examples/everyday.py`.

Needs `pip install -e ".[local,analysis]"`; takes half a minute on two cores.
"""

# %% One run: submitted, waited for, looked at
from pathlib import Path

import lammps_jobs

SCRIPT = Path(__file__).parent / "melt" / "in.melt"
cluster = lammps_jobs.connect()  # this machine; connect("prod") is a stack
run = cluster.submit(SCRIPT, name="day-first", variables={"N": 1000}, tags="day", note="does it melt at all?")
run.wait()  # raises what ended it, if it did not finish

# %% The thermo table, with its units; in a notebook `run.plot()` shows charts, and `run.report()` writes the page
thermo = run.thermo()
print(thermo[["Step", "Temp", "PotEng"]].tail(3))
print("units:", thermo.attrs["unit_style"], thermo.attrs["units"])
run.plot("Temp", "c_msd[4]").save("day-plot.html")

# %% An output without a copy on disk; `run.universe()` and `run.atoms()` open trajectories in MDAnalysis and ASE
import pandas  # noqa: E402 - a cell of its own

averages = pandas.read_csv(run.open("averages.dat"), sep=r"\s+", comment="#", names=["step", "msd", "temp"])
print(averages.tail(2))

# %% What follows: more of it, from exactly where it ended; and one that begins when that has finished
longer = cluster.extend(run, steps=500, name="day-longer")
last = cluster.submit(SCRIPT, name="day-hot", variables={"T": 2.5, "N": 500}, after=longer, tags=["day", "hot"])
print(last.name, "is", last.status.state, "-", last.status.reason)
for done in lammps_jobs.as_completed([longer, last]):
    print(done.name, done.status.state)

# %% Three temperatures at once, as one table
sweep = cluster.sweep(SCRIPT, {"T": "1.2:2.0:0.4"}, name="day-sweep", variables={"N": 500})
sweep.wait()
print(sweep.averages(skip=0.3)[["T", "Temp", "Temp_error", "c_msd[4]"]])

# %% Found again tomorrow
print([state.name for state in cluster.listing(tag="day")])
