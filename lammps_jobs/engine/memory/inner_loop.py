"""LAMMPS's inner loop over timesteps, run piece by piece: between two pieces LAMMPS is at rest inside its `run`.

`Run::command` sets a run up, calls `Integrate::run(n)` and then `Integrate::cleanup()`, and prints its statistics
(LAMMPS, src/run.cpp). Both calls are virtual. While the command is given to LAMMPS, the integrator's table is one in
which these two do nothing, so the command comes back right before the first step. Then `Integrate::run` is called for
some steps at a time: its loop holds nothing from one step to the next (src/verlet.cpp, src/respa.cpp), so pieces of
it are the loop. At last come cleanup and statistics, as `Run::command` would have called them.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lammps_jobs.engine.memory import objects, process
from lammps_jobs.engine.memory.process import Unknown

RUN, CLEANUP = "3runEi", "7cleanupEv"
_SLOTS = 96
"""More than any integrator's table has; what is copied beyond its end is never called."""
_RUN_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)
_CLEANUP_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_TIMER = "_ZN9LAMMPS_NS5Timer"
_FINISH = "_ZN9LAMMPS_NS6Finish"
_FINISH_SIZE = 4096
_LANE = 4
"""Bytes of the smallest members of class Update."""


class InnerLoop:
    """One `run` of LAMMPS: `open` it, `advance` it until its last step, `close` it."""

    def __init__(self, lmp: Any) -> None:
        """Raises Unknown."""
        self._lmp = lmp
        self._parts = objects.parts(lmp)
        if not {"Update", "Timer"} <= self._parts.keys():
            raise Unknown("LAMMPS's parts are not found by their virtual tables")
        self._integrator = self._find_integrator()
        self._table = process.word(self._integrator)
        self._run, self._cleanup = (self._slot(name) for name in (RUN, CLEANUP))
        self._inside = self._outside = b""
        self._was_entered = False

    # -- from outside ------------------------------------------------------------------------------

    def open(self, command: Callable[[], None], at_loop: Callable[[], None] = lambda: None) -> bool:
        """Have `command` give LAMMPS its `run`; False when it did not come to the loop, as after a soft `fix halt`.

        `at_loop` is called where the loop would begin; what LAMMPS prints after it are statistics of nothing.
        """

        def enter(_integrator: int, _steps: int) -> None:
            self._inside, self._was_entered = self._update(), True
            at_loop()

        entered = _RUN_TYPE(enter)
        left = _CLEANUP_TYPE(lambda _: None)
        table = (ctypes.c_uint64 * _SLOTS)()
        ctypes.memmove(table, self._table - 2 * process.WORD, ctypes.sizeof(table))
        for (index, _), hook in ((self._run, entered), (self._cleanup, left)):
            table[index + 2] = ctypes.cast(hook, ctypes.c_void_p).value or 0
        self._set_table(ctypes.addressof(table) + 2 * process.WORD)
        try:
            command()
        finally:
            self._set_table(self._table)
        if self._was_entered:
            self._outside = self._update()
            process.write(self._parts["Update"], self._inside)
            self._timer("4initEv")
            self._timer("13barrier_startEv")
        return self._was_entered

    def begin_at(self, first: int, last: int) -> None:
        """Have LAMMPS believe that this run, of which it does the rest up to `last`, began at timestep `first`.

        `elapsed` and its kin are counted from there. Class Update has the timestep, the steps of the run and whether
        it is one of dynamics in this order, and its first and last step (src/update.h). Raises Unknown.
        """
        now, base = self.step, self._parts["Update"]
        for known, new in (
            (struct.pack("<qii", now, last - now, 1), struct.pack("<qii", now, last - first, 1)),
            (struct.pack("<qq", now, last), struct.pack("<qq", first, last)),
        ):
            at = self._update().find(known)
            if at < 0:
                raise Unknown("class Update is laid out in another way")
            process.write(base + at, new)

    @property
    def step(self) -> int:
        return int(self._lmp.extract_global("ntimestep"))

    def advance(self, steps: int) -> bool:
        """Go on for `steps` timesteps; False when LAMMPS itself ended the run before (`fix halt`, `timer timeout`)."""
        wanted = self.step + steps
        self._lmp.thread.call(_RUN_TYPE(self._run[1]), self._integrator, steps)
        return self.step == wanted

    @contextmanager
    def between_runs(self) -> Iterator[None]:
        """LAMMPS believes that no run is going on, and takes commands."""
        inside = self._update()
        self._leave()
        try:
            yield
        finally:
            process.write(self._parts["Update"], inside)

    def _leave(self) -> None:
        """Clear in class Update what `Run::command` clears at its end."""
        for at in range(0, len(self._outside), _LANE):
            if self._outside[at : at + _LANE] != self._inside[at : at + _LANE]:
                process.write(self._parts["Update"] + at, self._outside[at : at + _LANE])

    def abandon(self) -> None:
        """Leave the run as if it had not been: only its set-up was wanted."""
        self._leave()

    def close(self, *, statistics: bool) -> None:
        """End the run as `Run::command` does; `statistics`: all of them (`post yes`), not only the loop time."""
        self._timer("12barrier_stopEv")
        self._lmp.thread.call(_CLEANUP_TYPE(self._cleanup[1]), self._integrator)
        finish = ctypes.create_string_buffer(_FINISH_SIZE)
        make, end = getattr(self._lmp.lib, f"{_FINISH}C1EPNS_6LAMMPSE"), getattr(self._lmp.lib, f"{_FINISH}3endEi")
        make.argtypes, end.argtypes = [ctypes.c_void_p, ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int]
        self._lmp.thread.call(make, ctypes.addressof(finish), self._lmp.lmp)
        self._lmp.thread.call(end, ctypes.addressof(finish), int(statistics))
        self._leave()

    # -- inside ------------------------------------------------------------------------------------

    def _update(self) -> bytes:
        """All of class Update: which run this is, and where it begins and ends."""
        return process.read(self._parts["Update"], process.block_size(self._parts["Update"])) or b""

    def _find_integrator(self) -> int:
        update = self._parts["Update"]
        for at in range(0, process.block_size(update) - process.WORD, process.WORD):
            address = process.word(update + at)
            if process.block_size(address) and process.class_of(address):
                table = process.word(address)
                if any(process.symbol(process.word(table + 8 * index))[0].endswith(RUN) for index in range(_SLOTS - 2)):
                    return address
        raise Unknown("class Update holds no integrator")

    def _slot(self, name: str) -> tuple[int, int]:
        """Index in the integrator's table, and address, of the virtual function of that mangled name."""
        for index in range(_SLOTS - 2):
            address = process.word(self._table + index * process.WORD)
            symbol, offset = process.symbol(address)
            if symbol.endswith(name) and offset == 0:
                return index, address
        raise Unknown(f"the integrator has no {name}")

    def _set_table(self, table: int) -> None:
        process.write(self._integrator, table.to_bytes(process.WORD, "little"))

    def _timer(self, name: str) -> None:
        call = getattr(self._lmp.lib, _TIMER + name)
        call.argtypes = [ctypes.c_void_p]
        call(self._parts["Timer"])
