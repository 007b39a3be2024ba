"""Styles of atoms, forces, computes, dumps, minimizers, integrators and variables that are special: one row a style.

A style without a row has no trait. Sources are pages of the LAMMPS manual, or LAMMPS's own source. To add a style,
add a row in its place of the alphabet. `python -m tools.knowledge` writes them into docs/commands.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from lammps_jobs.script.language import plain_style

Kind = Literal["atom", "compute", "dihedral", "dump", "min", "pair", "run", "variable"]


class Trait(enum.Flag):
    """What is special about a style; everything else asks for these, never for names."""

    NONE = 0
    """Nothing."""
    INEXACT_FORCE = enum.auto()
    """Its force uses a random stream or the velocities of the moment."""
    UNRESTORED = enum.auto()
    """It leaves some of its settings out of the restart file: it is issued again after it."""
    KOKKOS_ONLY = enum.auto()
    """KOKKOS has it on GPUs and the GPU package has not (page "Commands pair": letters g and k)."""
    HALF_LIST = enum.auto()
    """KOKKOS needs a half neighbour list with newton on for it, or is faster with one."""
    NEWTON_OFF = enum.auto()
    """KOKKOS needs newton off for it, with whatever lists."""
    ON_KOKKOS = enum.auto()
    """KOKKOS has it; without it, it refuses the whole script (atom_style, min_style)."""
    JOINABLE = enum.auto()
    """Its file is a sequence of frames (dcd: after a header, lammps_jobs/formats/dcd.py), so pieces can be joined; with
    one file a frame any style can be."""
    LIST = enum.auto()
    """LAMMPS leaves the variable as it is when one of that name exists already."""
    NO_BIAS = enum.auto()
    """A temperature without a bias: asking for it changes nothing."""
    ROUNDS_REDUCED = enum.auto()
    """With `units reduced` it rounds positions at every use."""
    RECOMPUTED = enum.auto()
    """What it stored in a restart file is computed again anyway, unless assigned once for all (`ids once`)."""


@dataclass(frozen=True)
class Style:
    """A style of one kind of command: what is special, and who says so."""

    kind: Kind
    name: str
    traits: Trait
    source: str


def traits_of(kind: Kind, style: str) -> Trait:
    """What is special about a style, with or without accelerator suffix."""
    return _BY_NAME.get((kind, plain_style(style)), Trait.NONE)


INEXACT_FORCE, UNRESTORED, KOKKOS_ONLY = Trait.INEXACT_FORCE, Trait.UNRESTORED, Trait.KOKKOS_ONLY
HALF_LIST, JOINABLE, LIST, NO_BIAS = Trait.HALF_LIST, Trait.JOINABLE, Trait.LIST, Trait.NO_BIAS
NEWTON_OFF, ON_KOKKOS = Trait.NEWTON_OFF, Trait.ON_KOKKOS
ROUNDS_REDUCED, RECOMPUTED = Trait.ROUNDS_REDUCED, Trait.RECOMPUTED

STYLES: tuple[Style, ...] = (
    Style("atom", "angle", ON_KOKKOS, source="atom_style"),
    Style("atom", "atomic", ON_KOKKOS, source="atom_style"),
    Style("atom", "bond", ON_KOKKOS, source="atom_style"),
    Style("atom", "charge", ON_KOKKOS, source="atom_style"),
    Style("atom", "dipole", ON_KOKKOS, source="atom_style"),
    Style("atom", "dpd", ON_KOKKOS, source="atom_style"),
    Style("atom", "full", ON_KOKKOS, source="atom_style"),
    Style("atom", "hybrid", ON_KOKKOS, source="atom_style"),
    Style("atom", "molecular", ON_KOKKOS, source="atom_style"),
    Style("atom", "sphere", ON_KOKKOS, source="atom_style"),
    Style("atom", "spin", ON_KOKKOS, source="atom_style"),
    Style("compute", "chunk/atom", ROUNDS_REDUCED | RECOMPUTED, source="compute_chunk_atom"),
    Style("compute", "temp", NO_BIAS, source="compute_temp"),
    Style("dihedral", "charmm", HALF_LIST, source="dihedral_charmm; source of its KOKKOS style"),
    Style("dihedral", "charmmfsw", HALF_LIST, source="dihedral_charmm; source of its KOKKOS style"),
    Style("dump", "atom", JOINABLE, source="dump"),
    Style("dump", "custom", JOINABLE, source="dump"),
    Style("dump", "dcd", JOINABLE, source="dump"),
    Style("dump", "extxyz", JOINABLE, source="dump"),
    Style("dump", "grid", JOINABLE, source="dump"),
    Style("dump", "local", JOINABLE, source="dump"),
    Style("dump", "xtc", JOINABLE, source="dump"),
    Style("dump", "xyz", JOINABLE, source="dump"),
    Style("dump", "yaml", JOINABLE, source="dump"),
    Style("min", "cg", ON_KOKKOS, source="min_style"),
    Style("pair", "brownian", INEXACT_FORCE, source="pair_brownian"),
    Style("pair", "brownian/poly", INEXACT_FORCE, source="pair_brownian"),
    Style("pair", "dpd", INEXACT_FORCE | HALF_LIST, source="pair_dpd"),
    Style("pair", "dpd/charged", INEXACT_FORCE, source="pair_dpd_coul_slater_long"),
    Style("pair", "dpd/coul/slater/long", INEXACT_FORCE, source="pair_dpd_coul_slater_long"),
    Style("pair", "dpd/ext", INEXACT_FORCE | HALF_LIST, source="pair_dpd_ext"),
    Style("pair", "dpd/ext/tstat", INEXACT_FORCE | HALF_LIST, source="pair_dpd_ext"),
    Style("pair", "dpd/fdt", INEXACT_FORCE, source="pair_dpd_fdt"),
    Style("pair", "dpd/fdt/energy", INEXACT_FORCE, source="pair_dpd_fdt"),
    Style("pair", "dpd/tstat", INEXACT_FORCE | HALF_LIST, source="pair_dpd"),
    Style("pair", "edpd", INEXACT_FORCE, source="pair_mesodpd"),
    Style("pair", "eff/cut", UNRESTORED, source="pair_eff; source of its restart"),
    Style("pair", "gran/hertz/history", INEXACT_FORCE, source="pair_gran"),
    Style("pair", "gran/hooke", INEXACT_FORCE, source="pair_gran"),
    Style("pair", "gran/hooke/history", INEXACT_FORCE | HALF_LIST | NEWTON_OFF, source="pair_gran"),
    Style("pair", "granular", INEXACT_FORCE | UNRESTORED, source="pair_granular; source of its restart"),
    Style("pair", "lubricate", INEXACT_FORCE, source="pair_lubricate"),
    Style("pair", "lubricate/poly", INEXACT_FORCE, source="pair_lubricate"),
    Style("pair", "lubricateU", INEXACT_FORCE, source="pair_lubricateU"),
    Style("pair", "lubricateU/poly", INEXACT_FORCE, source="pair_lubricateU"),
    Style("pair", "mdpd", INEXACT_FORCE, source="pair_mesodpd"),
    Style("pair", "mdpd/rhosum", INEXACT_FORCE, source="pair_mesodpd"),
    Style("pair", "meam", KOKKOS_ONLY | HALF_LIST, source="pair_meam"),
    Style("pair", "meam/ms", KOKKOS_ONLY | HALF_LIST, source="pair_meam"),
    Style("pair", "mliap", KOKKOS_ONLY | HALF_LIST, source="pair_mliap"),
    Style("pair", "pace", KOKKOS_ONLY | HALF_LIST, source="pair_pace"),
    Style("pair", "pace/extrapolation", KOKKOS_ONLY | HALF_LIST, source="pair_pace"),
    Style("pair", "pod", KOKKOS_ONLY | HALF_LIST, source="pair_pod"),
    Style("pair", "reaxff", KOKKOS_ONLY | HALF_LIST, source="pair_reaxff"),
    Style("pair", "sdpd/taitwater/isothermal", INEXACT_FORCE, source="pair_sdpd_taitwater_isothermal"),
    Style("pair", "snap", KOKKOS_ONLY | HALF_LIST, source="pair_snap"),
    Style("pair", "sw", HALF_LIST, source="pair_sw"),
    Style("pair", "sw/angle/table", HALF_LIST, source="pair_sw_angle_table"),
    Style("pair", "sw/mod", HALF_LIST, source="pair_sw"),
    Style("pair", "tdpd", INEXACT_FORCE, source="pair_mesodpd"),
    Style("pair", "tersoff", HALF_LIST, source="pair_tersoff"),
    Style("pair", "tersoff/mod", HALF_LIST, source="pair_tersoff_mod"),
    Style("pair", "tersoff/mod/c", HALF_LIST, source="pair_tersoff_mod"),
    Style("pair", "tersoff/table", HALF_LIST, source="pair_tersoff"),
    Style("pair", "tersoff/zbl", HALF_LIST, source="pair_tersoff_zbl"),
    Style("pair", "tracker", UNRESTORED, source="pair_tracker; makes a fix of its own"),
    Style("pair", "uf3", KOKKOS_ONLY | HALF_LIST, source="pair_uf3"),
    Style("pair", "vashishta", HALF_LIST, source="pair_vashishta"),
    Style("pair", "vashishta/table", HALF_LIST, source="pair_vashishta"),
    Style("variable", "atomfile", LIST, source="variable"),
    Style("variable", "file", LIST, source="variable"),
    Style("variable", "index", LIST, source="variable"),
    Style("variable", "loop", LIST, source="variable"),
    Style("variable", "uloop", LIST, source="variable"),
    Style("variable", "universe", LIST, source="variable"),
    Style("variable", "world", LIST, source="variable"),
)
"""Sorted by kind and name."""

_BY_NAME = {(style.kind, style.name): style.traits for style in STYLES}
