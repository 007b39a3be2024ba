"""A stand-in for LAMMPS that costs nothing: a process that speaks the engine's protocol and appends lines to a file.

`python -ISs cheap_engine.py JOBFILE`, without any library. What it computes depends on all that it computed before,
so a resume from a wrong place, or a line lost or doubled, shows in its output. The real thing is `--real`.
"""

import fcntl
import hashlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

STEP_S = 0.002
NOTE_EVERY = 10
ABANDONED = 99


def line_after(before: str, step: int) -> str:
    return f"{step} {hashlib.sha256(f'{before}{step}'.encode()).hexdigest()[:16]}"


class Engine:
    def __init__(self, path: Path) -> None:
        self.job = json.loads(path.read_text())
        self.plan = json.loads(Path("plan.json").read_text())
        self.journal = Path(self.plan["journal"])
        self.last, self.step = "", 0
        self.cuts, self.uploaded = 0, 0
        self.asked = ""
        self.changed = threading.Condition()
        self.recorded = 0
        restore = self.job["restore"]
        if restore:
            found = json.loads(Path(restore["restart"]).read_text())
            self.last, self.step = found["last"], found["step"]
        self.line = socket.socket(socket.AF_UNIX)
        self.line.connect(self.job["socket"])
        threading.Thread(target=self.hear, daemon=True).start()
        threading.Thread(target=self.look_for_supervisor, daemon=True).start()

    def look_for_supervisor(self) -> None:
        with open(self.job["alive"], "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
        os._exit(ABANDONED)

    def hear(self) -> None:
        for line in self.line.makefile():
            order = json.loads(line)
            with self.changed:
                if order["kind"] in ("checkpoint", "stop"):
                    self.asked = "stop" if "stop" in (self.asked, order["kind"]) else "checkpoint"
                elif order["kind"] == "uploaded":
                    self.uploaded = order["number"]
                self.changed.notify_all()
        os._exit(ABANDONED)

    def say(self, kind: str, **fields: object) -> None:
        self.line.sendall(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    def note(self, what: str) -> None:
        with self.journal.open("a") as file:
            file.write(f"{time.monotonic()} {os.getpid()} {what} {self.step}\n")

    def run(self) -> None:
        self.say("started", lammps_version=1, ranks=1)
        self.note("began")
        if self.job["restore"]:
            self.say("resumed", stage=1, step=self.step, seen={"as_if": "never cut"})
        self.tell()
        with open("frames", "ab", buffering=0) as frames:
            while self.step < self.plan["steps"]:
                time.sleep(STEP_S)
                self.step += 1
                self.last = line_after(self.last, self.step)
                frames.write(f"{self.last}\n".encode())
                Path("reached").write_text(str(self.step))
                if self.step % self.plan["tell_every"] == 0:
                    self.tell()
                if self.step % NOTE_EVERY == 0:
                    self.note("at")
                if self.asked and self.cut():
                    return
        self.say("finished", step=self.step, outputs=self.gained())

    def tell(self) -> None:
        self.say("moved", step=self.step, target=self.plan["steps"], stage=1, steps_per_s=400.0, phase="running",
                 timestep=1.0, units="lj", is_cuttable=True)  # fmt: skip

    def gained(self) -> list[dict[str, object]]:
        size = os.path.getsize("frames") if os.path.exists("frames") else 0
        here = os.getcwd()
        found: list[dict[str, object]] = [
            {"kind": "gained", "name": "frames", "source": f"{here}/frames", "start": self.recorded, "stop": size,
             "replaces": False},
            {"kind": "gained", "name": "reached", "source": f"{here}/reached", "start": 0,
             "stop": os.path.getsize("reached"), "replaces": True},
        ]  # fmt: skip
        self.recorded = size
        return found

    def cut(self) -> bool:
        """Whether it was the last one."""
        with self.changed:
            asked, self.asked = self.asked, ""
        self.cuts += 1
        folder = Path(self.job["scratch"]) / f"cut-{self.cuts}"
        folder.mkdir()
        (folder / "restart").write_text(json.dumps({"last": self.last, "step": self.step}))
        state = self.plan["state"] | {"step": self.step}
        self.note("cut")
        self.say("cut", number=self.cuts, folder=str(folder), state=state, stage=1, boundary=False,
                 stop=asked == "stop", outputs=self.gained(), fidelity={"as_if": "never cut"}, cut_s=0.0,
                 restart_s=0.0)  # fmt: skip
        with self.changed:  # `reached` is rewritten: not before it was read
            self.changed.wait_for(lambda: self.uploaded >= self.cuts)
        return asked == "stop"


if __name__ == "__main__":
    Engine(Path(sys.argv[1])).run()
