"""Every interleaving of a few actors on one record, with up to so many preemptions or crashes, anywhere.

The actors run the real record, recorder and recovery over a store in memory. Before each operation of the store the
scheduler may hand over to another actor or end the one that runs, as a crash would. `python -m tests.record.explorer 2`
tries all plans of two (minutes); the tests all of one, all of two in runs of one frame, and a sample of the others.

Of plans that cannot differ in what they leave, one is carried out (`Explorer`).
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import obstore
from obstore.store import MemoryStore

from lammps_jobs.api.run import Run
from lammps_jobs.backends.base import JobStatus
from lammps_jobs.errors import Fenced, WrongState
from lammps_jobs.protocol.messages import Cut, Finished, Gained
from lammps_jobs.record import blobs, index, layout
from lammps_jobs.record.documents import Attempt, Fidelity, Lineage, OutputFile, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.record.summary import claimed, told
from lammps_jobs.supervisor.blame import Barred
from lammps_jobs.supervisor.recorder import Recorder
from lammps_jobs.supervisor.recovery import newest_usable
from lammps_jobs.supervisor.rolling import applied, rolled
from lammps_jobs.supervisor.superseded import Superseded
from tests.protocol.samples import engine_state

OPERATIONS = ("put", "get", "head", "list", "list_with_delimiter", "delete")
FRAMES = 3
CRASH = "crash"
Plan = tuple[tuple[int, str], ...]
"""Before which operation, counted over all actors from 1, which actor takes over; or `CRASH` for the one that runs."""


class Crashed(BaseException):
    """The actor is no more."""


@dataclass(frozen=True)
class Operation:
    """What an actor did to the store."""

    actor: str
    name: str
    key: str

    @property
    def writes(self) -> bool:
        return self.name in ("put", "delete")

    def commutes(self, other: Operation) -> bool:
        """Whether both could change places: neither would find anything else."""
        if not self.writes and not other.writes:
            return True
        if self.name.startswith("list") or other.name.startswith("list"):
            return not (self._is_below(other) or other._is_below(self))
        return self.key != other.key

    def _is_below(self, other: Operation) -> bool:
        return other.name.startswith("list") and self.key.startswith(other.key)


class Scheduler:
    """Runs one actor at a time, each in a thread of its own, as the plan says."""

    def __init__(self, plan: Plan, actors: Mapping[str, Callable[[], None]]) -> None:
        self.plan, self.ends = plan, dict[str, str]()
        self.trace: list[Operation] = []
        self._left = deque(plan)
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
            assert not thread.is_alive(), f"{thread.name} hangs: {self.plan}"

    def before_operation(self, operation: str, key: str) -> None:
        name = threading.current_thread().name
        if name not in self._threads:
            return
        while self._left and self._left[0][0] == len(self.trace) + 1:
            _, move = self._left.popleft()
            if move == CRASH:
                raise Crashed
            if move in self._alive and move != name:
                self._hand_over(name, move)
        self.trace.append(Operation(name, operation, key))

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
    frames: int = FRAMES
    collects: bool = False
    """Whether attempts remove the pieces of what they rolled up as soon as they may."""
    root: MemoryStore = field(default_factory=MemoryStore)
    claimed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record().submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))

    def record(self) -> RunRecord:
        return RunRecord(self.root, "melt")

    def attempt(self, name: str) -> Callable[[], None]:
        """Claims, looks for the newest checkpoint, computes frame after frame, commits each, finishes."""

        def act() -> None:
            record = self.record()
            attempt = self._claim(record, name)
            self.claimed[name] = number = attempt.number
            record.tell_of(partial(claimed, attempt=attempt), may_remove=True)
            origin = newest_usable(record, Barred()).checkpoint
            recorder = Recorder(record, number, origin, keep=1)
            recorder.superseded = Superseded(record, number, grace_s=0.0, least=1 if self.collects else 10**6)
            start = origin.step if origin else 0
            for step in range(start + 1, self.frames + 1):
                checkpoint = recorder.commit(self._cut(step), Lineage(), lammps_version=1, ranks=1)
                found = list(rolled(record, recorder.outputs, {}, least=2, of=number))
                recorder.outputs = applied(recorder.outputs, found)
                recorder.superseded.add(piece for one in found for piece in one.pieces)
                record.tell_of(partial(told, attempt=attempt, checkpoint=checkpoint), may_remove=True)
            result = recorder.finish(Finished(step=self.frames, outputs=()), Lineage())
            record.tell_of(partial(told, attempt=attempt, result=result), may_remove=True)

        return act

    def canceller(self) -> None:
        with contextlib.suppress(WrongState):  # it is finished
            Run(self.record(), NOWHERE).cancel(now=True)

    def spoiler(self) -> None:
        """Loses the head, puts an old one back, and loses the rows of the index."""
        record, key = self.record(), f"melt/{layout.HEAD}"
        old = record.head()
        self.record().remove(layout.HEAD)
        if old:
            obstore.put(self.root, key, old.model_dump_json().encode())
        index.remove_rows(self.root, {"melt"})

    def _claim(self, record: RunRecord, name: str) -> Attempt:
        number = record.newest_attempt() + 1
        while not record.claim(attempt := Attempt(
            number=number, host=name, supervisor_pid=1, supervisor_started=0, scratch=""
        )):  # fmt: skip
            number += 1
        return attempt

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
            self._check_outputs(record, result.outputs, self.frames)
        newest = max(self.claimed, key=self.claimed.__getitem__, default="")
        if newest and not has_cancelled and ends[newest] != CRASH:
            assert result or ends[newest] == "done", f"all stopped: {ends}"
        self._check_advice()
        self._check_recovery(result is not None)

    def _check_advice(self) -> None:
        """What the head tells is what the record says, or it is not believed."""
        believed = Run(self.record(), NOWHERE).status
        self.record().remove(layout.HEAD)
        known = Run(self.record(), NOWHERE).status
        assert (believed.state, believed.attempt) == (known.state, known.attempt)
        assert len(list(index.rows(self.root))) <= 1

    def _check_recovery(self, is_finished: bool) -> None:
        if not is_finished:
            self.attempt("recovery")()
        assert self.record().result()

    def _check_outputs(self, record: RunRecord, outputs: dict[str, OutputFile], frames: int) -> None:
        content = b"".join(b"".join(record.read_blob(one)) for one in outputs["out"].segments).decode()
        assert content == "".join(f"frame {step}\n" for step in range(1, frames + 1)), content


class _Nowhere:
    """A backend none of whose attempts is left."""

    def status(self, record: RunRecord) -> JobStatus:
        return JobStatus("gone")


NOWHERE: Any = _Nowhere()
COLLECTING = "two attempts that remove what they rolled up"
COLLECTED_FRAMES = 5
"""Frames of a run from which on something is removed."""
SCENES: dict[str, Callable[[World], dict[str, Callable[[], None]]]] = {
    "two attempts": lambda world: {"a": world.attempt("a"), "b": world.attempt("b")},
    "an attempt, a canceller, a resumer": lambda world: {
        "a": world.attempt("a"), "c": world.canceller, "b": world.attempt("b"),
    },
    COLLECTING: lambda world: {"a": world.attempt("a"), "b": world.attempt("b")},
    "an attempt, and the loss of all advice": lambda world: {"a": world.attempt("a"), "s": world.spoiler},
}  # fmt: skip


class Inline:
    """In the place of a pool of threads: all that an actor does it does itself, so that the scheduler sees it."""

    def __init__(self, workers: int) -> None:
        self.map = map

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def frames_of(scene: str) -> int:
    """Frames of a scene's run where none are given."""
    return COLLECTED_FRAMES if scene == COLLECTING else FRAMES


def execute(scene: str, plan: Plan, frames: int | None = None) -> list[Operation]:
    """Carry out one plan and check what must hold; returns what was done to the store, in order."""
    originals: dict[str, Any] = {name: getattr(obstore, name) for name in OPERATIONS}
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), frames or frames_of(scene), collects=scene == COLLECTING)
        actors = SCENES[scene](world)
        scheduler = Scheduler(plan, actors)

        def watched(name: str) -> Callable[..., Any]:
            def operation(*args: Any, **how: Any) -> Any:
                scheduler.before_operation(name, str(how.get("prefix") or (args[1] if len(args) > 1 else "")))
                return originals[name](*args, **how)

            return operation

        for name in OPERATIONS:
            setattr(obstore, name, watched(name))
        pool, vars(blobs)["ThreadPoolExecutor"] = blobs.ThreadPoolExecutor, Inline
        try:
            scheduler.run()
        finally:
            vars(blobs)["ThreadPoolExecutor"] = pool
            for name in OPERATIONS:
                setattr(obstore, name, originals[name])
        try:
            world.check(scheduler.ends, has_cancelled="c" in actors)
        except AssertionError as error:
            raise AssertionError(f"{scene}, plan {plan}: {error}") from error
        return scheduler.trace


def plans(scene: str, preemptions: int) -> Iterator[Plan]:
    """All plans with so many preemptions, each a hand-over or a crash, at places of the undisturbed course."""
    length = len(execute(scene, ()))
    moves = (*SCENES[scene](World(Path())), CRASH)
    for places in itertools.combinations(range(1, length + 1), preemptions):
        for chosen in itertools.product(moves, repeat=preemptions):
            yield tuple(zip(places, chosen, strict=True))


class Explorer:
    """Carries out all plans of a scene, but one only of those that cannot differ in what they leave.

    A preemption before an operation is one behind it where that commutes with all that others do, in whatever course
    comes of it, until the actor goes on: both orders leave the same. A crash before an operation is one behind it where
    that only reads. So places are gone through from the last to the first.
    """

    def __init__(self, scene: str, frames: int | None = None) -> None:
        self.scene, self.frames, self.executed, self.left_out = scene, frames, 0, 0
        self._moves = (*SCENES[scene](World(Path())), CRASH)

    def explore(self, preemptions: int, plan: Plan = ()) -> list[list[Operation]]:
        """All plans that begin as `plan` does, with up to so many preemptions more; returns what was done in each."""
        self.executed += 1
        trace = execute(self.scene, plan, self.frames)
        traces = [trace]
        for move in self._moves if preemptions else ():
            traces += self._places(preemptions, plan, trace, move)
        return traces

    def _places(self, preemptions: int, plan: Plan, trace: list[Operation], move: str) -> list[list[Operation]]:
        first = plan[-1][0] if plan else 1
        found: list[list[Operation]] = []
        later: tuple[int, list[list[Operation]]] | None = None
        """The last place that was carried out of this actor's operations behind this one, and what was done."""
        for place in range(len(trace), first - 1, -1):
            operation = trace[place - 1]
            if place < len(trace) and trace[place].actor != operation.actor:
                later = None  # behind this operation it had ended, or was handed over
            has_more = move == CRASH or any(one.actor == move for one in trace[place:])
            if move == operation.actor or not has_more:
                later = None
            elif later and _leaves_the_same(operation, move, *later):
                self.left_out += 1
            else:
                later = (place, self.explore(preemptions - 1, (*plan, (place, move))))
                found += later[1]
        return found


def _leaves_the_same(operation: Operation, move: str, place: int, traces: list[list[Operation]]) -> bool:
    """Whether the move before the operation leaves what it leaves at a later place of the same actor."""
    if move == CRASH:
        return not operation.writes
    for trace in traces:
        meanwhile = itertools.takewhile(lambda one: one.actor != operation.actor, trace[place - 1 :])
        if not all(operation.commutes(one) for one in meanwhile):
            return False
    return True


def main() -> None:
    preemptions = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for scene in SCENES:
        explorer = Explorer(scene)
        explorer.explore(preemptions)
        print(f"{scene}: {explorer.executed} executions with up to {preemptions} preemption(s), {explorer.left_out} "
              "that leave the same left out; nothing lost, doubled or stuck", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
