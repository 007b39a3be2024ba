"""The attempt as a state machine: every race a list of stimuli and the actions that must come of it. No process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lammps_jobs.errors import InternalError
from lammps_jobs.protocol import messages
from lammps_jobs.protocol.messages import Finished, Started, Stop, TakeCheckpoint
from lammps_jobs.supervisor import attempt_state, stimuli
from lammps_jobs.supervisor.actions import (
    Action,
    Append,
    Ask,
    Commit,
    CommitResult,
    Decide,
    End,
    FetchOutput,
    Publish,
    StartTry,
)
from lammps_jobs.supervisor.attempt_state import AttemptState
from lammps_jobs.supervisor.stimuli import (
    Committed,
    CutSpoiled,
    EngineGone,
    EngineMalformed,
    EngineSaid,
    MachineAtRisk,
    ResultCommitted,
    Stimulus,
    StopAsked,
    Tick,
    TryStarted,
)
from tests.supervisor.attempt import (
    CRASH,
    KILL,
    RULES,
    Attempt,
    checkpoint,
    cut,
    decided,
    end_of,
    kinds,
    moved,
)

# -- an attempt that nothing happens to ------------------------------------------------------------------


def test_an_attempt_from_its_start_to_its_end():
    attempt = Attempt()
    assert attempt.first == (StartTry(1, frozenset(), frozenset(), with_memory=True),)
    attempt.goes_on_from(None)
    (commit,) = kinds(attempt.says(cut()), Commit)
    done = attempt(Committed(5.0, cut(), checkpoint(1, 100), 0.3))
    assert kinds(done, Ask) == [Ask(messages.Uploaded(number=1))]
    (result,) = kinds(attempt.says(Finished(step=500, outputs=())), CommitResult)
    assert result.lineage.parent == 1
    assert commit.lineage.parent is None
    assert end_of(attempt(ResultCommitted(9.0))).outcome == "finished"
    assert attempt(Tick(1e9)) == []  # it is over


def test_a_checkpoint_is_asked_for_when_it_is_due_and_only_once():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(10), at=599)
    assert attempt.waits(0.5) == []
    attempt.says(moved(11), at=601)
    assert attempt.waits(1) == [Ask(TakeCheckpoint(within_s=300))]
    assert attempt.waits(1) == []
    attempt.says(cut(), at=620)
    assert attempt.waits(100) == []
    assert kinds(attempt.all, Ask) == [Ask(TakeCheckpoint(within_s=300))]


def test_a_file_is_fetched_before_the_engine_hears_so():
    attempt = Attempt().goes_on_from(None)
    done = attempt.says(messages.Fetch(name="data.x", target=Path("work/data.x")))
    assert done == [FetchOutput("data.x", Path("work/data.x")), Ask(messages.Fetched(name="data.x"))]


# -- signals at any moment -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", ["before the engine", "before it listens", "running", "cut asked for", "cut on its way"]
)
def test_a_signal_at_any_moment_ends_the_attempt_in_time(when):
    attempt = Attempt()
    if when != "before the engine":
        attempt(TryStarted(0.0, None, engine_pid=7))
    if when in ("running", "cut asked for", "cut on its way"):
        attempt.says(Started(lammps_version=1, ranks=1))
        attempt.says(moved(1))
    if when == "cut asked for":
        attempt(MachineAtRisk(0.0))
    if when == "cut on its way":
        attempt.says(cut())
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    if when == "before it listens":
        (asked,) = kinds(attempt.says(Started(lammps_version=1, ranks=1), at=1.0), Ask)
        assert asked == Ask(Stop(within_s=15.0))
    if when == "cut on its way":  # that checkpoint is no answer to the stop
        assert not kinds(attempt(Committed(1.0, cut(), checkpoint(1, 5), 0.1)), End)
    if when in ("running", "cut asked for", "cut on its way"):
        assert Ask(Stop(within_s=12.0)) in attempt.all
    assert not kinds(attempt(Tick(15.9)), End)
    end = end_of(attempt(Tick(16.1)))
    assert (end.outcome, end.exit_code, end.gently) == ("interrupted", 75, False)


def test_a_signal_during_a_long_upload_leaves_the_engine_what_is_left_of_the_grace():
    attempt = Attempt().goes_on_from(None)
    attempt.says(cut())
    attempt(Committed(8.0, cut(), checkpoint(1, 5), 7.0))
    assert kinds(attempt(StopAsked(3.0, "SIGTERM", 20.0)), Ask) == [Ask(Stop(within_s=7.0))]
    assert not kinds(attempt(Tick(18.9)), End)
    assert end_of(attempt(Tick(19.1))).outcome == "interrupted"


def test_the_checkpoint_that_a_signal_asked_for_ends_the_attempt():
    attempt = Attempt().goes_on_from(None)
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    attempt.says(cut(stop=True))
    end = end_of(attempt(Committed(3.0, cut(stop=True), checkpoint(4, 70), 0.1)))
    assert (end.outcome, end.reason) == ("interrupted", "SIGTERM: checkpoint 4 at step 70 is committed")
    assert end.lineage.parent == 4


def test_a_second_signal_and_a_recommendation_to_leave_change_nothing():
    attempt = Attempt().goes_on_from(None)
    attempt(StopAsked(0.0, "Spot notice", 120.0))
    assert attempt(StopAsked(1.0, "SIGTERM", 25.0)) == []
    assert attempt(MachineAtRisk(2.0)) == []


def test_a_stop_whose_upload_is_spoiled_ends_interrupted_with_the_checkpoint_before():
    attempt = Attempt().goes_on_from(checkpoint(3, 50))
    attempt(StopAsked(0.0, "SIGTERM", 20.0))
    done = attempt(CutSpoiled(1.0, cut(stop=True), "a file grew shorter"))
    assert end_of(done).lineage.parent == 3


def test_time_limit_stops_in_time():
    attempt = Attempt()
    attempt.state = replace(attempt.state, rules=replace(RULES, time_limit_s=100))
    attempt.goes_on_from(None)
    attempt.says(moved(1), at=70)
    assert attempt.waits(1) == []
    attempt.says(moved(2), at=76)
    assert kinds(attempt.waits(1), Ask) == [Ask(Stop(within_s=15.0))]
    assert kinds(attempt.waits(1), Ask) == []


def test_a_stop_in_the_pause_between_two_tries_ends_at_once():
    attempt = Attempt().goes_on_from(checkpoint(1, 100, boundary=True))
    for _ in range(3):
        attempt.dies(CRASH, 110)
        if attempt.state.start_at is None:
            attempt.goes_on_from(checkpoint(1, 100, boundary=True))
    assert attempt.state.start_at is not None
    attempt(StopAsked(attempt.at, "SIGTERM", 25))
    assert end_of(attempt.waits(0.1)).outcome == "interrupted"


# -- engines that were given up, silence, nonsense -------------------------------------------------------


def test_what_an_engine_still_says_that_was_given_up_is_passed_over():
    attempt = Attempt().goes_on_from(checkpoint(1, 100))
    old = attempt.state.number
    attempt.dies(CRASH, 150)
    assert attempt.state.number == old + 1
    for late in (EngineSaid(0.0, old, cut()), EngineGone(0.0, old, KILL), EngineMalformed(0.0, old, "?")):
        assert attempt(late) == []


def test_nonsense_from_the_engine_ends_the_attempt_as_our_fault_and_brands_nothing():
    attempt = Attempt().goes_on_from(checkpoint(1, 100))
    end = end_of(attempt(EngineMalformed(0.0, 1, "cut.step: missing")))
    assert (end.outcome, end.error, end.exit_code) == ("failed", "InternalError", InternalError.exit_code)
    assert decided(attempt.all) == []


def test_an_engine_that_never_opens_lammps_is_given_up():
    attempt = Attempt()
    attempt(TryStarted(0.0, None, engine_pid=7))
    assert not kinds(attempt.waits(attempt_state.CONNECT_S - 1), End)
    assert "not open" in end_of(attempt.waits(2)).reason


def test_an_engine_without_a_sign_of_life_is_given_up():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(5, cuttable=False), at=10)
    assert not kinds(attempt.waits(attempt_state.SILENT_S - 1), End)
    assert "no sign of life" in end_of(attempt.waits(2)).reason


def test_a_supervisor_that_stood_still_itself_takes_no_engine_for_hung():
    attempt = Attempt().goes_on_from(None)
    attempt.says(moved(5), at=10)
    assert attempt(Tick(10 + 10 * attempt_state.SILENT_S)) != []  # a checkpoint is due, and asked for
    assert not attempt.state.is_over


def test_a_run_that_stands_still_is_given_up_only_where_a_checkpoint_could_be_expected():
    for cuttable in (True, False):
        attempt = Attempt().goes_on_from(None)
        for at in range(0, 4000, 5):  # signs of life come, timesteps do not
            attempt.says(moved(5, cuttable=cuttable), at=at)
            attempt.waits(0.2)
        assert attempt.state.is_over is cuttable


# -- budgets and intervals -------------------------------------------------------------------------------


def test_budget_is_warned_of_at_four_fifths_and_ends_the_attempt_with_a_checkpoint_and_its_own_code():
    attempt = Attempt()
    attempt.state = replace(attempt.state, rules=replace(RULES, budget_s=1000, used_s=900))
    attempt.goes_on_from(None)
    done = attempt(Tick(1))
    assert [one.event.text for one in done if isinstance(one, Append)] == [
        "90 % of the budget of 16.7m of machine time is used."
    ]
    assert not attempt(Tick(50)), "once is enough"
    done = attempt(Tick(101))
    assert any(isinstance(one, Ask) and isinstance(one.order, Stop) for one in done)
    (end,) = [one for one in attempt(Tick(400)) if isinstance(one, End)]
    assert (end.outcome, end.exit_code, end.error) == ("interrupted", 77, "BudgetSpent")
    assert "resume melt --budget 33.3m" in end.remedy


def test_interval_follows_the_stall_that_was_seen_within_the_bounds():
    attempt = Attempt()
    attempt.state = replace(attempt.state, rules=replace(RULES, least_s=60, every_s=3600))
    attempt.goes_on_from(None)
    assert attempt.state.due <= 60 + 1
    done = attempt(Committed(70, cut(), checkpoint(1, 100, cut_s=1.0), 1.0))
    assert any(isinstance(one, Append) and one.event.text.startswith("Checkpoints every 416 s") for one in done)
    assert attempt.state.every_s == pytest.approx(415.7, abs=0.5)


# -- all of them -----------------------------------------------------------------------------------------


def test_every_action_is_exercised_here():
    """A reminder for whoever adds one."""
    assert {Append, Ask, Commit, CommitResult, Decide, End, FetchOutput, Publish, StartTry} == set(
        Action.__args__  # type: ignore[attr-defined]
    )
    assert isinstance(Attempt().state, AttemptState)
    assert {s.__name__ for s in Stimulus.__args__} == {  # type: ignore[attr-defined]
        name for name, kind in vars(stimuli).items() if isinstance(kind, type) and hasattr(kind, "at") is False
        and kind.__module__ == stimuli.__name__ and name != "Death"
    }  # fmt: skip
