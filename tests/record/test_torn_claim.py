"""A claim that a power cut or a disk left empty, cut short or unreadable: its number is taken, and nothing else is."""

from __future__ import annotations

import socket

import obstore
import pytest

import lammps_jobs
from lammps_jobs import CutPlan
from lammps_jobs.api.run import Run
from lammps_jobs.errors import Fenced, WrongState
from lammps_jobs.record import layout
from lammps_jobs.record.documents import Attempt, AttemptEnd, RunSpec, Submission
from lammps_jobs.record.run_record import RunRecord
from lammps_jobs.supervisor.recorder import Recorder
from tests.conftest import assert_same, outputs, script_of
from tests.record.test_run_record import commit
from tests.waiting import finish

CUTS = {"empty": 0, "cut short": 60}


def tear(record: RunRecord, number: int, cut: int) -> None:
    key = f"{record.name}/{layout.claim(number)}"
    content = bytes(obstore.get(record.root, key).bytes())
    assert len(content) > cut
    obstore.put(record.root, key, content[:cut])


@pytest.fixture
def run(tmp_path) -> Run:
    """Two attempts, a checkpoint of each; the second stopped without a word."""
    cluster = lammps_jobs.connect(store=tmp_path / "store")
    record = RunRecord(cluster._root, "melt")
    record.submit(Submission(spec=RunSpec(name="melt", script="in.melt", inputs={})))
    for number in (1, 2):
        claim = Attempt(number=number, host=socket.gethostname(), supervisor_pid=1, supervisor_started=0, scratch="")
        assert record.claim(claim)
        origin = record.checkpoint(1) if number == 2 else None
        commit(Recorder(record, number, origin, keep=2), tmp_path / str(number), number)
    record.end(AttemptEnd(number=1, outcome="interrupted"))
    return cluster.run("melt")


@pytest.fixture(params=CUTS)
def torn(run, request) -> Run:
    tear(run.record, 2, CUTS[request.param])
    return Run(RunRecord(run.record.root, "melt"), run._backend)


def test_run_whose_newest_claim_is_torn_is_lost_and_says_why(torn):
    state = torn.status
    assert (state.state, state.attempt, state.checkpoint, state.checkpoint_step) == ("lost", 2, 2, 2)
    assert "claim of attempt 2 cannot be read" in state.reason
    assert state.remedy == "lammps-jobs resume melt"


def test_torn_claim_is_a_row_like_any_other_in_every_list(torn, tmp_path):
    cluster = lammps_jobs.connect(store=tmp_path / "store")
    assert [(one.name, one.state) for one in cluster.statuses()] == [("melt", "lost")]
    cluster.reindex()
    assert [(one.name, one.attempt) for one in cluster.listing()] == [("melt", 2)]
    assert torn.cost
    assert torn.events == []


def test_number_of_a_torn_claim_is_never_given_again(torn):
    """Restart files bear it: two attempts under one number could remove each other's."""
    assert torn.record.newest() == (2, False)
    again = Attempt(number=2, host="b", supervisor_pid=1, supervisor_started=0, scratch="")
    assert not torn.record.claim(again)
    assert torn.record.claim(again.model_copy(update={"number": 3}))


def test_attempt_before_a_torn_claim_is_fenced_by_it(run, tmp_path):
    tear(run.record, 2, 0)
    record = RunRecord(run.record.root, "melt")
    with pytest.raises(Fenced, match="Attempt 2 has taken over"):
        commit(Recorder(record, 1, record.checkpoint(1), keep=2), tmp_path / "late", 3)


def test_run_with_a_torn_claim_is_cancelled_and_has_nothing_to_interrupt(torn):
    with pytest.raises(WrongState, match="not running"):
        torn.interrupt()
    torn.cancel()
    assert torn.status.state == "cancelled"


@pytest.mark.engine
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("is_told", [True, False], ids=["its end is there", "nothing is known of it"])
def test_next_attempt_goes_on_from_the_newest_checkpoint(cluster, stopped, script, tmp_path, cut, is_told):
    number = stopped.record.newest_attempt()
    tear(stopped.record, number, cut)
    if not is_told:
        for tail in (layout.end(number), layout.HEAD):
            obstore.delete(stopped.record.root, f"test/{tail}")
    run = cluster.run("test")
    assert run.status.state == ("interrupted" if is_told else "lost")
    run.resume()
    finish(run)
    assert run.status.attempt == number + 1
    assert run.resumed_at[-1] == (1, 500)
    whole = finish(cluster.submit(script(script_of("nve")), name="whole", cut_plan=CutPlan()))
    assert_same(outputs(run, tmp_path / "ours"), outputs(whole, tmp_path / "whole"))
