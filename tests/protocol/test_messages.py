"""The wall between the processes: what is no message is refused, reported, and read over."""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lammps_jobs.protocol.channel import Channel
from lammps_jobs.protocol.engine_state import JournalState, PositionState, RunState
from lammps_jobs.protocol.messages import (
    ORDER,
    REPORT,
    Cut,
    EngineJob,
    Failed,
    Fetch,
    Fetched,
    Finished,
    Gained,
    Moved,
    Removed,
    Restore,
    Resumed,
    StageBegan,
    Started,
    Stop,
    TakeCheckpoint,
    Uploaded,
    Warned,
)
from lammps_jobs.record.documents import CutPlan, Fidelity, Frozen, ScriptLine
from lammps_jobs.script.journal import Journal
from lammps_jobs.script.language import RunCommand
from lammps_jobs.script.position import Position
from tests.protocol.samples import engine_state

WITHIN_S = 10.0
HERE = ScriptLine(file="in.test", line=7, command="run 1000")
STATE = engine_state(echoes=False)
GAINED = Gained(name="dump", source=Path("/scratch/dump"), start=10, stop=20, replaces=False)
REPORTS: list[Frozen] = [
    Started(lammps_version=20250722, ranks=2),
    Moved(step=5, target=10, stage=1, steps_per_s=2.5, phase="running", timestep=0.005, units="lj", is_cuttable=True),
    Resumed(stage=1, step=5, seen=Fidelity(as_if="never cut")),
    StageBegan(stage=1, step=0, text="in.test:7: run 1000", refused=("run ... every is one piece",)),
    Cut(number=1, folder=Path("/scratch/cut-1"), state=STATE, stage=2, boundary=False, stop=True,
        outputs=(GAINED, Removed(name="old")), fidelity=Fidelity(grade="faithful", reasons=("triclinic box",)),
        cut_s=0.5, restart_s=0.25),
    Fetch(name="start.data", target=Path("/scratch/work/start.data")),
    Warned(text="Not cut in the middle of a run."),
    Failed(cause="internal", where=HERE, text="KeyError: 'x'", stage=1, step=5, traceback="Traceback ..."),
    Finished(step=10, outputs=(GAINED,)),
]  # fmt: skip
ORDERS: list[Frozen] = [TakeCheckpoint(within_s=30.0), Stop(within_s=15.0), Uploaded(number=1), Fetched(name="a")]
JOB = EngineJob(
    script="in.test", variables={"t": ("1.2",)}, inputs=("in.test",), ranks=2, lammps_args=("-sf", "omp"),
    scratch=Path("/scratch"), socket=Path("../engine.sock"), alive=Path("/scratch/alive"), every_s=600.0,
    no_checkpoint_stages=(3,), cut_plan=CutPlan(cut_at=((1, 350),), then="stop"), is_rehearsed=True,
    restore=Restore(restart=Path("/scratch/resume/restart.%"), state=Path("/scratch/resume/state"), outputs=("dump",),
                    executables=(), headed=(), with_memory=True),
)  # fmt: skip
Union = TypeAdapter[Any]
SPOKEN: list[tuple[Union, Frozen]] = [*((REPORT, report) for report in REPORTS), *((ORDER, order) for order in ORDERS)]


def _name(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, Frozen) else ""


def broken(message: Frozen) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message with one field gone that it needs, one too many, or one that is something else; and what it is."""
    plain = json.loads(message.model_dump_json())
    for name, field in type(message).model_fields.items():
        if field.is_required() or name == "kind":
            yield f"without {name}", {key: value for key, value in plain.items() if key != name}
        yield f"wrong {name}", {**plain, name: {"no": "such thing"}}
    yield "one field more", {**plain, "more": 1}


@pytest.mark.parametrize(("union", "message"), SPOKEN, ids=_name)
def test_message_arrives_as_it_was_sent(union, message):
    assert union.validate_json(message.model_dump_json()) == message


@pytest.mark.parametrize(("union", "message"), SPOKEN, ids=_name)
def test_malformed_message_is_reported_and_the_next_one_heard(union, message):
    near, far = socket.socketpair()
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    Channel(near, union, heard.put, lambda text: heard.put(("malformed", text)), lambda: heard.put("closed"))
    cases = list(broken(message))
    for _, case in cases:
        far.sendall(json.dumps(case).encode() + b"\n" + message.model_dump_json().encode() + b"\n")
    far.close()
    for what, _ in cases:
        kind, text = heard.get(timeout=WITHIN_S)
        assert kind == "malformed", what
        assert text, what
        assert heard.get(timeout=WITHIN_S) == message, f"after {what}"
    assert heard.get(timeout=WITHIN_S) == "closed"


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{}", b'{"kind": "no such"}', b"\xff\xfe", b"{" * 100_000],
                         ids=lambda line: repr(line[:12]))  # fmt: skip
def test_line_that_is_no_message_is_reported_and_the_next_one_heard(line):
    near, far = socket.socketpair()
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    Channel(near, ORDER, heard.put, lambda text: heard.put(("malformed", text)), lambda: heard.put("closed"))
    far.sendall(line + b"\n" + Uploaded(number=1).model_dump_json().encode() + b"\n")
    kind, text = heard.get(timeout=WITHIN_S)
    assert kind == "malformed"
    assert len(text) < 1000
    assert heard.get(timeout=WITHIN_S) == Uploaded(number=1)
    far.close()


def test_every_message_of_both_unions_is_tried():
    kinds = {kind for union in (REPORT, ORDER) for kind in union.json_schema()["discriminator"]["mapping"]}
    assert {json.loads(message.model_dump_json())["kind"] for _, message in SPOKEN} == kinds


def test_job_arrives_as_it_was_written_and_a_malformed_one_is_refused():
    assert EngineJob.model_validate_json(JOB.model_dump_json()) == JOB
    for what, case in broken(JOB):
        with pytest.raises(ValidationError):
            pytest.fail(f"taken {what}: {EngineJob.model_validate_json(json.dumps(case))}")


def test_state_holds_all_of_journal_position_and_run(tmp_path, monkeypatch):
    """What the engine keeps there passes through the stored form and back."""
    monkeypatch.chdir(tmp_path)
    journal, position = Journal(), Position()
    (tmp_path / "in.test").write_text("units lj\nfix 1 all npt temp 1 1 1 iso 0 0 1\nif 1 then 'print a'\nrun 10\n")
    position.open("in.test")
    position.advance()
    position.branch("in.test", 3, ["print a", "run 10"])
    for line in ("units lj", "variable t index 1 2 3", "newcommand x", "fix 1 all nve"):
        journal.record(line.split(), line)
    journal.next(["t"], set())
    journal.use()
    kept = JournalState.model_validate(journal.to_json())
    where = PositionState.model_validate(position.to_json())
    run = RunState.model_validate(vars(RunCommand(0, 10, 0, 10)))
    assert Journal.from_json(kept.model_dump(mode="json")) == journal
    assert Position.from_json(position.read, where.model_dump(mode="json")) == position
    assert RunCommand(**run.model_dump()) == RunCommand(0, 10, 0, 10)
