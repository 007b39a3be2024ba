"""One run that is harmed at random places, made to go on each time, and compared with what it should have become."""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from obstore.exceptions import BaseError

from emulator.patience import scaled
from lammps_jobs.api.run import Run
from lammps_jobs.errors import Damaged, EngineDied, LammpsJobsError, OtherFormat, StoreError
from lammps_jobs.protocol.engine_state import EngineState
from lammps_jobs.record.documents import Attempt, Checkpoints, OutputFile
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor import process
from tools.chaos.cheap_engine import line_after
from tools.chaos.faults import FAULTS
from tools.chaos.world import World

STEPS = 2500
FAULTS_EACH = 10
EVERY_S = {"folder": 0.4, "s3": 1.2}
"""Seconds between two checkpoints, by store: each costs an emulated S3 fourteen calls."""
TELL_EVERY = {"folder": 100, "s3": 400}
"""Steps between two reports of an engine, each of which is published."""
LIMIT_S = 90.0
"""Seconds without any progress after which a scenario hangs, on a machine with nothing else to do."""
STATE = {
    "journal": {"entries": [], "unknown": [], "balanced": False, "sort": {"every": 1000, "bin": "0.0"}},
    "position": {"frames": [], "seeking": "", "skip_next_jump": False},
    "where": {"file": "in.chaos", "line": 1, "command": "run"},
    "folder": {
        "current": ".", "inputs": ["in.chaos", "plan.json"], "folders": [], "links": {}, "executables": [],
        "headed": [], "heads": {}, "watched": [], "environment": {}, "log": None,
    },
    "stage": 1, "step": 0,
    "run": {"first": 0, "last": STEPS, "start": 0, "stop": STEPS, "pre": True, "post": True, "every": 0,
            "commands": [], "span": ""},
    "box": {"faces": "p p p", "margins": [None, None, None]},
    "grid": [1, 1, 1], "cuts": [], "echoes": True, "warned": False, "is_sorted": False, "has_set_up": True,
}  # fmt: skip


@dataclass
class Harm:
    """One fault and what it cost."""

    kind: str
    hits: int
    lost_steps: int | None = None
    """Steps computed again; None where the attempt went on."""
    s_to_go_on: float | None = None
    """From the fault to the first step that was not there before."""


@dataclass
class Scenario:
    """`broken` says in words what must not be."""

    world: World
    name: str
    record: RunRecord
    run: Run
    journal: Path
    overtaken: set[int] = field(default_factory=set)
    engines_killed: set[int] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    harms: list[Harm] = field(default_factory=list)
    resumes: int = 0
    known: Attempt | None = None

    # -- looking -------------------------------------------------------------------------------------

    @property
    def supervisor_pid(self) -> int | None:
        """Of the newest attempt, while it lives. Costs no look at the store while the one that was known lives."""
        if not self._lives(self.known):
            self.known = self.record.attempt(self.record.newest_attempt())
        return self.known.supervisor_pid if self.known and self._lives(self.known) else None

    @staticmethod
    def _lives(attempt: Attempt | None) -> bool:
        return attempt is not None and process.is_same(attempt.supervisor_pid, attempt.supervisor_started, attempt.boot)

    def noted(self) -> list[tuple[float, int, str, int]]:
        """(time, process, what, step) as engines noted it."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        words = [line.split() for line in lines]
        return [
            (float(at), int(pid), what, int(step)) for at, pid, what, step in (one for one in words if len(one) == 4)
        ]

    @property
    def engine_pid(self) -> int | None:
        found = self.noted()
        return found[-1][1] if found and process.began(found[-1][1]) else None

    @property
    def step(self) -> int:
        return max((step for *_, step in self.noted()), default=0)

    def forget(self) -> None:
        """What this process has read of the record is not what lies there any more."""
        self.record = RunRecord(self.record.root, self.name)
        self.run = Run(self.record, self.world.backend)

    # -- acting --------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Interrupt it, and wait for its end."""
        with contextlib.suppress(LammpsJobsError):
            self.run.interrupt()
        self.until_it_stands()

    def until_it_stands(self) -> None:
        until = time.monotonic() + scaled(LIMIT_S)
        while self.supervisor_pid:
            if time.monotonic() > until:
                self.broken.append(f"hung: {self.run.status}")
                return
            time.sleep(0.05)

    def resume(self) -> None:
        with contextlib.suppress(LammpsJobsError):
            self.run.resume()
            self.resumes += 1

    def go_on(self) -> None:
        """Resume it when it has stopped."""
        if self.supervisor_pid:
            return
        state = self.run.status
        if state.is_ended and state.state != "finished":
            if state.state == "failed" and not self._was_killed(state.attempt, state.error):
                self.broken.append(f"wrongly ended: {state.reason} {state.where}")
            self.resume()

    def _was_killed(self, attempt: int, error: str) -> bool:
        """Whether it was LAMMPS that we killed, before there was a checkpoint: that is told as a death, and right."""
        return error == EngineDied.__name__ and attempt in self.engines_killed

    # -- the course ----------------------------------------------------------------------------------

    def harm(self, kind: str, draw: Random) -> None:
        step, at, attempt = self.step, time.monotonic(), self.record.newest_attempt()
        try:
            hits = int(FAULTS[kind](self, draw))
        except (StoreError, BaseError):  # another run's full disk kept this fault from being made
            hits = 0
        reached = max(step, self.step)
        until, seen = time.monotonic() + scaled(LIMIT_S), step
        while self.step <= reached and not self.broken and not self.is_over():
            self.go_on()
            if self.step != seen:
                seen, until = self.step, time.monotonic() + scaled(LIMIT_S)
            if time.monotonic() > until:
                self.broken.append(f"hung after {kind}: {self.run.status}")
                return
            time.sleep(0.05)
        harm = Harm(kind, hits)
        if self.record.newest_attempt() != attempt and hits:
            self.cost(harm, reached, at, time.monotonic())
        self.harms.append(harm)

    def cost(self, harm: Harm, reached: int, at: float, now: float) -> None:
        """What is computed again, and when the run was as far as before."""
        starts = [step for noted, _, what, step in self.noted() if what == "began" and noted > at]
        if starts:
            harm.lost_steps = max(0, reached - min(starts))
            harm.s_to_go_on = next((noted for noted, _, _, step in self.noted() if step > reached), now) - at

    def is_over(self) -> bool:
        """Whether there is a result; none is looked for while an attempt lives."""
        return not self.supervisor_pid and self.record.finished() is not None

    def finish(self) -> None:
        until, seen = time.monotonic() + scaled(LIMIT_S), -1
        while not self.is_over() and not self.broken:
            self.go_on()
            if self.step != seen:
                seen, until = self.step, time.monotonic() + scaled(LIMIT_S)
            if time.monotonic() > until:
                self.broken.append(f"hung: {self.run.status}")
                return
            time.sleep(0.05)

    # -- what must hold ------------------------------------------------------------------------------

    def check(self) -> None:
        self.forget()
        if not self.run.settle(scaled(30)):
            self.broken.append("orphaned: a process is left")
        for pid in {pid for _, pid, *_ in self.noted()}:
            if process.began(pid):
                self.broken.append(f"orphaned: engine {pid}")
        result = self.record.result()
        if result is None:
            self.broken.append("no result")
            return
        self.check_result()
        for number in range(1, self.record.newest_attempt() + 1):
            end = self.record.ended(number)
            if end and end.outcome == "failed" and not self._was_killed(number, end.error):
                self.broken.append(f"wrongly ended: attempt {number}: {end.reason} {end.where}")

    def check_result(self) -> None:
        """All that is committed is what an undisturbed run writes."""
        self._check_frames("the result", self.record.outputs(), STEPS)
        for seq in self.record.checkpoint_seqs():
            with contextlib.suppress(Damaged, OtherFormat):
                checkpoint = self.record.checkpoint(seq)
                if checkpoint:
                    self._check_frames(f"checkpoint {seq}", checkpoint.outputs, checkpoint.step)

    def _check_frames(self, what: str, outputs: dict[str, OutputFile], step: int) -> None:
        found = b"".join(b"".join(self.record.read_blob(one)) for one in outputs["frames"].segments).decode()
        if found == "".join(f"{line}\n" for line in lines_to(step)):
            return
        steps = [line.partition(" ")[0] for line in found.splitlines()]
        how = "doubled" if len(set(steps)) < len(steps) else "lost" if len(steps) < step else "forked"
        self.broken.append(f"{how}: the frames of {what} are not those of an undisturbed run")


def lines_to(step: int) -> Iterator[str]:
    last = ""
    for number in range(1, step + 1):
        last = line_after(last, number)
        yield last


def begun(world: World, name: str) -> Scenario:
    """Submit a run that computes `STEPS` steps."""
    folder = world.folder / name
    folder.mkdir()
    EngineState.model_validate(STATE)
    journal = folder / "journal"
    (folder / "in.chaos").write_text("units lj\n")
    plan = {"steps": STEPS, "journal": str(journal), "state": STATE, "tell_every": TELL_EVERY[world.kind]}
    (folder / "plan.json").write_text(json.dumps(plan))
    run = None
    while run is None:
        with contextlib.suppress(StoreError):  # another run's full disk
            run = world.cluster.submit(
                folder / "in.chaos",
                inputs=folder / "plan.json",
                name=name,
                checkpoints=Checkpoints(every_s=EVERY_S[world.kind], grace_s=20),
            )
    return Scenario(world, name, run.record, run, journal)


def played(scene: Scenario, seed: int, kinds: list[str]) -> Scenario:
    """One scenario from its beginning to its end, as the seed draws it."""
    draw = Random(seed)
    plan = [draw.choice(kinds) for _ in range(FAULTS_EACH)]
    try:
        for kind in plan:
            time.sleep(draw.uniform(0.02, 0.3))
            if scene.is_over() or scene.broken:
                break
            scene.harm(kind, draw)
        scene.finish()
        scene.check()
    except Exception:
        scene.broken.append(f"the campaign itself failed: {traceback.format_exc()[-1500:]}")
    return scene
