"""Environment variables that an engine is started with."""

from __future__ import annotations

TUNABLES = "GLIBC_TUNABLES"
ENGINE_ENVIRONMENT = {
    TUNABLES: ":".join(f"glibc.malloc.{name}" for name in ("tcache_count=0", "mxfast=0", "perturb=255"))
}
"""New memory is zero, freed memory is filled and leaves no block behind (glibc's manual, Memory Allocation Tunables).

What a program has not set is then the same in every process, and holds no address of something else, so that
LAMMPS's objects can be compared word by word.
"""
