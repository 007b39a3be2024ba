"""What every command of a script does to a run that may be resumed: one row a command.

A restart file holds atoms, box and part of the force field; everything else is brought back by issuing commands
again. A row's source is the page of the LAMMPS manual (22Jul2025); `read_restart` is the page that lists what a
restart file holds. A command that has no row is issued again, and the resume says so. To add a command, add a
row in its place of the alphabet. `python -m tools.knowledge` writes docs/commands.md from this table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Effect(enum.Enum):
    """What becomes of a command when the run is resumed."""

    DONE = "done"
    """Never issued again: what it did is in the restart file, or it only wrote or printed."""
    KEPT = "kept"
    """Not in a restart file: issued again; a newer one takes its place."""
    STYLE = "style"
    """The style of a part of the force field: issued again unless the restart file brought it back. The same style
    again keeps its coefficients, another one drops them."""
    TRACKED = "tracked"
    """The journal has a rule of its own for it: it makes, changes or removes something with a name."""
    FLOW = "flow"
    """Decides which line comes next; followed by the interpreter, LAMMPS never sees it."""
    RUN = "run"
    """A stage that can be cut at any step."""
    WHOLE = "whole"
    """A stage that is not cut; the checkpoint before it serves."""
    REFUSED = "refused"
    """A stage that may take long and cannot be cut: it is refused, that is, said to be repeated from its beginning."""


class Trait(enum.Flag):
    """What else is special about a command."""

    NONE = 0
    """Nothing."""
    CUMULATIVE = enum.auto()
    """Several such commands add up (each sets other keywords), so every one is kept."""
    BEFORE_BOX = enum.auto()
    """Issued again before `read_restart`: most of them LAMMPS takes only before the box exists."""
    SURVIVES_CLEAR = enum.auto()
    """What it set outlives `clear`."""
    SETS_FACES = enum.auto()
    """It sets the kinds of the box's faces (periodic, fixed, shrink-wrapped)."""
    SETS_BOX = enum.auto()
    """It sets the box's edges, so that shrink-wrapped faces have new margins."""
    READS_ANY = enum.auto()
    """Any of its words may name a file that it reads."""
    WRITES_ANY = enum.auto()
    """Any of its words may name a file that it writes."""
    REOPENS = enum.auto()
    """It may change a file that a stage has written: what a checkpoint records of it is read before."""
    KEEPS_WRITING = enum.auto()
    """It names files that later stages write: issued again, it needs none of them."""
    ONLY_WRITES = enum.auto()
    """It names files that it writes and none that it reads."""


@dataclass(frozen=True)
class Command:
    """A command of LAMMPS: what becomes of it, what is special, and the page that says so."""

    name: str
    effect: Effect
    traits: Trait
    source: str
    reads: int = 0
    """Which word (the command is word 0) names a file that it reads; 0 for none."""
    writes: int = 0
    """Which word names a file that it writes; 0 for none."""
    clears: tuple[str, ...] = ()
    """Commands whose settings it resets."""


DONE, KEPT, STYLE, TRACKED = Effect.DONE, Effect.KEPT, Effect.STYLE, Effect.TRACKED
FLOW, RUN, WHOLE, REFUSED = Effect.FLOW, Effect.RUN, Effect.WHOLE, Effect.REFUSED
NONE, CUMULATIVE, BEFORE_BOX, SURVIVES_CLEAR = Trait.NONE, Trait.CUMULATIVE, Trait.BEFORE_BOX, Trait.SURVIVES_CLEAR
SETS_FACES, SETS_BOX, READS_ANY, REOPENS = Trait.SETS_FACES, Trait.SETS_BOX, Trait.READS_ANY, Trait.REOPENS
KEEPS_WRITING, ONLY_WRITES, WRITES_ANY = Trait.KEEPS_WRITING, Trait.ONLY_WRITES, Trait.WRITES_ANY

ROWS: tuple[Command, ...] = (
    Command("angle_coeff", KEPT, CUMULATIVE, source="angle_coeff"),
    Command("angle_style", STYLE, NONE, source="read_restart"),
    Command("angle_write", DONE, NONE, source="angle_write"),
    Command("atom_modify", TRACKED, NONE, source="read_restart: id, map and sort; not first (source of write_restart)"),
    Command("atom_style", TRACKED, BEFORE_BOX, source="read_restart: atom style; a template must be known before"),
    Command("balance", TRACKED, NONE, source="balance"),
    Command("bond_coeff", KEPT, CUMULATIVE, source="bond_coeff"),
    Command("bond_style", STYLE, NONE, source="read_restart"),
    Command("bond_write", DONE, NONE, source="bond_write"),
    Command("boundary", DONE, SETS_FACES, source="read_restart: boundary"),
    Command("box", KEPT, BEFORE_BOX, source="Commands_removed: ignored"),
    Command("change_box", DONE, SETS_FACES | SETS_BOX, source="change_box"),
    Command("clear", TRACKED, REOPENS, source="clear"),
    Command("comm_modify", KEPT, CUMULATIVE, source="comm_modify"),
    Command("comm_style", KEPT, NONE, source="comm_style"),
    Command("compute", TRACKED, NONE, source="compute"),
    Command("compute_modify", TRACKED, NONE, source="compute_modify"),
    Command("create_atoms", DONE, NONE, source="create_atoms"),
    Command("create_bonds", DONE, NONE, source="create_bonds"),
    Command("create_box", DONE, SETS_BOX, source="create_box"),
    Command("delete_atoms", DONE, NONE, source="delete_atoms"),
    Command("delete_bonds", DONE, NONE, source="delete_bonds"),
    Command("dielectric", KEPT, NONE, source="dielectric"),
    Command("dihedral_coeff", KEPT, CUMULATIVE, source="dihedral_coeff"),
    Command("dihedral_style", STYLE, NONE, source="read_restart"),
    Command("dihedral_write", DONE, NONE, source="dihedral_write"),
    Command("dimension", KEPT, BEFORE_BOX, source="dimension"),
    Command("displace_atoms", DONE, NONE, source="displace_atoms"),
    Command("dump", TRACKED, REOPENS | KEEPS_WRITING, source="dump", writes=5),
    Command("dump_modify", TRACKED, NONE, source="dump_modify"),
    Command("dynamical_matrix", REFUSED, NONE, source="dynamical_matrix"),
    Command("echo", KEPT, BEFORE_BOX | SURVIVES_CLEAR, source="echo"),
    Command("fitpod", REFUSED, NONE, source="fitpod_command"),
    Command("fix", TRACKED, REOPENS | KEEPS_WRITING, source="fix"),
    Command("fix_modify", TRACKED, NONE, source="fix_modify"),
    Command("group", TRACKED, NONE, source="group: static ones are in a restart file, dynamic ones are issued again"),
    Command("hyper", REFUSED, NONE, source="hyper"),
    Command("if", FLOW, NONE, source="if"),
    Command("improper_coeff", KEPT, CUMULATIVE, source="improper_coeff"),
    Command("improper_style", STYLE, NONE, source="read_restart"),
    Command("include", FLOW, NONE, source="include", reads=1),
    Command("info", DONE, NONE, source="info"),
    Command("jump", FLOW, NONE, source="jump", reads=1),
    Command("kspace_modify", KEPT, CUMULATIVE, source="kspace_modify"),
    Command("kspace_style", KEPT, NONE, source="kspace_style", clears=("kspace_modify",)),
    Command("label", FLOW, NONE, source="label"),
    Command("labelmap", DONE, NONE, source="read_restart: type labels"),
    Command("lattice", KEPT, NONE, source="lattice"),
    Command("log", KEPT, BEFORE_BOX | SURVIVES_CLEAR | REOPENS | ONLY_WRITES, source="log", writes=1),
    Command("mass", DONE, NONE, source="read_restart: per-type masses"),
    Command("min_modify", KEPT, CUMULATIVE, source="min_modify"),
    Command("min_style", KEPT, NONE, source="min_style", clears=("min_modify",)),
    Command("minimize", WHOLE, NONE, source="minimize"),
    Command("minimize/kk", WHOLE, NONE, source="minimize"),
    Command("molecule", TRACKED, NONE, source="molecule", reads=2),
    Command("neb", REFUSED, NONE, source="neb"),
    Command("neb/spin", REFUSED, NONE, source="neb_spin"),
    Command("neigh_modify", KEPT, CUMULATIVE, source="neigh_modify"),
    Command("neighbor", KEPT, NONE, source="neighbor"),
    Command("newton", KEPT, BEFORE_BOX, source="newton"),
    Command("next", FLOW, NONE, source="next"),
    Command("package", KEPT, CUMULATIVE | BEFORE_BOX, source="package"),
    Command("pair_coeff", KEPT, CUMULATIVE, source="pair_coeff"),
    Command("pair_modify", KEPT, CUMULATIVE, source="pair_modify"),
    Command("pair_style", STYLE, NONE, source="read_restart: styles that store themselves"),
    Command("pair_write", DONE, NONE, source="pair_write"),
    Command("plugin", KEPT, CUMULATIVE | BEFORE_BOX, source="plugin"),
    Command("prd", REFUSED, NONE, source="prd"),
    Command("print", DONE, REOPENS, source="print"),
    Command("processors", KEPT, BEFORE_BOX, source="processors"),
    Command("quit", FLOW, NONE, source="quit"),
    Command("read_data", DONE, SETS_BOX, source="read_data", reads=1),
    Command("read_dump", DONE, SETS_BOX, source="read_dump", reads=1),
    Command("read_restart", DONE, SETS_BOX, source="read_restart", reads=1),
    Command("region", TRACKED, NONE, source="region"),
    Command("replicate", DONE, SETS_BOX, source="replicate"),
    Command("rerun", REFUSED, NONE, source="rerun", reads=1),
    Command("reset_atom_ids", DONE, NONE, source="reset_atoms"),
    Command("reset_atoms", DONE, NONE, source="reset_atoms"),
    Command("reset_mol_ids", DONE, NONE, source="reset_atoms"),
    Command("reset_timestep", DONE, NONE, source="reset_timestep"),
    Command("restart", KEPT, CUMULATIVE | KEEPS_WRITING | ONLY_WRITES, source="restart"),
    Command("run", RUN, NONE, source="run"),
    Command("run_style", KEPT, NONE, source="run_style"),
    Command("set", DONE, NONE, source="set"),
    Command("shell", DONE, READS_ANY | WRITES_ANY | REOPENS, source="shell"),
    Command("special_bonds", DONE, NONE, source="read_restart: special_bonds"),
    Command("suffix", KEPT, BEFORE_BOX, source="suffix"),
    Command("tad", REFUSED, NONE, source="tad"),
    Command("temper", REFUSED, NONE, source="temper"),
    Command("temper/grem", REFUSED, NONE, source="temper_grem"),
    Command("temper/npt", REFUSED, NONE, source="temper_npt"),
    Command("thermo", KEPT, NONE, source="thermo"),
    Command("thermo_modify", KEPT, CUMULATIVE, source="thermo_modify"),
    Command("thermo_style", KEPT, NONE, source="thermo_style", clears=("thermo_modify",)),
    Command("third_order", REFUSED, NONE, source="third_order"),
    Command("timer", KEPT, CUMULATIVE, source="timer"),
    Command("timestep", KEPT, NONE, source="timestep"),
    Command("uncompute", TRACKED, NONE, source="uncompute"),
    Command("undump", TRACKED, REOPENS, source="undump"),
    Command("unfix", TRACKED, NONE, source="unfix"),
    Command("units", KEPT, BEFORE_BOX, source="units"),
    Command("variable", TRACKED, SURVIVES_CLEAR | READS_ANY, source="variable"),
    Command("velocity", DONE, NONE, source="velocity"),
    Command("write_coeff", DONE, ONLY_WRITES, source="write_coeff"),
    Command("write_data", DONE, REOPENS | ONLY_WRITES, source="write_data", writes=1),
    Command("write_dump", DONE, REOPENS | ONLY_WRITES, source="write_dump", writes=3),
    Command("write_restart", DONE, REOPENS | ONLY_WRITES, source="write_restart", writes=1),
)
"""Sorted by name."""

COMMANDS: dict[str, Command] = {row.name: row for row in ROWS}


def traits_of(name: str) -> Trait:
    """What is special about a command; of an unknown one nothing is known."""
    row = COMMANDS.get(name)
    return row.traits if row else Trait.NONE
