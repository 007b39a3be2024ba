"""Whom an attempt blames for a crash, what it forgives, and the past that its checkpoints are graded by. No process."""

from __future__ import annotations

import pytest

from lammps_jobs.errors import Fenced, ScriptError, StoreAway, StoreError
from lammps_jobs.protocol.messages import Started
from lammps_jobs.record.documents import Decision, Equipment, Fidelity
from lammps_jobs.supervisor import attempt_state, transitions
from lammps_jobs.supervisor.actions import (
    Append,
    Commit,
    Decide,
    StartTry,
)
from lammps_jobs.supervisor.blame import barred, standing
from lammps_jobs.supervisor.stimuli import (
    ActionFailed,
    Committed,
    Death,
    EngineGone,
    TryStarted,
)
from tests.supervisor.attempt import (
    CRASH,
    KILL,
    SOON,
    Attempt,
    checkpoint,
    cut,
    decided,
    end_of,
    failed,
    kinds,
    moved,
)

# -- blame -----------------------------------------------------------------------------------------------


def test_one_crash_soon_after_a_cut_costs_one_try_and_no_checkpoint():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    done = attempt.dies(CRASH, 1402 + SOON)
    assert kinds(done, StartTry) == [StartTry(2, frozenset(), frozenset(), with_memory=True)]
    assert decided(attempt.all) == []
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(5000))
    assert attempt.state.suspicion is None


def test_memory_that_cannot_be_given_back_is_left_out_and_nothing_is_blamed():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    done = attempt.says(failed("memory", 1402))
    assert kinds(done, StartTry) == [StartTry(2, frozenset(), frozenset(), with_memory=False)]
    assert [action.event.kind for action in kinds(done, Append)] == ["warning"]
    assert decided(attempt.all) == []


def test_the_second_crash_at_the_same_place_leaves_the_memory_out_and_the_third_blames_the_cut():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    assert [start.with_memory for start in kinds(attempt.waits(1.0), StartTry)] == [False]
    assert decided(attempt.all) == []
    attempt.goes_on_from(checkpoint(9, 1402))
    done = attempt.dies(CRASH, 1402 + SOON)
    assert decided(done) == [("no checkpoints", 1, None)]
    assert done.index(kinds(done, Decide)[0]) < len(done) - 1  # written before anybody acts on it
    assert attempt.state.barred.stages == {1}


def test_the_third_crash_at_a_boundary_bars_that_checkpoint_alone():
    attempt = Attempt()
    for _ in range(2):
        attempt.goes_on_from(checkpoint(3, 1000, stage=2, boundary=True))
        attempt.dies(CRASH, 1100, stage=2)
    attempt.goes_on_from(checkpoint(3, 1000, stage=2, boundary=True))
    done = attempt.dies(CRASH, 1100, stage=2)
    assert decided(done) == [("do not resume", 2, 3)]
    assert (attempt.state.barred.stages, attempt.state.barred.checkpoints) == (frozenset(), {3})


def test_crashes_at_different_places_are_each_tried_again():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    attempt.dies(CRASH, 1402 + SOON)
    attempt.goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(50_000))
    attempt(Committed(0.0, cut(), checkpoint(10, 50_000), 0.1))
    assert kinds(attempt.dies(CRASH, 50_100), StartTry)
    assert decided(attempt.all) == []


@pytest.mark.parametrize("death", [KILL, Death(ScriptError("ERROR: No space left on device"), is_doubtful=False)])
def test_a_kill_and_a_full_disk_are_no_cuts_fault(death):
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt.dies(death, 1500)).outcome == "failed"
    assert decided(attempt.all) == []


def test_lammps_words_about_a_full_disk_are_believed_at_once():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    end = end_of(attempt.says(failed("script", 1500, "ERROR: Failed to write dump file: No space left on device")))
    assert end.error == "ScriptError"


def test_a_failure_of_our_own_program_is_loud_and_brands_nothing():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    end = end_of(attempt.says(failed("internal", 1403, "KeyError: 'is_sorted'")))
    assert (end.error, end.exit_code) == ("InternalError", 18)
    assert decided(attempt.all) == []
    assert not kinds(attempt.all[1:], StartTry)


def test_a_failure_far_from_any_cut_is_believed():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt.says(failed("script", 90_000))).error == "ScriptError"


def test_state_that_was_not_taken_up_again_needs_no_second_proof():
    attempt = Attempt()
    attempt(TryStarted(0.0, checkpoint(9, 1402), engine_pid=7))
    done = attempt.says(failed("resume", 1402, "fix 1 (rigid) was not taken up"))
    assert decided(done) == [("no checkpoints", 1, None)]


def test_tries_are_bounded_and_back_off():
    attempt = Attempt()
    pauses = []
    for seq in range(40, 0, -1):
        if attempt.state.is_over:
            break
        if attempt.state.start_at is not None:
            pauses.append(attempt.state.start_at - attempt.at)
            assert attempt.waits(pauses[-1] / 2) == []
            assert kinds(attempt.waits(pauses[-1]), StartTry)
        attempt.goes_on_from(checkpoint(seq, 100, boundary=True), at=attempt.at)
        attempt.dies(CRASH, 100)
    assert attempt.state.is_over
    assert "without coming to a checkpoint" in end_of(attempt.all).reason
    assert pauses == sorted(pauses)
    assert len(kinds(attempt.all, StartTry)) == attempt_state.MOST_TRIES


def test_an_attempt_that_cannot_write_its_decision_ends():
    attempt = Attempt().goes_on_from(checkpoint(9, 1402))
    assert end_of(attempt(ActionFailed(0.0, StoreError("read-only")))).exit_code == 7


def test_store_that_does_not_answer_ends_an_attempt_with_the_code_that_is_tried_again():
    end = end_of(Attempt().goes_on_from(None)(ActionFailed(0.0, StoreAway("connection refused"))))
    assert (end.outcome, end.exit_code) == ("interrupted", 75)


def test_an_overtaken_attempt_ends_as_fenced():
    attempt = Attempt().goes_on_from(None)
    assert end_of(attempt(ActionFailed(0.0, Fenced("Attempt 3 has taken over")))).outcome == "fenced"


# -- decisions of earlier attempts -----------------------------------------------------------------------


def decision(
    number: int, attempt: int, kind: str = "no checkpoints", stage: int = 1, seq: int | None = None
) -> Decision:
    return Decision(number=number, attempt=attempt, kind=kind, stage=stage, step=1500, checkpoint=seq, why="x")  # type: ignore[arg-type]


def test_what_one_attempt_blamed_a_later_one_tries_again_and_forgives_when_it_gets_past():
    past = [decision(1, attempt=1)]
    assert barred(past).stages == frozenset()
    attempt = Attempt(on_probation=standing(past)).goes_on_from(checkpoint(9, 1402))
    attempt.says(moved(2000))
    assert decided(attempt.all) == []
    attempt.says(moved(2501))
    assert decided(attempt.all) == [("forgiven", 1, None)]
    attempt.says(moved(2502))
    assert len(decided(attempt.all)) == 1


def test_what_two_attempts_blamed_stays():
    past = [decision(1, attempt=1), decision(2, attempt=2)]
    assert barred(past).stages == {1}
    assert barred([decision(1, 1, "do not resume", 2, 7), decision(2, 3, "do not resume", 2, 7)]).checkpoints == {7}
    assert barred([*past, decision(3, attempt=3, kind="forgiven")]).stages == frozenset()
    assert standing([*past, decision(3, attempt=3, kind="forgiven", stage=2)]) == tuple(past)


def test_on_probation_one_failure_is_proof():
    attempt = Attempt(on_probation=(decision(1, attempt=1),)).goes_on_from(checkpoint(9, 1402))
    assert decided(attempt.dies(CRASH, 1500)) == [("no checkpoints", 1, None)]


# -- lineage ---------------------------------------------------------------------------------------------


def test_lineage_is_the_weakest_of_all_resumes_and_says_where_they_were():
    weak = Fidelity(grade="statistical", reasons=("fix bath (langevin)",))
    origin = checkpoint(3, 300, fidelity=Fidelity(as_if="never cut"), fidelity_so_far=weak, resumed_at=((1, 100),))
    attempt = Attempt().goes_on_from(origin)
    (commit,) = kinds(attempt.says(cut()), Commit)
    assert commit.lineage.resumed_at == ((1, 100), (1, 300))
    assert commit.lineage.fidelity_so_far.grade == "statistical"
    assert commit.lineage.parent == 3


def test_other_ranks_and_another_lammps_make_a_resume_faithful_and_are_named():
    origin = checkpoint(3, 300, ranks=2, lammps_version=20240829, fidelity=Fidelity(as_if="never cut"))
    here = transitions.fidelity_here(origin, Fidelity(as_if="never cut"), 20250722, 1)
    assert here.grade == "faithful"
    assert len(here.reasons) == 2


@pytest.mark.parametrize(("now", "named"), [
    (Equipment(switches=("-sf", "omp"), threads=2, image="cpu"), "switches: -sf omp at the cut, none now"),
    (Equipment(threads=1, image="cpu"), "threads a rank: 1 at the cut, 2 now"),
    (Equipment(threads=2, gpu="Ampere80", image="cpu"), "GPU: Ampere80 at the cut, none now"),
    (Equipment(threads=2, image="Ampere80"), "image: Ampere80 at the cut, cpu now"),
])  # fmt: skip
def test_other_equipment_makes_a_resume_faithful_and_is_named(now, named):
    """By its switches, threads, GPU or image; an older version did not say them, and is believed."""
    never, here = Fidelity(as_if="never cut"), Equipment(threads=2, image="cpu")
    other = transitions.fidelity_here(checkpoint(3, 300, equipment=now, fidelity=never), never, 20250722, 1, here)
    assert other.grade == "faithful"
    assert any(named in reason for reason in other.reasons)
    for same in (here, None):
        found = transitions.fidelity_here(checkpoint(3, 300, equipment=same, fidelity=never), never, 20250722, 1, here)
        assert (found.grade, found.as_if, found.reasons) == ("exact", "never cut", ())


def test_what_an_engine_computes_with_is_committed_with_its_checkpoints():
    attempt = Attempt()
    attempt(TryStarted(0.0, None, engine_pid=7))
    attempt.says(Started(lammps_version=1, ranks=1, equipment=Equipment(switches=("-sf", "kk"))))
    assert attempt.state.equipment.switches == ("-sf", "kk")


def test_a_try_that_has_not_resumed_yet_has_its_origins_past():
    attempt = Attempt()
    attempt(TryStarted(0.0, checkpoint(3, 300), engine_pid=7))
    end = end_of(attempt(EngineGone(0.0, 1, KILL)))
    assert (end.lineage.parent, end.lineage.resumed_at) == (3, ())
