"""The stored state of the engine: its format number is kept, and read before anything else."""

from __future__ import annotations

import hashlib
import json

import pytest

from lammps_jobs.errors import Damaged, OtherFormat
from lammps_jobs.protocol.engine_state import STATE_FORMAT, EngineState
from tests.protocol.samples import engine_state

SCHEMAS = {2: "b05a4b2b845f1f93", 3: "8ab0318cb1a41ab3", 4: "9bd2f8844f84afb1", 5: "b23857f08556b4de"}
"""By format, the hash of the models' schema: what is stored under one number never changes."""


def schema_hash() -> str:
    def bare(node: object) -> object:
        """Without prose, which may change."""
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items() if key not in ("description", "title")}
        return [bare(item) for item in node] if isinstance(node, list) else node

    text = json.dumps(bare(EngineState.model_json_schema()), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_change_of_the_stored_state_needs_a_new_format_number():
    assert SCHEMAS[STATE_FORMAT] == schema_hash(), "raise STATE_FORMAT, and add the new hash here"


def test_a_state_is_read_as_it_was_written():
    state = engine_state()
    assert EngineState.parse(state.model_dump_json().encode(), "here") == state


@pytest.mark.parametrize("found", [0, STATE_FORMAT - 1, STATE_FORMAT + 1])
def test_another_format_is_told_from_damage_whatever_else_it_holds(found):
    with pytest.raises(OtherFormat, match=f"format {found}") as error:
        EngineState.parse(json.dumps({"format": found, "unheard of": 1}).encode(), "checkpoint 3")
    assert error.value.where == "checkpoint 3"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"[" * 200_000, b'{"format": 5}', b'{"format": "2"}'])
def test_what_is_no_state_is_damaged(content):
    with pytest.raises(Damaged):
        EngineState.parse(content, "here")


def test_a_state_that_does_not_say_its_format_is_damaged():
    raw = json.loads(engine_state().model_dump_json())
    del raw["format"]
    with pytest.raises(Damaged, match="which format"):
        EngineState.parse(json.dumps(raw).encode(), "here")


@pytest.mark.parametrize("field", sorted(EngineState.model_fields.keys() - {"format"}))
def test_a_missing_and_an_unknown_field_are_noticed(field):
    raw = json.loads(engine_state().model_dump_json())
    del raw[field]
    with pytest.raises(Damaged, match=field):
        EngineState.parse(json.dumps(raw).encode(), "here")
    raw = json.loads(engine_state().model_dump_json()) | {"one more": 1}
    with pytest.raises(Damaged, match="one more"):
        EngineState.parse(json.dumps(raw).encode(), "here")
