"""An attempt as a state machine, fed with stimuli: what its tests are written in."""

from __future__ import annotations

from pathlib import Path

from lammps_jobs.errors import EngineDied
from lammps_jobs.protocol import messages
from lammps_jobs.protocol.messages import Cut, Failed, Moved, Resumed, Started
from lammps_jobs.record.documents import Blob, Checkpoint, Fidelity, ScriptLine
from lammps_jobs.supervisor import transitions
from lammps_jobs.supervisor.actions import (
    Action,
    Decide,
    End,
)
from lammps_jobs.supervisor.attempt_state import Rules
from lammps_jobs.supervisor.stimuli import (
    Death,
    EngineGone,
    EngineSaid,
    Stimulus,
    Tick,
    TryStarted,
)
from tests.protocol.samples import engine_state

RULES = Rules(run="melt", attempt=2, host="here", every_s=600, grace_s=25)
BLOB = Blob(sha256="0" * 64, size=1)
CRASH = Death(EngineDied("SIGSEGV"), is_doubtful=True)
KILL = Death(EngineDied("SIGKILL"), is_doubtful=False)
SOON = 400


def checkpoint(seq: int, step: int, *, stage: int = 1, boundary: bool = False, **fields) -> Checkpoint:
    given = {"attempt": 1, "restart": {}, "state": BLOB, "outputs": {}, "lammps_version": 20250722, "ranks": 1}
    return Checkpoint(seq=seq, step=step, stage=stage, stage_boundary=boundary, **(given | fields))


def cut(*, stop: bool = False, number: int = 1) -> Cut:
    return Cut(
        number=number, folder=Path("cut"), state=engine_state(), stage=1, boundary=False, stop=stop, outputs=(),
        fidelity=Fidelity(), cut_s=0.1, restart_s=0.1,
    )  # fmt: skip


def moved(step: int, stage: int = 1, *, cuttable: bool = True) -> Moved:
    return Moved(step=step, target=10**9, stage=stage, steps_per_s=10, phase="running", timestep=0.005, units="lj",
                 is_cuttable=cuttable)  # fmt: skip


def failed(cause: str, step: int, text: str = "ERROR: Lost atoms", stage: int = 1) -> Failed:
    return Failed(cause=cause, where=ScriptLine(file="in.melt", line=9, command="run 1"), text=text, stage=stage,
                  step=step)  # type: ignore[arg-type]  # fmt: skip


class Attempt:
    """Feeds stimuli and keeps what came of them."""

    def __init__(self, **given) -> None:
        self.state, self.first = transitions.begin(RULES, 0.0, **given)
        self.at = 0.0
        self.all: list[Action] = list(self.first)

    def __call__(self, stimulus: Stimulus) -> list[Action]:
        self.state, did = transitions.step(self.state, stimulus)
        self.all += did
        return list(did)

    def says(self, report: messages.Report, at: float | None = None) -> list[Action]:
        self.at = self.at if at is None else at
        return self(EngineSaid(self.at, self.state.number, report))

    def goes_on_from(self, origin: Checkpoint | None, at: float = 0.0) -> Attempt:
        self.at = at
        self(TryStarted(at, origin, engine_pid=7))
        self.says(Started(lammps_version=20250722, ranks=1))
        if origin:
            self.says(Resumed(stage=origin.stage, step=origin.step, seen=Fidelity(as_if="never cut")))
        return self

    def dies(self, death: Death, step: int | None = None, stage: int = 1) -> list[Action]:
        if step is not None:
            self.says(moved(step, stage))
        return self(EngineGone(self.at, self.state.number, death))

    def waits(self, seconds: float) -> list[Action]:
        """Ticks, one a second."""
        done: list[Action] = []
        until = self.at + seconds
        while self.at < until:
            self.at = min(until, self.at + 1.0)
            done += self(Tick(self.at))
        return done


def kinds(done: list[Action], *of: type) -> list[Action]:
    return [action for action in done if isinstance(action, of)]


def end_of(done: list[Action]) -> End:
    (end,) = kinds(done, End)
    assert isinstance(end, End)
    return end


def decided(done: list[Action]) -> list[tuple[str, int, int | None]]:
    return [(a.decision.kind, a.decision.stage, a.decision.checkpoint) for a in done if isinstance(a, Decide)]
