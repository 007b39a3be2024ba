"""What C++ does with an exception that nobody catches: `std::terminate`, and what the exception says.

A piece of a run is called from Python directly, so nothing of LAMMPS's catches its errors there. By the ABI
the stack is still as it was where the error was thrown when the handler is called
(Itanium C++ ABI: Exception Handling, "2.5.5 Terminate").
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from lammps_jobs.engine.memory import process

_HANDLER = ctypes.CFUNCTYPE(None)
_WHAT = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)
_HEADER = 112
"""Bytes of `__cxa_exception` in front of what is thrown: 10 words and `_Unwind_Exception` (unwind-cxx.h)."""
_WHAT_SLOT = 2
"""Of `what` in the table of every std::exception, behind its two destructors."""


def on_terminate(library: Any, handler: Callable[[str], object]) -> object:
    """Have `handler` called with the error's text. It must end the process. The caller keeps what is returned."""

    def called() -> None:
        handler(_message(library))

    function = _HANDLER(called)
    library._ZSt13set_terminatePFvvE(function)
    return function


def _message(library: Any) -> str:
    """What the exception that is being handled says, where it can be read."""
    library.__cxa_get_globals.restype = ctypes.c_void_p
    thrown = process.word(int(library.__cxa_get_globals())) + _HEADER
    table = process.word(thrown)
    if process.symbol(table)[0].startswith("_ZTV"):
        text = _WHAT(process.word(table + _WHAT_SLOT * process.WORD))(thrown)
        if text:
            return str(text.decode(errors="replace"))
    return "LAMMPS ended with an error that it did not name"
