"""Environment variables that an engine is started with."""

from __future__ import annotations

TUNABLES = "GLIBC_TUNABLES"
ENGINE_ENVIRONMENT = {TUNABLES: "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.perturb=255"}
"""New memory is zero, freed memory is filled and leaves no block behind (page GLIBC_TUNABLES): what a program has not set is then the same in
every process, and holds no address of something else, so that LAMMPS's objects can be compared word by word."""
