"""Every test has its kind, and a unit test that is none is found out."""

from __future__ import annotations

import pytest

from tests.kinds import MARKS, Guard


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("subprocess.Popen", ("lmp", [], None, None)),
        ("socket.connect", (None, ("127.0.0.1", 1))),
        ("import", ("mpi4py.MPI",)),
    ],
)
def test_guard_objects_to_what_is_no_unit_test(event, arguments):
    guard = Guard()
    guard.hear(event, arguments)
    guard.is_on = True
    with pytest.raises(AssertionError, match="Mark it engine, cloud or infra"):
        guard.hear(event, arguments)
    guard.hear("import", ("json",))
    assert len(guard.heard) == 1


def test_this_test_is_a_unit_test(request):
    assert {mark.name for mark in request.node.iter_markers()} & set(MARKS) == {"unit"}
