"""What a command's effect is and where it is kept: one table, read by the journal.

`RESTART`: a restart file brings it back, so it must not be issued again.
`ATOMS`: it changed atoms, box or timestep once; the effect is in the restart file.
`KEEP`: not in a restart file; issue it again. `clears` names the commands whose settings it resets.
`ONCE`: it only writes or prints; it must not be repeated.
Sources are pages of the LAMMPS manual (22Jul2025); "read_restart" is the page that lists what a
restart file holds. A command that is not in the table is issued again and the resume says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["RESTART", "ATOMS", "KEEP", "ONCE", "BOX", "RUN", "FLOW", "OBJECT", "STYLE", "COEFF", "UNCUT"]


@dataclass(frozen=True)
class Row:
    effect: Effect
    source: str
    clears: tuple[str, ...] = ()
    cumulative: bool = False
    """Several such commands add up (each sets other keywords), so every one is kept."""


COMMANDS: dict[str, Row] = {
    # the box and what is in it
    "create_box": Row("BOX", "create_box"),
    "read_data": Row("BOX", "read_data"),
    "read_restart": Row("BOX", "read_restart"),
    "create_atoms": Row("ATOMS", "create_atoms"),
    "create_bonds": Row("ATOMS", "create_bonds"),
    "delete_atoms": Row("ATOMS", "delete_atoms"),
    "delete_bonds": Row("ATOMS", "delete_bonds"),
    "displace_atoms": Row("ATOMS", "displace_atoms"),
    "change_box": Row("ATOMS", "change_box"),
    "replicate": Row("ATOMS", "replicate"),
    "set": Row("ATOMS", "set"),
    "velocity": Row("ATOMS", "velocity"),
    "read_dump": Row("ATOMS", "read_dump"),
    "reset_atoms": Row("ATOMS", "reset_atoms"),
    "reset_atom_ids": Row("ATOMS", "reset_atoms"),
    "reset_mol_ids": Row("ATOMS", "reset_atoms"),
    "reset_timestep": Row("ATOMS", "reset_timestep"),
    "balance": Row("ATOMS", "balance"),
    "mass": Row("RESTART", "read_restart: per-type masses"),
    "labelmap": Row("RESTART", "read_restart: type labels"),
    "group": Row("OBJECT", "group: static ones are in a restart file, dynamic ones are issued again"),
    # before the box
    "units": Row("KEEP", "units"),
    "dimension": Row("KEEP", "dimension"),
    "boundary": Row("RESTART", "read_restart: boundary"),
    "atom_style": Row("RESTART", "read_restart: atom style"),
    "atom_modify": Row("RESTART", "read_restart: id, map and sort; not first (source of write_restart)"),
    "box": Row("KEEP", "box"),
    "newton": Row("KEEP", "newton"),
    "processors": Row("KEEP", "processors"),
    "package": Row("KEEP", "package", cumulative=True),
    "suffix": Row("KEEP", "suffix"),
    "plugin": Row("KEEP", "plugin", cumulative=True),
    "lattice": Row("KEEP", "lattice"),
    # force field
    "pair_style": Row("STYLE", "read_restart: styles that store themselves"),
    "bond_style": Row("STYLE", "read_restart"),
    "angle_style": Row("STYLE", "read_restart"),
    "dihedral_style": Row("STYLE", "read_restart"),
    "improper_style": Row("STYLE", "read_restart"),
    "pair_coeff": Row("COEFF", "pair_coeff", cumulative=True),
    "bond_coeff": Row("COEFF", "bond_coeff", cumulative=True),
    "angle_coeff": Row("COEFF", "angle_coeff", cumulative=True),
    "dihedral_coeff": Row("COEFF", "dihedral_coeff", cumulative=True),
    "improper_coeff": Row("COEFF", "improper_coeff", cumulative=True),
    "pair_modify": Row("COEFF", "pair_modify", cumulative=True),
    "angle_write": Row("ONCE", "angle_write"),
    "bond_write": Row("ONCE", "bond_write"),
    "dihedral_write": Row("ONCE", "dihedral_write"),
    "pair_write": Row("ONCE", "pair_write"),
    "special_bonds": Row("RESTART", "read_restart: special_bonds"),
    "kspace_style": Row("KEEP", "kspace_style", clears=("kspace_modify",)),
    "kspace_modify": Row("KEEP", "kspace_modify", cumulative=True),
    "dielectric": Row("KEEP", "dielectric"),
    # how it is run
    "timestep": Row("KEEP", "timestep"),
    "neighbor": Row("KEEP", "neighbor"),
    "neigh_modify": Row("KEEP", "neigh_modify", cumulative=True),
    "comm_style": Row("KEEP", "comm_style"),
    "comm_modify": Row("KEEP", "comm_modify", cumulative=True),
    "run_style": Row("KEEP", "run_style"),
    "min_style": Row("KEEP", "min_style", clears=("min_modify",)),
    "min_modify": Row("KEEP", "min_modify", cumulative=True),
    "timer": Row("KEEP", "timer", cumulative=True),
    # output
    "thermo": Row("KEEP", "thermo"),
    "thermo_style": Row("KEEP", "thermo_style", clears=("thermo_modify",)),
    "thermo_modify": Row("KEEP", "thermo_modify", cumulative=True),
    "restart": Row("KEEP", "restart", cumulative=True),
    "echo": Row("KEEP", "echo"),
    "log": Row("KEEP", "log"),
    "info": Row("ONCE", "info"),
    "print": Row("ONCE", "print"),
    "write_coeff": Row("ONCE", "write_coeff"),
    "write_data": Row("ONCE", "write_data"),
    "write_dump": Row("ONCE", "write_dump"),
    "write_restart": Row("ONCE", "write_restart"),
    "shell": Row("ONCE", "shell"),
    # things with an ID
    "fix": Row("OBJECT", "fix"),
    "fix_modify": Row("OBJECT", "fix_modify"),
    "unfix": Row("OBJECT", "unfix"),
    "compute": Row("OBJECT", "compute"),
    "compute_modify": Row("OBJECT", "compute_modify"),
    "uncompute": Row("OBJECT", "uncompute"),
    "dump": Row("OBJECT", "dump"),
    "dump_modify": Row("OBJECT", "dump_modify"),
    "undump": Row("OBJECT", "undump"),
    "region": Row("OBJECT", "region"),
    "molecule": Row("OBJECT", "molecule"),
    "variable": Row("OBJECT", "variable"),
    # running
    "run": Row("RUN", "run"),
    "minimize": Row("RUN", "minimize"),
    "minimize/kk": Row("RUN", "minimize"),
    "clear": Row("OBJECT", "clear"),
    # flow, worked off by ourselves
    **{name: Row("FLOW", name) for name in ("include", "jump", "label", "next", "if", "quit")},
    # one indivisible piece
    **{
        name: Row("UNCUT", name)
        for name in (
            "dynamical_matrix",
            "fitpod",
            "hyper",
            "neb",
            "neb/spin",
            "prd",
            "rerun",
            "tad",
            "temper",
            "temper/grem",
            "temper/npt",
            "third_order",
        )
    },
}

BEFORE_BOX: frozenset[str] = frozenset(
    {"units", "dimension", "box", "newton", "processors", "package", "suffix", "plugin", "log", "echo"}
)
"""Commands to issue again before `read_restart`: most of them LAMMPS takes only before the box exists."""

RANDOM_PAIRS: tuple[str, ...] = ("dpd", "edpd", "mdpd", "sdpd", "tdpd", "lubricate", "brownian", "granular", "gran/")
"""Pair styles whose force uses a random stream or the velocities of the moment (their pages say so)."""

UNRESTORED_STYLES: frozenset[str] = frozenset({"eff/cut"})
"""Styles that leave some of their settings out of the restart file (source): they are issued again after it."""

JOINABLE_DUMPS: frozenset[str] = frozenset({"atom", "custom", "xyz", "extxyz", "local", "yaml", "grid", "xtc", "dcd"})
"""Dump styles whose file is a sequence of frames (dcd: after a header, lammps_jobs/dcd.py); any style is fine
with one file per frame."""
