"""When a checkpoint is taken: what is asked for, against what recurs in a run. No LAMMPS, no process, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.engine.cut_points import (
    MEASURED_S,
    Armed,
    Request,
    RunView,
    Strides,
    at_boundary,
    decide,
    next_planned,
    on_return,
)
from lammps_jobs.protocol.messages import Stop, TakeCheckpoint
from lammps_jobs.record.documents import CutPlan

STRIDES = Strides(thermo=50)
RUN = RunView(STRIDES, step=1010, last=100_000, rate=1000.0)
CHECKPOINT, STOP = Request("checkpoint", 0.0, 60.0), Request("stop", 0.0, 60.0)


# -- inside a run --------------------------------------------------------------------------------------


def test_nothing_is_armed_unless_something_is_asked_for():
    assert decide(None, RUN, None, 1.0) is None


def test_checkpoint_is_taken_at_the_next_step_where_the_run_can_go_on():
    assert decide(CHECKPOINT, RUN, None, 1.0) == Armed(1100)  # 1050 would come before LAMMPS could hear of it


def test_rebuild_is_sought_in_a_run_that_bears_single_steps():
    seeking = RunView(STRIDES, 1010, 100_000, 1000.0, may_seek=True)
    assert decide(CHECKPOINT, seeking, None, 1.0) == Armed(1100, seek=100)
    assert decide(STOP, seeking, None, 59.9).seek == 0  # the time left buys no single step


def test_first_measurement_of_the_speed_is_waited_for_but_not_for_ever():
    unmeasured = RunView(STRIDES, 1010, 100_000)
    assert decide(CHECKPOINT, unmeasured, None, MEASURED_S - 0.1) is None
    assert decide(CHECKPOINT, unmeasured, None, MEASURED_S + 0.1) == Armed(1050)
    late = Request("checkpoint", 0.0, 0.2)
    assert decide(late, unmeasured, None, 0.3) == Armed(1050)


def test_what_is_armed_for_a_checkpoint_stays_armed_for_it():
    assert decide(CHECKPOINT, RUN, Armed(5000), 1.0) == Armed(5000)


def test_stop_is_more_urgent_than_the_checkpoint_on_its_way():
    assert decide(STOP, RUN, Armed(5000), 1.0) == Armed(1100, by="stop")
    assert decide(STOP, RUN, Armed(1050, seek=100), 59.9) == Armed(1050, by="stop")
    assert decide(STOP, RUN, Armed(5000, by="stop"), 1.0) == Armed(5000, by="stop")


def test_what_a_rehearsal_armed_is_not_moved_by_a_stop():
    assert decide(STOP, RUN, Armed(5000, by="rehearsal"), 1.0) == Armed(5000, by="rehearsal")


def test_run_that_closes_its_windows_in_time_is_left_to_reach_its_end():
    view = RunView(Strides(50, (("av", 1, 1000, 1000),)), step=10, last=1000, rate=1000.0)
    assert decide(CHECKPOINT, view, None, 1.0) is None


@given(step=st.integers(0, 10**6), more=st.integers(1, 10**5), rate=st.floats(0, 10**5), now=st.floats(0, 100),
       armed=st.integers(1, 10**5), seek=st.integers(0, 100), may_seek=st.booleans())  # fmt: skip
def test_stop_never_puts_off_a_halt_that_lammps_was_given(step, more, rate, now, armed, seek, may_seek):
    before = Armed(step + armed, seek)
    after = decide(STOP, RunView(STRIDES, step, step + armed + more, rate, may_seek), before, now)
    assert after is not None
    assert after.step <= before.step
    assert step < after.step


@pytest.mark.parametrize(("armed", "request_", "then", "step", "expected"), [
    (None, STOP, "go on", 500, ("go on", 0)),
    (Armed(500), CHECKPOINT, "go on", 480, ("go on", 0)),
    (Armed(500), CHECKPOINT, "go on", 1000, ("go on", 0)),  # the run's end comes before any halt
    (Armed(500, seek=40), CHECKPOINT, "go on", 500, ("checkpoint", 40)),
    (Armed(500, seek=40), CHECKPOINT, "go on", 520, ("checkpoint", 40)),
    (Armed(500), STOP, "go on", 500, ("stop", 0)),
    (Armed(500, by="rehearsal"), None, "go on", 500, ("checkpoint", 0)),
    (Armed(500, by="rehearsal"), None, "stop", 500, ("stop", 0)),
    (Armed(500, by="rehearsal"), None, "set up again", 500, ("checkpoint", 0)),
    (Armed(500), CHECKPOINT, "stop", 500, ("checkpoint", 0)),
])  # fmt: skip
def test_decision_when_lammps_comes_back(armed, request_, then, step, expected):
    assert on_return(armed, request_, CutPlan(then=then), step, 1000) == expected


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


def planned(plan: CutPlan, step: int, *, may_seek: bool = False, taken: int = 0) -> Armed | None:
    view = RunView(STRIDES, step, 1000, may_seek=may_seek)
    return next_planned(plan, 2, view, first=0, taken=taken)


def test_rehearsal_cuts_at_the_next_of_its_steps_inside_the_run():
    plan = CutPlan(cut_at=((2, 730), (1, 100), (2, 350), (3, 600), (2, 1000)))
    assert planned(plan, 0) == Armed(350, by="rehearsal")
    assert planned(plan, 350) == Armed(730, by="rehearsal")
    assert planned(plan, 730) is None


def test_rehearsal_takes_the_last_step_alone_to_see_whether_it_rebuilds():
    plan = CutPlan(cut_at=((2, 350),))
    assert planned(plan, 0, may_seek=True) == Armed(349, seek=1, by="rehearsal")
    assert planned(plan, 349, may_seek=True) == Armed(350, by="rehearsal")


def test_rehearsal_at_fractions_cuts_where_a_real_cut_would():
    plan = CutPlan(at=(0.25, 0.6, 1.0))
    assert planned(plan, 0) == Armed(300, by="rehearsal")
    assert planned(plan, 300) == Armed(650, by="rehearsal")
    assert planned(plan, 0, may_seek=True) == Armed(300, seek=100, by="rehearsal")
    assert planned(plan, 650) is None
    assert planned(plan, 0, taken=60) is None


# -- the handler ---------------------------------------------------------------------------------------


class Desk:
    """A handler, its clock, and the steps at which it had LAMMPS halt."""

    def __init__(self, plan: CutPlan = CutPlan()) -> None:
        self.now, self.halts = 100.0, []
        self.handler = CheckpointHandler(plan, 600.0, lambda: self.now)

    def begin(self, step: int = 1010, last: int = 100_000, planned: Armed | None = None) -> None:
        self.handler.begin_run(last, RunView(STRIDES, step, last), self.halts.append, planned)

    def look(self, step: int = 1010) -> None:
        self.handler.look(step, 1000.0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_halt_is_armed_once_and_decided_when_it_comes(desk):
    desk.begin()
    desk.look()
    desk.handler.take(TakeCheckpoint(within_s=60))
    for step in (1010, 1030, 1060):
        desk.look(step)
    assert desk.halts == [1100]
    assert desk.handler.on_return(1100) == ("checkpoint", 0)


def test_request_before_any_run_waits_for_one(desk):
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.look()
    assert desk.halts == []
    desk.begin()
    desk.look()
    assert desk.halts == [1100]


def test_stop_during_the_checkpoint_before_it_is_not_forgotten(desk):
    desk.begin()
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.look()
    assert desk.handler.on_return(1100) == ("checkpoint", 0)
    desk.handler.take(Stop(within_s=15))  # while the restart file is written
    desk.handler.taken()
    desk.begin(step=1100)
    desk.look(1100)
    assert desk.halts[1:] == [1200]
    assert desk.handler.on_return(1200) == ("stop", 0)


def test_checkpoint_that_was_taken_answers_the_request(desk):
    desk.begin()
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.look()
    desk.handler.taken()
    desk.begin(step=1100)
    desk.look(1100)
    assert desk.halts == [1100]
    assert desk.handler.on_return(1150) == ("go on", 0)


def test_request_outlives_a_run_that_ended_before_its_halt(desk):
    desk.begin(last=1120)
    desk.handler.take(TakeCheckpoint(within_s=60))
    desk.look()
    assert desk.handler.on_return(1120) == ("go on", 0)
    assert desk.handler.at_boundary(2, 1120) == "checkpoint"


def test_nothing_is_armed_in_a_run_that_came_back_or_is_not_cut(desk):
    desk.handler.take(Stop(within_s=15))
    desk.handler.begin_run(2000, None, desk.halts.append)
    assert not desk.handler.is_cuttable
    desk.look()
    desk.begin()
    assert desk.handler.is_cuttable
    desk.handler.on_return(1050)
    desk.look(1050)
    assert desk.halts == []


def test_boundary_is_worth_a_checkpoint_when_the_last_is_some_time_ago(desk):
    desk.now += 59
    assert desk.handler.at_boundary(2, 300) == "go on"
    desk.now += 2
    assert desk.handler.at_boundary(2, 300) == "checkpoint"
    desk.handler.taken()
    assert desk.handler.at_boundary(3, 400) == "go on"


def test_rehearsed_halt_is_decided_by_the_plan():
    desk = Desk(CutPlan(cut_at=((1, 350),), then="stop"))
    desk.begin(planned=Armed(350, by="rehearsal"))
    desk.look(340)
    assert desk.halts == []  # whoever planned it has armed it already
    assert desk.handler.on_return(350) == ("stop", 0)
