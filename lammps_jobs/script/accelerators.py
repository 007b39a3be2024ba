"""LAMMPS's command-line switches for the GPUs of a machine, by architecture, force field and size.

From published figures: T4, A10G and L4 are weak in double precision, so the GPU package in mixed precision wins there
(EAM of 32k atoms on one chip of that family: 1,250 timesteps/s against 450 with KOKKOS); A100 and H100 are for KOKKOS,
with a full neighbour list for pair potentials (LJ: 30 % faster than a half one). Force fields that
KOKKOS alone has (ReaxFF) go to KOKKOS everywhere, with a half list (manual, page `package`).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lammps_jobs.script.commands import COMMANDS, Effect
from lammps_jobs.script.language import ScriptFault, commands_in_branches, commands_of, plain_style
from lammps_jobs.script.styles import Trait, traits_of
from lammps_jobs.script.values import Values, Variables

Choice = Literal["auto", "kokkos", "gpu", "none"]

WEAK_DOUBLE = ("Turing75", "Ampere86", "Ada89")
"""Architectures whose double precision runs at a 32nd or 64th of single precision."""
HEADER_LINES = 50
"""Lines of a data file among which its counts are looked for (manual, page `read_data`: they come first)."""
SMALLEST_ATOMS = 2000
"""Below so many atoms a GPU loses against its machine's own cores."""


@dataclass(frozen=True)
class Survey:
    """What of a script matters here."""

    pair_styles: tuple[str, ...]
    """The pair styles that it may use, `hybrid` ones by their parts."""
    atoms: int | None
    """Atoms in the data file that it reads first, times its `replicate`; None when nothing says."""
    dihedral_styles: tuple[str, ...] = ()
    """Those that it may use, `hybrid` ones by their parts."""
    refused: tuple[str, ...] = ()
    """Commands with which KOKKOS refuses the whole script."""
    wants_newton: bool = False
    """Whether it says `newton on` itself, which a full list forbids."""


@dataclass(frozen=True)
class Switches:
    """LAMMPS's switches for the GPUs of a machine."""

    words: tuple[str, ...] = ()
    why: str = ""
    """Why they are not what was to be expected, in words for people."""


def switches(gpu: str, gpus: int, ranks: int, script: Survey, *, chosen: Choice = "auto") -> Switches:
    """LAMMPS's switches for `gpus` GPUs of architecture `gpu` (Kokkos's name) and `ranks` ranks.

    None without GPUs, with `chosen` "none", and by itself for systems of under SMALLEST_ATOMS atoms; where KOKKOS
    refuses the script, those of the GPU package, or none where that cannot help, saying so.
    """
    if not gpus or not gpu or chosen == "none":
        return Switches()
    if chosen == "auto" and script.atoms is not None and script.atoms < SMALLEST_ATOMS:
        return Switches(why=f"A system of {script.atoms} atoms is faster without the GPU.")
    package = chosen if chosen != "auto" else _suits(gpu, script)
    on_gpu_package = ("-sf", "gpu", "-pk", "gpu", str(gpus))
    if package == "gpu":
        return Switches(on_gpu_package)
    if chosen == "auto" and script.refused:
        cannot = f"KOKKOS refuses a script with {script.refused[0]}"
        if _needs_kokkos(script):
            return Switches(why=f"{cannot}, and it alone has the force field on a GPU: it runs without the GPU.")
        return Switches(on_gpu_package, f"{cannot}: it runs with the GPU package.")
    used = min(gpus, ranks)
    return Switches(("-k", "on", "g", str(used), "-sf", "kk", "-pk", "kokkos", *_lists(script)))


def for_threads(threads: int) -> tuple[str, ...]:
    """LAMMPS's switches for so many OpenMP threads a rank, without a GPU."""
    return ("-sf", "omp", "-pk", "omp", str(threads)) if threads > 1 else ()


def _lists(script: Survey) -> tuple[str, ...]:
    """The kind of neighbour list that KOKKOS takes all force fields of the script with, else the fastest."""
    traits = [traits_of("pair", style) for style in script.pair_styles]
    traits += [traits_of("dihedral", style) for style in script.dihedral_styles]
    if any(Trait.NEWTON_OFF in one for one in traits):
        return "neigh", "half", "newton", "off"
    half = script.wants_newton or any(Trait.HALF_LIST in one for one in traits)
    return ("neigh", "half", "newton", "on") if half else ("neigh", "full", "newton", "off")


def _needs_kokkos(script: Survey) -> bool:
    return any(Trait.KOKKOS_ONLY in traits_of("pair", style) for style in script.pair_styles)


def _suits(gpu: str, script: Survey) -> Choice:
    if _needs_kokkos(script):
        return "kokkos"
    return "gpu" if gpu in WEAK_DOUBLE else "kokkos"


def survey(folder: Path, script: str, variables: Variables) -> Survey:
    """Read `script` in `folder`, with the files that it includes or jumps to; the caller gives `variables`.

    Every branch of an `if` and every value of a list counts as possible. What cannot be read is left out.
    """
    surveyor = _Surveyor(folder, variables)
    surveyor.file(script)
    return Survey(tuple(surveyor.styles), surveyor.atoms(), tuple(surveyor.dihedrals), surveyor.refused(),
                  surveyor.wants_newton)  # fmt: skip


class _Surveyor:
    def __init__(self, folder: Path, variables: Variables) -> None:
        self.folder, self.values = folder, Values(variables)
        self.styles: dict[str, None] = {}
        self.dihedrals: dict[str, None] = {}
        self.wants_newton = False
        self._refused: dict[str, None] = {}
        self._minimizes = False
        self._data: str | None = None
        self._copies: str | None = None
        self._seen: set[str] = set()

    def file(self, name: str) -> None:
        """Read one file of the script, once."""
        if name in self._seen:
            return
        self._seen.add(name)
        with contextlib.suppress(OSError, ScriptFault):  # LAMMPS will say what is wrong
            for _, _, args in commands_of((self.folder / name).read_text(errors="surrogateescape")):
                self._command(args)
                for inner in commands_in_branches(args):
                    self._command(inner, maybe=True)

    def _command(self, args: list[str], *, maybe: bool = False) -> None:
        row = COMMANDS.get(args[0])
        if args[0] == "variable":
            self.values.learn(args, maybe=maybe)
        elif row and row.reads and row.effect is Effect.FLOW:
            for name in self._meanings(args[row.reads :][:1]):
                self._follow(name)
        elif args[0] == "pair_style":
            self.styles |= dict.fromkeys(self._pair_styles(args[1:]))
        elif args[0] == "dihedral_style":
            self.dihedrals |= dict.fromkeys(self._pair_styles(args[1:]))
        elif args[0] in ("atom_style", "min_style", "minimize", "neighbor", "newton", "run_style"):
            self._of_kokkos(args)
        elif args[0] == "read_data" and self._data is None:
            self._data = self._only(args[1:2])
        elif args[0] == "replicate" and self._copies is None:
            self._copies = self._only(args[1:4])

    def _of_kokkos(self, args: list[str]) -> None:
        """Note what KOKKOS asks of a script besides its force field (LAMMPS's source, src/KOKKOS)."""
        command, words = args[0], " ".join(" ".join(self._meanings([word])) for word in args[1:]).split()
        if command == "newton":
            self.wants_newton = self.wants_newton or words[:1] == ["on"]
        elif command == "minimize":
            self._minimizes = True
        elif command == "atom_style" and words:
            parts = [word for word in words if re.match(r"[a-z]", word)] if words[0] == "hybrid" else words[:1]
            if not all(Trait.ON_KOKKOS in traits_of("atom", part) for part in parts):
                self._refused[" ".join(args[:2])] = None
        elif command == "min_style" and words and Trait.ON_KOKKOS not in traits_of("min", words[0]):
            self._refused[f"min_style {words[0]}"] = None
        elif command == "neighbor" and len(words) > 1 and words[1] != "bin":
            self._refused[f"neighbor {words[1]}"] = None
        elif command == "run_style" and words and plain_style(words[0]) != "verlet":
            self._refused[f"run_style {words[0]}"] = None

    def refused(self) -> tuple[str, ...]:
        """Commands with which KOKKOS refuses the script; the style of minimizers counts where it minimizes."""
        return tuple(one for one in self._refused if self._minimizes or not one.startswith("min_style"))

    def _follow(self, name: str) -> None:
        if name != "SELF":
            self.file(os.path.normpath(name))

    def _pair_styles(self, words: list[str]) -> list[str]:
        """The pair styles that the words after `pair_style` can name; each word counts, whatever the others hold."""
        found: list[str] = []
        for text in self._meanings(words[:1]):
            first, *within = text.split() or [""]
            if first.startswith("hybrid"):
                rest = " ".join(meant for word in words[1:] for meant in self._meanings([word])).split()
                found += [part for part in (*within, *rest) if re.match(r"[a-z]", part)]
            elif first:
                found.append(first)
        return found

    def _meanings(self, words: list[str]) -> list[str]:
        """The texts that the words, taken together, can stand for; none when only a run tells."""
        return self.values.meanings(" ".join(words)) or []

    def _only(self, words: list[str]) -> str:
        """The one text that the words stand for; empty when there are several or when only a run tells."""
        meant = self._meanings(words)
        return meant[0] if len(meant) == 1 else ""

    def atoms(self) -> int | None:
        """How many atoms the first data file says, times the first `replicate`; None when nothing says."""
        name = (self._data or "").split()[:1]
        atoms = _atoms_in(self.folder / name[0]) if name else None
        copies = ["1"] if self._copies is None else self._copies.split()[:3]
        if atoms is None or not copies or not all(word.isdigit() for word in copies):
            return None
        return atoms * math.prod(map(int, copies))


def _atoms_in(path: Path) -> int | None:
    """The number of atoms in the header of a data file; None when there is none."""
    if not path.is_file():
        return None
    with path.open(errors="replace") as file:
        header = "".join(itertools.islice(file, HEADER_LINES))
    atoms = re.search(r"^\s*(\d+)\s+atoms\b", header, re.MULTILINE)
    return int(atoms[1]) if atoms else None
