"""When a checkpoint is taken: what is asked for, against how far a run is. No LAMMPS, no process, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.engine.cut_points import (
    MOST_SOUGHT,
    PIECE_S,
    Due,
    Piece,
    Request,
    at_boundary,
    length_after,
    next_piece,
    next_planned,
    piece_to_output,
    planned_after,
    planned_since,
)
from lammps_jobs.protocol.messages import Stop, TakeCheckpoint
from lammps_jobs.record.documents import CutPlan

CHECKPOINT, STOP = Request("checkpoint", 0.0, 60.0), Request("stop", 0.0, 60.0)


# -- inside a run --------------------------------------------------------------------------------------


def piece(request=None, planned=None, step=1000, last=100_000, length=50, rate=1000.0, now=1.0) -> Piece:
    return next_piece(request, planned, step, last, length, rate, now)


def test_run_goes_on_unless_something_is_asked_for():
    assert piece() == Piece(50)
    assert piece(last=1030) == Piece(30)


def test_rebuild_is_sought_at_once_for_a_checkpoint():
    assert piece(CHECKPOINT) == Piece(0, "checkpoint", seek=MOST_SOUGHT)
    assert piece(CHECKPOINT, last=1010).seek == 9  # never the last step: there the run ends by itself


def test_stop_seeks_no_longer_than_its_time_allows():
    assert piece(STOP).then == "stop"
    assert piece(STOP, rate=1000.0).seek == MOST_SOUGHT
    assert piece(STOP, rate=2.0, now=40.0).seek == 10
    assert piece(STOP, rate=0.0).seek == 1
    assert piece(STOP, now=61.0).seek == 1


def test_cut_of_a_rehearsal_is_taken_when_the_run_comes_to_it():
    planned = Piece(40, "checkpoint", seek=1, exactly=True)
    assert piece(planned=planned) == planned
    assert piece(planned=planned, length=39) == Piece(39)


@given(step=st.integers(0, 10**6), more=st.integers(1, 10**5), length=st.integers(1, 10**5), rate=st.floats(0, 10**5),
       now=st.floats(0, 100), asked=st.sampled_from([None, CHECKPOINT, STOP]))  # fmt: skip
def test_no_piece_leads_beyond_the_end_of_the_run(step, more, length, rate, now, asked):
    found = next_piece(asked, None, step, step + more, length, rate, now)
    assert 0 <= found.steps <= more
    assert found.steps + found.seek >= 1


@pytest.mark.parametrize(("steps", "seconds", "expected"), [
    (10, 0.0, 20), (10, PIECE_S / 4, 20), (10, PIECE_S, 10), (100, PIECE_S * 4, 25), (1, 100.0, 1),
])  # fmt: skip
def test_length_of_a_piece_follows_the_speed(steps, seconds, expected):
    assert length_after(steps, seconds) == expected


# -- where pieces end at output ------------------------------------------------------------------------


def to_output(step=1000, length=50, most=10_000, last=100_000, request=None, due=None, **output) -> Piece:
    known = Due(**{"next": 1100, "thermo_every": 100} | output)
    return piece_to_output(request, due, step, 0, last, length, most, known)


@pytest.mark.parametrize(("given", "steps"), [
    ({}, 100),  # not 50: no output is due there
    ({"length": 1}, 100),
    ({"length": 250}, 200),  # rows of thermo output come at all multiples
    ({"length": 250, "thermo_every": 0}, 100),
    ({"step": 1050, "length": 30, "next": 1070}, 20),  # a dump
    ({"step": 1050, "length": 60, "next": 1070}, 50),
    ({"next": 50_000, "thermo_every": 0, "most": 2000}, 2000),  # or nobody could stop it
    ({"last": 1080}, 80),
])  # fmt: skip
def test_piece_ends_where_output_is_due(given, steps):
    assert to_output(**given) == Piece(steps)


def test_cut_is_taken_where_a_piece_has_ended_without_a_step_for_it():
    assert to_output(request=CHECKPOINT) == Piece(0, "checkpoint")
    assert to_output(request=STOP) == Piece(0, "stop")
    assert to_output(request=STOP, step=0, next=100) == Piece(100), "the run's first step belongs to its set-up"
    due = Piece(0, "stop", exactly=True)
    assert to_output(due=due) == due


@pytest.mark.parametrize(("plan", "step", "found"), [
    (CutPlan(at=(0.5,)), 500, True),
    (CutPlan(at=(0.5,)), 600, True),  # the first piece that ends behind it
    (CutPlan(at=(0.5,)), 400, False),
    (CutPlan(cut_at=((2, 500),)), 500, True),
    (CutPlan(cut_at=((1, 500),)), 500, False),
    (CutPlan(at=(0.99,)), 1000, False),  # the run's own end
])  # fmt: skip
def test_rehearsed_cut_is_taken_at_the_first_end_of_a_piece_behind_it(plan, step, found):
    seen = planned_since(plan, 2, step, before=step - 200, first=0, last=1000, taken=0)
    assert (seen is not None) == found


def test_next_rehearsed_cuts_are_known_before_a_piece_begins():
    plan = CutPlan(at=(0.25, 0.6, 1.0), cut_at=((1, 300), (2, 450), (2, 480)))
    assert planned_after(plan, 2, 300, first=0, last=1000) == (450, 600)
    assert planned_after(plan, 2, 480, first=0, last=1000) == (1000, 600)
    assert planned_after(plan, 2, 700, first=0, last=1000) == (1000, 1000)


@given(step=st.integers(0, 10**6), more=st.integers(1, 10**5), length=st.integers(1, 10**5), most=st.integers(1, 10**5),
       every=st.integers(0, 1000), ahead=st.integers(0, 10**5))  # fmt: skip
def test_no_piece_to_output_leads_beyond_the_end_of_the_run_or_stays(step, more, length, most, every, ahead):
    found = piece_to_output(None, None, step, 0, step + more, length, most, Due(step + ahead, every))
    assert 1 <= found.steps <= min(more, most)


# -- between two stages --------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_", "plan", "since_s", "expected"), [
    (None, CutPlan(), 59.0, "go on"),
    (None, CutPlan(), 61.0, "checkpoint"),
    (CHECKPOINT, CutPlan(), 0.0, "checkpoint"),
    (STOP, CutPlan(), 0.0, "stop"),
    (None, CutPlan(cut_at=((2, 300),), then="stop"), 0.0, "stop"),
    (None, CutPlan(cut_at=((2, 300),)), 0.0, "checkpoint"),
    (None, CutPlan(cut_at=((2, 200), (1, 300)), then="stop"), 0.0, "go on"),
    (None, CutPlan(at=(1.0,)), 0.0, "checkpoint"),
    (None, CutPlan(at=(0.5,), then="stop"), 0.0, "go on"),
])  # fmt: skip
def test_decision_before_stage_2_at_step_300(request_, plan, since_s, expected):
    assert at_boundary(request_, plan, 2, 300, since_last_s=since_s, every_s=600.0) == expected


# -- in a rehearsal ------------------------------------------------------------------------------------


def planned_at(plan: CutPlan, step: int, *, taken: int = 0) -> Piece | None:
    return next_planned(plan, 2, step, first=0, last=1000, taken=taken)


def test_rehearsal_cuts_exactly_at_the_next_of_its_steps_inside_the_run():
    plan = CutPlan(cut_at=((2, 730), (1, 100), (2, 350), (3, 600), (2, 1000)), then="stop")
    assert planned_at(plan, 0) == Piece(349, "stop", seek=1, exactly=True)
    assert planned_at(plan, 350) == Piece(379, "stop", seek=1, exactly=True)
    assert planned_at(plan, 730) is None


def test_rehearsal_at_fractions_seeks_a_rebuild_as_a_real_cut_does():
    plan = CutPlan(at=(0.25, 0.6, 1.0))
    assert planned_at(plan, 0) == Piece(250, "checkpoint", seek=MOST_SOUGHT)
    assert planned_at(plan, 251) == Piece(349, "checkpoint", seek=MOST_SOUGHT)
    assert planned_at(plan, 650) is None
    assert planned_at(plan, 0, taken=60) is None


# -- the handler ---------------------------------------------------------------------------------------


class Desk:
    """A handler and its clock."""

    def __init__(self, plan: CutPlan = CutPlan()) -> None:
        self.now = 100.0
        self.handler = CheckpointHandler(plan, 600.0, lambda: self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_pieces_grow_until_they_take_their_time(desk):
    desk.handler.begin_run(1, 0, 10**6)
    lengths, step = [], 0
    for _ in range(8):
        steps = desk.handler.next_piece(step).steps
        lengths.append(steps)
        step, desk.now = step + steps, desk.now + steps * 0.001
    assert lengths == [1, 2, 4, 8, 16, 32, 50, 50]


def test_request_before_any_run_waits_for_one(desk):
    desk.handler.take(TakeCheckpoint(within_s=60))
    assert not desk.handler.is_cuttable
    desk.handler.begin_run(1, 0, 1000)
    assert desk.handler.is_cuttable
    assert desk.handler.next_piece(0).then == "checkpoint"


def test_stop_during_the_checkpoint_before_it_is_not_forgotten(desk):
    desk.handler.begin_run(1, 0, 1000)
    desk.handler.take(TakeCheckpoint(within_s=60))
    assert desk.handler.next_piece(10).then == "checkpoint"
    desk.handler.take(Stop(within_s=15))  # while the restart file is written
    desk.handler.taken()
    assert desk.handler.next_piece(10).then == "stop"


def test_checkpoint_that_was_taken_answers_the_request(desk):
    desk.handler.begin_run(1, 0, 1000)
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.handler.take(TakeCheckpoint(within_s=1))
    desk.handler.taken()
    assert desk.handler.next_piece(10).then == "go on"


def test_request_outlives_a_run_that_ended_before_it_was_met(desk):
    desk.handler.begin_run(1, 0, 20)
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.handler.end_run()
    assert not desk.handler.is_cuttable
    assert desk.handler.at_boundary(2, 20) == "checkpoint"


def test_checkpoint_at_a_boundary_is_due_by_the_time_since_the_last_one(desk):
    desk.now += 59
    assert desk.handler.at_boundary(2, 20) == "go on"
    desk.now += 2
    assert desk.handler.at_boundary(2, 20) == "checkpoint"
    desk.handler.taken()
    assert desk.handler.at_boundary(2, 20) == "go on"
