"""How a run uses the GPUs of its machine: LAMMPS's command-line switches for a GPU architecture.

From published figures: T4, A10G and L4 are weak in double precision, so the GPU package in mixed precision wins there
(EAM of 32k atoms on one chip of that family: 1,250 timesteps/s against 450 with KOKKOS); A100 and H100 are for KOKKOS,
with a full neighbour list for pair potentials (LJ: 30 % faster than a half one). Force fields that
KOKKOS alone has (ReaxFF) go to KOKKOS everywhere, with a half list (manual, page `package`).
"""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Literal

Choice = Literal["auto", "kokkos", "gpu", "none"]

WEAK_DOUBLE = ("Turing75", "Ampere86", "Ada89")
"""Architectures whose double precision runs at a 32nd or 64th of single precision."""
KOKKOS_ONLY = ("reaxff", "snap", "uf3", "mliap", "pace")
"""Pair styles that KOKKOS has on GPUs and the GPU package has not (manual, page "Commands pair": letters g and k)."""
HALF_LIST = ("reaxff", "sw", "tersoff", "vashishta")
"""Pair styles for which a half neighbour list with newton on is needed or faster in KOKKOS."""
HEADER_LINES = 50
"""Lines of a data file among which its counts are looked for (manual, page `read_data`: they come first)."""
SMALLEST_ATOMS = 2000
"""Below so many atoms a GPU loses against its machine's own cores."""


def switches(
    gpu: str, gpus: int, ranks: int, script: str, *, atoms: int | None = None, chosen: Choice = "auto"
) -> list[str]:
    """LAMMPS's switches for `gpus` GPUs of architecture `gpu` (Kokkos's name), `ranks` ranks and the text of a script.

    Empty without GPUs, with `chosen` "none", and by itself for systems of under SMALLEST_ATOMS atoms.
    """
    if not gpus or not gpu or chosen == "none":
        return []
    if chosen == "auto" and atoms is not None and atoms < SMALLEST_ATOMS:
        return []
    styles = pair_styles(script)
    package = chosen if chosen != "auto" else _suits(gpu, styles)
    if package == "gpu":
        return ["-sf", "gpu", "-pk", "gpu", str(gpus)]
    half = any(style.startswith(HALF_LIST) for style in styles)
    lists = ["neigh", "half", "newton", "on"] if half else ["neigh", "full", "newton", "off"]
    used = min(gpus, ranks)
    return ["-k", "on", "g", str(used), "-sf", "kk", "-pk", "kokkos", *lists]


def atoms_of(script: str, folder: Path) -> int | None:
    """How many atoms the data file says that a script reads first, times its `replicate`; None when nothing tells."""
    read = re.search(r"^\s*read_data\s+(\S+)", script, re.MULTILINE)
    path = folder / read[1] if read else None
    if path is None or not path.is_file():
        return None
    with path.open(errors="replace") as file:
        header = "".join(itertools.islice(file, HEADER_LINES))
    atoms = re.search(r"^\s*(\d+)\s+atoms\b", header, re.MULTILINE)
    copies = re.search(r"^\s*replicate\s+(\d+)\s+(\d+)\s+(\d+)", script, re.MULTILINE)
    return int(atoms[1]) * math.prod(map(int, copies.groups() if copies else ())) if atoms else None


def _suits(gpu: str, styles: list[str]) -> Choice:
    if any(style.startswith(KOKKOS_ONLY) for style in styles):
        return "kokkos"
    return "gpu" if gpu in WEAK_DOUBLE else "kokkos"


def pair_styles(script: str) -> list[str]:
    """Pair styles that a script names, `hybrid` ones by their parts."""
    found: list[str] = []
    for match in re.finditer(r"^\s*pair_style\s+(.+?)(?:#|$)", script, re.MULTILINE):
        first, *rest = match[1].split()
        found += [word for word in rest if re.match(r"[a-z]", word)] if first.startswith("hybrid") else [first]
    return found
