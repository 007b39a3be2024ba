"""Every interleaving of a few actors on one record, with up to so many preemptions and a crash anywhere.

The actors run the real record, recorder and recovery over a store in memory. Before each operation of the store the
scheduler may hand over to another actor or end the one that runs, as a crash would. `python -m tests.record.explorer 2`
tries all plans of two preemptions (minutes); the test all of one, and a sample of two drawn from the seed.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore
from obstore.store import MemoryStore

from lammps_jobs.errors import Fenced
from lammps_jobs.protocol.messages import Cut, Finished, Gained
from lammps_jobs.record.documents import Attempt, Cancelled, Fidelity, Lineage, OutputFile
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.blame import Barred
from lammps_jobs.supervisor.recorder import Recorder
from lammps_jobs.supervisor.recovery import newest_usable
from tests.protocol.samples import engine_state

OPERATIONS = ("put", "get", "head", "list", "list_with_delimiter", "delete")
FRAMES = 3
CRASH = "crash"
Plan = Mapping[int, str]
"""Before which operation, counted over all actors, which actor takes over; or `CRASH` for the one that runs."""


class Crashed(BaseException):
    """The actor is no more."""


class Scheduler:
    """Runs one actor at a time, each in a thread of its own, as the plan says."""

    def __init__(self, plan: Plan, actors: Mapping[str, Callable[[], None]]) -> None:
        self.plan, self.count, self.ends = plan, 0, dict[str, str]()
        self._turn = threading.Condition()
        self._alive = list(actors)
        self._current = self._alive[0]
        self._threads = {
            name: threading.Thread(target=self._run, args=(name, actor), name=name, daemon=True)
            for name, actor in actors.items()
        }

    def run(self) -> None:
        for thread in self._threads.values():
            thread.start()
        for thread in self._threads.values():
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} hangs: {dict(self.plan)}"

    def before_operation(self) -> None:
        name = threading.current_thread().name
        if name not in self._threads:
            return
        self.count += 1
        move = self.plan.get(self.count)
        if move == CRASH:
            raise Crashed
        if move in self._alive and move != name:
            self._hand_over(name, move)

    def _hand_over(self, name: str, to: str) -> None:
        with self._turn:
            self._current = to
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._current == name)

    def _run(self, name: str, actor: Callable[[], None]) -> None:
        with self._turn:
            self._turn.wait_for(lambda: self._current == name)
        try:
            actor()
            self.ends[name] = "done"
        except Crashed:
            self.ends[name] = CRASH
        except Fenced as error:
            self.ends[name] = f"fenced: {error.what}"
        except Exception as error:
            self.ends[name] = f"error: {error!r}"
        with self._turn:
            self._alive.remove(name)
            self._current = self._alive[0] if self._alive else ""
            self._turn.notify_all()


@dataclass
class World:
    """One record, and what the actors did to it."""

    folder: Path
    root: MemoryStore = field(default_factory=MemoryStore)
    claimed: dict[str, int] = field(default_factory=dict)

    def record(self) -> RunRecord:
        return RunRecord(self.root, "melt")

    def attempt(self, name: str) -> Callable[[], None]:
        """Claims, looks for the newest checkpoint, computes frame after frame, commits each, finishes."""

        def act() -> None:
            record = self.record()
            self.claimed[name] = number = self._claim(record, name)
            origin = newest_usable(record, Barred()).checkpoint
            recorder = Recorder(record, number, origin, keep=1)
            start = origin.step if origin else 0
            for step in range(start + 1, FRAMES + 1):
                recorder.commit(self._cut(step), Lineage(), lammps_version=1, ranks=1)
            recorder.finish(Finished(step=FRAMES, outputs=()), Lineage())

        return act

    def canceller(self) -> None:
        record = self.record()
        while not record.result():
            number, is_cancelled = record.newest()
            if is_cancelled:
                return
            record.cancel(Cancelled(attempt=number))

    def _claim(self, record: RunRecord, name: str) -> int:
        number = record.newest_attempt() + 1
        while not record.claim(
            Attempt(number=number, host=name, supervisor_pid=1, supervisor_started=0, scratch="")
        ):  # fmt: skip
            number += 1
        return number

    def _cut(self, step: int) -> Cut:
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        (folder / "restart").write_text(f"restart {step}")
        (folder / "0").write_text(f"frame {step}\n")
        size = (folder / "0").stat().st_size
        gained = Gained(name="out", source=folder / "0", start=0, stop=size, replaces=False)
        return Cut(number=step, folder=folder, state=engine_state(step=step), stage=1, boundary=False, stop=False,
                   outputs=(gained,), fidelity=Fidelity(), cut_s=0.0, restart_s=0.0)  # fmt: skip

    # -- what must hold ----------------------------------------------------------------------------

    def check(self, ends: Mapping[str, str], *, has_cancelled: bool) -> None:
        """The invariants of docs/protocol.md that can be seen when all actors have stopped."""
        record = self.record()
        assert not any(end.startswith("error") for end in ends.values()), ends
        seqs = record.checkpoint_seqs()
        for seq in seqs:
            checkpoint = record.checkpoint(seq)
            assert checkpoint is not None
            self._check_outputs(record, checkpoint.outputs, checkpoint.step)
        if seqs:
            record.verify(record.checkpoint(seqs[-1]))  # type: ignore[arg-type]
        result = record.result()
        if result:
            self._check_outputs(record, result.outputs, FRAMES)
        newest = max(self.claimed, key=self.claimed.__getitem__, default="")
        if newest and not has_cancelled and ends[newest] != CRASH:
            assert result or ends[newest] == "done", f"all stopped: {ends}"
        self._check_recovery(result is not None)

    def _check_recovery(self, is_finished: bool) -> None:
        if not is_finished:
            self.attempt("recovery")()
        assert self.record().result()

    def _check_outputs(self, record: RunRecord, outputs: dict[str, OutputFile], frames: int) -> None:
        content = b"".join(b"".join(record.read_blob(one)) for one in outputs["out"].segments).decode()
        assert content == "".join(f"frame {step}\n" for step in range(1, frames + 1)), content


SCENES: dict[str, Callable[[World], dict[str, Callable[[], None]]]] = {
    "two attempts": lambda world: {"a": world.attempt("a"), "b": world.attempt("b")},
    "an attempt, a canceller, a resumer": lambda world: {
        "a": world.attempt("a"), "c": world.canceller, "b": world.attempt("b"),
    },
}  # fmt: skip


def execute(scene: str, plan: Plan) -> int:
    """Carry out one plan and check what must hold; returns the number of operations."""
    originals: dict[str, Any] = {name: getattr(obstore, name) for name in OPERATIONS}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        actors = SCENES[scene](world)
        scheduler = Scheduler(plan, actors)

        def watched(name: str) -> Callable[..., Any]:
            def operation(*args: Any, **how: Any) -> Any:
                scheduler.before_operation()
                return originals[name](*args, **how)

            return operation

        for name in OPERATIONS:
            setattr(obstore, name, watched(name))
        try:
            scheduler.run()
        finally:
            for name in OPERATIONS:
                setattr(obstore, name, originals[name])
        try:
            world.check(scheduler.ends, has_cancelled="c" in actors)
        except AssertionError as error:
            raise AssertionError(f"{scene}, plan {dict(plan)}: {error}") from error
        return scheduler.count


def plans(scene: str, preemptions: int) -> Iterator[Plan]:
    """All plans with so many preemptions, each a hand-over or a crash."""
    length = execute(scene, {})
    moves = (*SCENES[scene](World(Path())), CRASH)
    for places in itertools.combinations(range(1, length + 1), preemptions):
        for chosen in itertools.product(moves, repeat=preemptions):
            yield dict(zip(places, chosen, strict=True))


def main() -> None:
    preemptions = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for scene in SCENES:
        count = 0
        for plan in plans(scene, preemptions):
            execute(scene, plan)
            count += 1
        print(
            f"{scene}: {count} executions with {preemptions} preemption(s), nothing lost, doubled or stuck", flush=True
        )


if __name__ == "__main__":
    main()
