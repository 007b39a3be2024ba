"""What outputs consist of, stored as changes: the same outputs come back, in few bytes, whatever became of them."""

from __future__ import annotations

import json
import os
import random

import obstore
import pytest

from lammps_jobs.errors import Damaged
from lammps_jobs.record import inventory, layout, upkeep
from lammps_jobs.record.documents import FORMAT, UPGRADED, Blob, Checkpoint, OutputFile, RunSpec, Submission, parse
from lammps_jobs.record.inventory import ChangeList, Manifest, applied, changes_between
from lammps_jobs.record.object_store import open_root
from lammps_jobs.record.run_record import RunRecord
from tests.record.test_run_record import attempt

FILES = 50


@pytest.fixture
def record(tmp_path) -> RunRecord:
    return RunRecord(open_root(str(tmp_path / "store")), "x")


def blob() -> Blob:
    return Blob(sha256=os.urandom(32).hex(), size=1)


def checkpoint(record: RunRecord, seq: int, outputs: dict[str, OutputFile]) -> Checkpoint:
    return Checkpoint(
        seq=seq, attempt=1, step=seq, stage=1, stage_boundary=False, restart={}, state=record.put_bytes(b"s", of=1),
        outputs=outputs, lammps_version=1, ranks=1,
    )  # fmt: skip


def grown(outputs: dict[str, OutputFile]) -> dict[str, OutputFile]:
    return {name: OutputFile(segments=(*one.segments, blob())) for name, one in outputs.items()}


def changed(chance: random.Random, outputs: dict[str, OutputFile]) -> dict[str, OutputFile]:
    """As LAMMPS changes its outputs: it appends, writes anew, removes and makes files."""
    found = dict(outputs)
    for name in chance.sample("abcdef", 3):
        match chance.choice(["append", "replace", "remove", "cut short"]):
            case "append":
                found[name] = OutputFile(segments=(*found.get(name, OutputFile()).segments, blob()))
            case "replace":
                found[name] = OutputFile(segments=(blob(),))
            case "remove":
                found.pop(name, None)
            case _:
                found[name] = OutputFile(segments=found.get(name, OutputFile()).segments[:-1])
    return found


def test_changes_lead_from_any_outputs_to_any_others(chance):
    outputs: dict[str, OutputFile] = {}
    for _ in range(200):
        after = changed(chance, outputs)
        assert applied(outputs, changes_between(outputs, after), "here") == after
        outputs = after


def test_outputs_come_back_from_every_checkpoint_through_all_lists(record, chance, monkeypatch):
    monkeypatch.setattr("lammps_jobs.record.output_lists.LONGEST_TAIL", 300)
    monkeypatch.setattr("lammps_jobs.record.output_lists.MOST_RECENT", 3)
    outputs: dict[str, OutputFile] = {}
    wanted = {}
    for seq in range(1, 60):
        outputs = wanted[seq] = changed(chance, outputs)
        assert record.commit(checkpoint(record, seq, outputs))
    assert record.manifest(59).inventory.rolled
    for seq in chance.sample(sorted(wanted), 20):
        found = RunRecord(record.root, "x").checkpoint(seq)
        assert found.outputs == wanted[seq]
    second = RunRecord(record.root, "x")  # another attempt that goes on from an older one
    second.checkpoint(30)
    second.commit(checkpoint(second, 60, grown(wanted[30])))
    assert {n: len(o.segments) for n, o in RunRecord(record.root, "x").checkpoint(60).outputs.items()} == {
        n: len(o.segments) + 1 for n, o in wanted[30].items()
    }


def test_manifests_grow_with_what_is_new_not_with_what_was(record, tmp_path):
    outputs = {f"dump.{number}": OutputFile() for number in range(FILES)}
    for seq in range(1, 101):
        outputs = grown(outputs)
        record.commit(checkpoint(record, seq, outputs))
    sizes = record.sizes()
    manifests = [size for tail, size in sizes.items() if tail.startswith(layout.CHECKPOINTS)]
    lists = sum(size for tail, size in sizes.items() if tail.startswith(layout.BLOBS))
    assert max(manifests) < 40_000
    assert sum(manifests) + lists < 100 * 25_000


def test_checkpoint_whose_list_is_gone_or_damaged_is_damaged(record, monkeypatch):
    monkeypatch.setattr("lammps_jobs.record.output_lists.LONGEST_TAIL", 0)
    record.commit(checkpoint(record, 1, {"out": OutputFile(segments=(blob(),))}))
    (listed,) = record.manifest(1).inventory.lists
    key = f"x/{layout.blob(listed.name)}"
    for damage in (lambda: obstore.put(record.root, key, b"{}"), lambda: obstore.delete(record.root, key)):
        damage()
        with pytest.raises(Damaged):
            RunRecord(record.root, "x").checkpoint(1)


def test_list_that_does_not_fit_the_one_before_is_damaged():
    with pytest.raises(Damaged):
        applied({}, {"out": inventory.Change(kept=1)}, "here")


@pytest.mark.parametrize("name", ["a/../../x", "", "a\0b"])
def test_no_name_in_a_list_leads_away(name):
    content = ChangeList.model_construct(changes={name: inventory.Change()}).model_dump_json().encode()
    with pytest.raises(Damaged):
        parse(content, ChangeList, "here")


def test_collecting_what_nothing_names_leaves_the_lists(record, monkeypatch):
    monkeypatch.setattr("lammps_jobs.record.output_lists.LONGEST_TAIL", 0)
    record.submit(Submission(spec=RunSpec(name="x", script="in.x", inputs={})))
    record.claim(attempt())
    record.commit(checkpoint(record, 1, {"out": OutputFile(segments=(record.put_bytes(b"frame"),))}))
    stray = record.put_bytes(b"left by an upload that crashed")
    assert upkeep.collect(record) == stray.size
    assert not upkeep.check(record).faults


def test_record_of_the_format_before_is_read_and_gone_on_with(record):
    one = blob()
    new = json.loads(Manifest(**{**checkpoint(record, 1, {}).model_dump(exclude={"outputs"}), "inventory": {}})
                     .model_dump_json())  # fmt: skip
    assert new["format"] == FORMAT
    del new["inventory"]
    segment = {"sha256": one.sha256, "size": one.size, "of": one.of}
    old = new | {"format": UPGRADED, "outputs": {"out": {"segments": [segment]}}}
    obstore.put(record.root, "x/checkpoints/000001.json", json.dumps(old).encode())
    assert record.checkpoint(1).outputs == {"out": OutputFile(segments=(one,))}
    record.commit(checkpoint(record, 2, grown(record.checkpoint(1).outputs)))
    assert RunRecord(record.root, "x").checkpoint(2).outputs["out"].segments[0] == one
