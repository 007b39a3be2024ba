"""What happens to the machines of a rehearsal: the next one is another one, and some are taken away without notice."""

from __future__ import annotations

import contextlib
import os
import random
import site
import time
from pathlib import Path

from lammps_jobs.api.run import Run
from lammps_jobs.errors import WrongState
from lammps_jobs.record.documents import CutPlan

AT_ONCE = 0.25
"""Share of the kills that come before LAMMPS runs."""
WITHIN = 1000
"""Timesteps after a resume within which a run is killed that has no cut ahead."""
LOOK_S = 0.02
STAYS = ("LAMMPS_POTENTIALS",)
"""What another machine need not have, since a run takes along what it names."""


def other(number: int, below: Path) -> dict[str, str]:
    """The environment of machine `number`: another user, home and folder for temporary files, other variables.

    Its folders are made below `below`; their names are of other lengths than those of the machine before.
    """
    root = below / f"machine-{number}" / "/".join("elsewhere"[: 3 + number % 5] for _ in range(1 + number % 3))
    home, temporary = root / "home", root / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in os.environ.items() if name not in STAYS and not name.startswith("XDG_")}
    user = f"user{number}"
    return given | {
        "HOME": str(home), "TMPDIR": str(temporary), "TMP": str(temporary), "TEMP": str(temporary), "PWD": str(root),
        "OLDPWD": "/", "USER": user, "LOGNAME": user, "HOSTNAME": f"machine-{number}", "LC_ALL": "C",
        "LAMMPS_JOBS_REHEARSED_MACHINE": str(number), "PYTHONUSERBASE": site.getuserbase(),
    }  # fmt: skip


def kill_at_some_step(run: Run, chance: random.Random, plan: CutPlan) -> None:
    """SIGKILL to supervisor and engine of an attempt that has just begun: at once, or at a drawn step before its cut.

    Nothing is killed that ends before that step is seen.
    """
    here = run.checkpoint
    stage, step = (here.stage, here.step) if here else (0, 0)
    ahead = [cut for cut in plan.cut_at if cut > (stage, step)]
    room = ahead[0][1] - step if ahead and ahead[0][1] > step else WITHIN
    goal = -1 if chance.random() < AT_ONCE else step + chance.randrange(room)
    while not (state := run.status).is_ended and state.step < goal:
        time.sleep(LOOK_S)
    with contextlib.suppress(WrongState):  # it may be done already
        run.kill()
