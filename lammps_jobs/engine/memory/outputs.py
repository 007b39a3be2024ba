"""At which timesteps LAMMPS writes output next, read from its class Output.

Needed where a piece of a run must end there and nowhere else: KOKKOS copies its atoms from the device at such a step
anyway, and joins the last half of a step to the first half of the next at all others (src/KOKKOS/verlet_kokkos.cpp:
fuse_check), which rounds differently.
"""

from __future__ import annotations

from typing import Any

from lammps_jobs.engine.memory import objects, process
from lammps_jobs.engine.memory.process import WORD, Unknown

_MOST = 64
"""Words among which the first own member of a class is looked for, after what all classes of LAMMPS begin with."""


class OutputSteps:
    """Where class Output keeps what is due. Raises Unknown when it is not found."""

    def __init__(self, lmp: Any) -> None:
        output, lammps = objects.parts(lmp).get("Output", 0), objects.address_of(lmp)
        if not output:
            raise Unknown("LAMMPS's class Output is not found")
        inside = range(lammps, lammps + process.block_size(lammps))
        words = [process.word(output + at * WORD) for at in range(1, _MOST)]
        first = next((at for at, word in enumerate(words) if word not in inside), 0)
        if not first:
            raise Unknown("LAMMPS's class Output has another layout")
        self._next = output + (1 + first) * WORD

    @property
    def due(self) -> tuple[int, int]:
        """As of now, inside a run: the next step with output, and `thermo N`'s N, 0 where that is a variable."""
        is_variable = process.word(self._next + 4 * WORD) != 0
        every = process.word(self._next + 2 * WORD) & 0xFFFFFFFF
        return process.word(self._next), 0 if is_variable else every
