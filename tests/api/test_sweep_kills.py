"""Members of a sweep lose their machines at drawn steps: each ends as if nothing had happened, and no other notices."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from emulator.patience import PAUSE_S, Patience
from lammps_jobs import Checkpoints, Cluster, Run, RunStatus
from lammps_jobs.api.sweep import Sweep
from lammps_jobs.errors import WrongState
from lammps_jobs.record.sweep_record import Member
from tests.conftest import START, WATCHED, bare, outputs
from tests.replay import Chance

ENSEMBLES = ("nve", "nvt", "npt", "langevin")
SWEPT = f"""variable kind index nve
variable seed index 1
{START.replace("0 4 0 4 0 4", "0 3 0 3 0 3").replace("87287", "${seed}")}
if "${{kind}} == nvt" then "fix integrate all nvt temp 1.44 0.8 0.5" &
  elif "${{kind}} == npt" "fix integrate all npt temp 1.0 1.0 0.5 iso 0.0 2.0 5.0" &
  else "fix integrate all nve"
if "${{kind}} == langevin" then "fix bath all langevin 1.0 1.5 1.0 4242"
{WATCHED}
run 2000
run 6000
write_data end.data
"""
STEPS, VICTIMS, MOST = 8_000, 12, 2
"""Steps of a member, members that lose machines, and how many each loses at most."""
HOW = ("machine", "engine", "notice")
"""SIGKILL to supervisor and engine, SIGKILL to the engine alone (mostly a failure), SIGTERM to the supervisor."""

LOOKS = 5
"""At the victims that run, for each one at all members."""
UNHARMED = ("waiting", "starting", "running", "finished")


class Harm:
    """What a member is to suffer: in which way, how many steps beyond its newest checkpoint, time after time."""

    def __init__(self, chance: Chance) -> None:
        self.left = [(chance.choice(HOW), chance.randrange(STEPS // 3)) for _ in range(chance.randint(1, MOST))]
        self.done: list[str] = []
        self._struck = 0
        """The newest attempt that suffered."""
        self._goals: dict[int, int] = {}
        """The step at which each attempt is to suffer."""

    def strike(self, run: Run, state: RunStatus, chance: Chance) -> None:
        """Do it when the step has come."""
        if not self.left or state.state != "running" or state.attempt == self._struck:
            return
        how, beyond = self.left[0]
        goal = self._goals.setdefault(state.attempt, (state.checkpoint_step or 0) + beyond)
        reached = max(state.step, state.checkpoint_step or 0)  # checkpoints are told of more often than steps
        if not max(goal, 1) <= reached < STEPS:
            return
        with contextlib.suppress(WrongState, ProcessLookupError):  # it may be done already
            if how == "engine":
                os.killpg(run.progress.engine_pid, signal.SIGKILL)
            elif how == "machine":
                run.kill()
            else:
                run.interrupt()
        chance.note(f"{run.name}, attempt {state.attempt}: {how}, wanted at step {goal}, done at {reached}")
        self._struck = state.attempt
        self.done.append(how)
        del self.left[0]


def harmed(cluster: Cluster, sweep: Sweep, chance: Chance) -> dict[str, Harm]:
    """Run the sweep to its end, and do harm to some members; those that stopped go on when there is room."""
    victims = {name: Harm(chance) for name in sorted(chance.sample([one.run for one in sweep.members], VICTIMS))}
    patience = Patience("the end of the sweep")
    states = sweep.advance()
    while any(state.state != "finished" for state in states):
        for state in states:
            if state.name not in victims:
                assert state.state in UNHARMED, f"{state.name} is {state.state}: {state.reason} {state.where}"
            elif state.is_ended and state.state != "finished":
                cluster.start_if_room(state.name, again=True)
        running = [cluster.run(one.name) for one in states if one.name in victims and not one.is_ended and one.attempt]
        for _ in range(LOOKS):
            for run in running:
                victims[run.name].strike(run, run.status, chance)
            time.sleep(PAUSE_S)
        patience.see([(one.state, one.attempt, one.step) for one in states])
        states = sweep.advance()
    return victims


COSTS = re.compile(
    rb"(Loop time|Performance:|[0-9.]+% CPU use|(?:Pair|Neigh|Comm|Output|Modify|Other) +\||Total wall time"
    rb"|  \w+ CPU =|Per MPI rank memory).*"
)


def without_costs(files: dict[str, bytes]) -> dict[str, list[bytes]]:
    """The lines of all files; of logs without what LAMMPS says of the time and the memory that it took."""
    return {name: [_without_cost(line) if name.startswith("log") else line for line in one.splitlines(keepends=True)]
            for name, one in files.items()}  # fmt: skip


def _without_cost(line: bytes) -> bytes:
    found = COSTS.match(line)
    return found[1].lstrip(b"0123456789.") if found else line


def test_harmed_sweep_of_24_equals_its_undisturbed_twin(cluster, script, tmp_path, chance, monkeypatch):
    """Every output of every member, byte for byte, is what plain `lmp` writes with the same variables."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # or plain `lmp` says that it is not set
    path = script(SWEPT, name="in.swept")
    sweep = cluster.sweep(path, {"kind": ",".join(ENSEMBLES), "seed": "11..16"}, checkpoints=Checkpoints(every_s=0.1))
    assert len(sweep) == 24
    victims = harmed(cluster, sweep, chance)
    again = [state.name for state in sweep.statuses() if state.attempt > 1]
    assert len(again) >= VICTIMS // 2, "most had finished before they could be harmed"
    assert sum(bool(cluster.run(name).resumed_at) for name in again) >= VICTIMS // 3, "few went on from checkpoints"
    (tmp_path / "bare").mkdir()

    def twin(member: Member) -> dict[str, bytes]:
        switches = [word for name, value in member.variables.items() for word in ("-var", name, value)]
        return bare(path, tmp_path / "bare" / member.run, switches=switches)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        twins = list(pool.map(twin, sweep.members))
    differ: list[str] = []
    for member, undisturbed in zip(sweep.members, twins, strict=True):
        run = cluster.run(member.run)
        done = victims[member.run].done if member.run in victims else []
        assert run.status.attempt <= 1 + len(done), f"{member.run} was to suffer {done}"
        ours, theirs = without_costs(outputs(run, tmp_path / "ours" / member.run)), without_costs(undisturbed)
        assert ours.keys() == theirs.keys() == {"averages.dat", "end.data", "frames.lammpstrj", "log.lammps"}
        for name, lines in theirs.items():
            other = [pair for pair in zip_longest(lines, ours[name]) if pair[0] != pair[1]]
            differ += [f"{member.run}, {name}, after {done}: {other[:5]}"] if other else []
    assert not differ, "\n".join(differ)
