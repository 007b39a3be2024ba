"""`python -m lammps_jobs.engine JOBFILE`, on every rank under mpirun; `--check` says whether LAMMPS works here."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from lammps_jobs.engine import restored_state
from lammps_jobs.engine.check import check
from lammps_jobs.engine.communicator import Ranks
from lammps_jobs.engine.interpreter import Engine, Finished, Stopped


def _fault(error: Exception) -> dict[str, Any]:
    text = str(error)
    found = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[:1] or [repr(error)]
    kind = "resume" if isinstance(error, restored_state.CannotContinue) else "script"
    return {"kind": kind, "message": "\n".join(found).strip()}


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return check()
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the supervisor decides when to stop
    job = json.loads(Path(sys.argv[1]).read_text())
    ranks = Ranks(job["ranks"])
    engine = Engine(job, ranks)
    stopped = False
    try:
        engine.run()
    except Stopped:
        stopped = True
    except Finished:
        pass
    except Exception as error:
        if engine.watch:
            engine.watch.failed(engine.where, {**_fault(error), "stage": engine.stage, "step": engine.step()})
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)
    ranks.wait()
    engine.finish(stopped=stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
