"""What every fix keeps between two timesteps, and whether a restart file brings it back: one row a fix.

A row's source is the page of the LAMMPS manual (section "Restart, fix_modify, output, run start/stop, minimize
info"), in our words, and where it says so a rehearsal (docs/compatibility.md) or LAMMPS's own source. To add a
fix, add a row in its place of the alphabet. `python -m tools.knowledge` writes docs/fixes.md from this table.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lammps_jobs.record.documents import Grade
from lammps_jobs.script.language import plain_style


class Trait(enum.Flag):
    """What is special about a fix; everything else asks for these, never for names."""

    NONE = 0
    """It acts on the present moment alone."""
    SAVED = enum.auto()
    """It writes its state to a restart file and takes it up again from there."""
    FROM_ATOMS = enum.auto()
    """It writes nothing to a restart file, and derives its state from the atoms again."""
    RANDOM_STREAM = enum.auto()
    """It draws random numbers, and the place in their stream is not in a restart file."""
    PAST = enum.auto()
    """It adds up, or refers to, what was; that is not in a restart file."""
    REFERENCE_AT_SETUP = enum.auto()
    """It takes its reference at its first set-up, writes it to a restart file whether it has one yet or not, and
    believes what it reads there: no checkpoint before that set-up."""
    REDERIVES = enum.auto()
    """A set-up changes its last bits, which shows some 100 to 1000 steps later: a Nose-Hoover thermostat scales the
    temperature it has measured instead of measuring it again (measured, docs/decisions/0004)."""
    PINS_FIXEDPOINT = enum.auto()
    """It dilates about the centre that the box has when the fix is made (keyword fixedpoint); later the centre
    differs by rounding, so the first one is kept."""
    AVERAGES = enum.auto()
    """It samples in windows given as Nevery, Nrepeat, Nfreq (words 5 to 7 of its command); a cut inside an open
    window loses samples."""
    AVE_KEYWORD = enum.auto()
    """Its keyword `ave` may be `running` or `window`: then it averages over its own past."""
    WRITES_AT_SETUP = enum.auto()
    """It may write to its file at a set-up what it has written there before."""
    STORES_VALUES = enum.auto()
    """It stores values at a set-up; those of computes, fixes and variables it takes again after a resume."""
    COUNTS = enum.auto()
    """It inserts so many particles in all (word 5 of its command), and its count is not in a restart file."""
    NEW_BOX_EACH_RUN = enum.auto()
    """It reduces its box again whenever a run begins: true to the last bit between two runs, never cut inside one."""
    HAS_OWN_LIBRARY = enum.auto()
    """A library of its own keeps files and state that cannot be compared: it is cut between two runs only."""
    ORDER_OF_PAIRS = enum.auto()
    """It treats pairs one after the other, and a new process lists them in another order: never cut inside a run."""
    BALANCES = enum.auto()
    """It divides the box among the ranks in another way than a new process does."""


_REASONS = (
    (Trait.RANDOM_STREAM, "its random stream is not in a restart file; the physics goes on, the numbers are others"),
    (Trait.PAST, "what it has added up or taken as its reference so far is not in a restart file"),
    (Trait.FROM_ATOMS, "its bodies or charges are found again from the atoms, equal up to rounding"),
)


Seed = int | tuple[str, int]


@dataclass(frozen=True)
class Fix:
    """A fix style: how true a resume with it is, where it can be cut at all; what is special; who says so."""

    name: str
    grade: Grade
    traits: Trait
    source: str
    seeds: tuple[Seed, ...] = ()
    """Where its seeds stand: words of the whole command, or so many words behind a keyword."""

    @property
    def why(self) -> str:
        """Why a resume is not better, in words; empty for an exact one."""
        return "" if self.grade == "exact" else next(why for trait, why in _REASONS if trait in self.traits)


def fix_of(style: str) -> Fix | None:
    """The row of a fix style, with or without accelerator suffix; None for one that has none."""
    return _BY_NAME.get(plain_style(style))


def traits_of(style: str) -> Trait:
    """What is special about a fix style; of an unknown one the least that is to be feared."""
    row = fix_of(style)
    return row.traits if row else Trait.REDERIVES


EXACT: Grade = "exact"
FAITHFUL: Grade = "faithful"
STATISTICAL: Grade = "statistical"

NONE = Trait.NONE
SAVED = Trait.SAVED
FROM_ATOMS = Trait.FROM_ATOMS
RANDOM_STREAM = Trait.RANDOM_STREAM
PAST = Trait.PAST
REFERENCE_AT_SETUP = Trait.REFERENCE_AT_SETUP
REDERIVES = Trait.REDERIVES
PINS_FIXEDPOINT = Trait.PINS_FIXEDPOINT
AVERAGES = Trait.AVERAGES
AVE_KEYWORD = Trait.AVE_KEYWORD
WRITES_AT_SETUP = Trait.WRITES_AT_SETUP
STORES_VALUES = Trait.STORES_VALUES
COUNTS = Trait.COUNTS
NEW_BOX_EACH_RUN = Trait.NEW_BOX_EACH_RUN
HAS_OWN_LIBRARY = Trait.HAS_OWN_LIBRARY
ORDER_OF_PAIRS = Trait.ORDER_OF_PAIRS
BALANCES = Trait.BALANCES

FIXES: tuple[Fix, ...] = (
    Fix("accelerate/cos", EXACT, NONE, source="fix_accelerate_cos"),
    Fix("acks2/reax", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_acks2_reaxff"),
    Fix("acks2/reaxff", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_acks2_reaxff"),
    Fix("adapt", EXACT, SAVED, source="fix_adapt"),
    Fix("adapt/fep", EXACT, SAVED, source="fix_adapt_fep"),
    Fix("add/heat", EXACT, NONE, source="fix_add_heat"),
    Fix("addforce", EXACT, NONE, source="fix_addforce"),
    Fix("addtorque", EXACT, NONE, source="fix_addtorque"),
    Fix("amoeba/bitorsion", EXACT, SAVED, source="fix_amoeba_bitorsion"),
    Fix("amoeba/pitorsion", EXACT, SAVED, source="fix_amoeba_pitorsion"),
    Fix("append/atoms", STATISTICAL, RANDOM_STREAM, source="fix_append_atoms"),
    Fix("atom/swap", STATISTICAL, RANDOM_STREAM, source="fix_atom_swap", seeds=(6,)),
    Fix("ave/atom", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_atom"),
    Fix("ave/chunk", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_chunk"),
    Fix("ave/correlate", STATISTICAL, PAST | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_correlate"),
    Fix("ave/correlate/long", STATISTICAL, PAST | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_correlate_long"),
    Fix("ave/grid", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_grid"),
    Fix("ave/histo", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_histo"),
    Fix("ave/histo/weight", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_histo"),
    Fix("ave/moments", STATISTICAL, PAST | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_moments"),
    Fix("ave/spatial", STATISTICAL, PAST | AVE_KEYWORD | WRITES_AT_SETUP, source="Commands_removed"),
    Fix("ave/spatial/sphere", STATISTICAL, PAST | AVE_KEYWORD | WRITES_AT_SETUP, source="Commands_removed"),
    Fix("ave/time", EXACT, AVERAGES | AVE_KEYWORD | WRITES_AT_SETUP, source="fix_ave_time"),
    Fix("aveforce", EXACT, NONE, source="fix_aveforce"),
    Fix("balance", EXACT, BALANCES, source="fix_balance"),
    Fix("bocs", EXACT, SAVED, source="fix_bocs"),
    Fix("bond/break", STATISTICAL, RANDOM_STREAM, source="fix_bond_break", seeds=(("prob", 2),)),
    Fix("bond/create", STATISTICAL, RANDOM_STREAM, source="fix_bond_create", seeds=(("prob", 2),)),
    Fix("bond/create/angle", STATISTICAL, RANDOM_STREAM, source="fix_bond_create", seeds=(("prob", 2),)),
    Fix("bond/react", STATISTICAL, RANDOM_STREAM, source="fix_bond_react"),
    Fix("bond/swap", STATISTICAL, RANDOM_STREAM, source="fix_bond_swap", seeds=(7,)),
    Fix("box/relax", STATISTICAL, PAST, source="fix_box_relax"),
    Fix("brownian", STATISTICAL, RANDOM_STREAM, source="fix_brownian", seeds=(5,)),
    Fix("brownian/asphere", STATISTICAL, RANDOM_STREAM, source="fix_brownian", seeds=(5,)),
    Fix("brownian/sphere", STATISTICAL, RANDOM_STREAM, source="fix_brownian", seeds=(5,)),
    Fix("charge/regulation", STATISTICAL, RANDOM_STREAM, source="fix_charge_regulation", seeds=(("seed", 1),)),
    Fix("cmap", EXACT, SAVED, source="fix_cmap"),
    Fix("colvars", STATISTICAL, PAST | HAS_OWN_LIBRARY, source="fix_colvars"),
    Fix("controller", STATISTICAL, PAST, source="fix_controller"),
    Fix("damping/cundall", EXACT, NONE, source="fix_damping_cundall"),
    Fix("deform", EXACT, SAVED, source="fix_deform"),
    Fix("deform/pressure", EXACT, SAVED, source="fix_deform_pressure"),
    Fix("deposit", STATISTICAL, RANDOM_STREAM, source="fix_deposit", seeds=(7,)),
    Fix("dpd/energy", STATISTICAL, RANDOM_STREAM, source="fix_dpd_energy"),
    Fix("drag", EXACT, NONE, source="fix_drag"),
    Fix("drude", EXACT, NONE, source="fix_drude"),
    Fix("drude/transform/direct", EXACT, NONE, source="fix_drude_transform"),
    Fix("drude/transform/inverse", EXACT, NONE, source="fix_drude_transform"),
    Fix("dt/reset", STATISTICAL, PAST, source="fix_dt_reset"),
    Fix("edpd/source", EXACT, NONE, source="fix_dpd_source"),
    Fix("efield", EXACT, NONE, source="fix_efield"),
    Fix("efield/lepton", EXACT, NONE, source="fix_efield_lepton"),
    Fix("efield/tip4p", EXACT, NONE, source="fix_efield"),
    Fix("ehex", EXACT, NONE, source="fix_ehex"),
    Fix("electron/stopping", EXACT, NONE, source="fix_electron_stopping"),
    Fix("electron/stopping/fit", EXACT, NONE, source="fix_electron_stopping"),
    Fix("enforce2d", EXACT, NONE, source="fix_enforce2d"),
    Fix("eos/cv", EXACT, NONE, source="fix_eos_cv"),
    Fix("eos/table", EXACT, NONE, source="fix_eos_table"),
    Fix("eos/table/rx", STATISTICAL, RANDOM_STREAM, source="fix_eos_table_rx"),
    Fix("evaporate", STATISTICAL, RANDOM_STREAM, source="fix_evaporate", seeds=(7,)),
    Fix("ffl", STATISTICAL, RANDOM_STREAM, source="fix_ffl", seeds=(7,)),
    Fix("filter/corotate", EXACT, NONE, source="fix_filter_corotate"),
    Fix("flow/gauss", STATISTICAL, PAST, source="fix_flow_gauss"),
    Fix("freeze", EXACT, NONE, source="fix_freeze"),
    Fix("gcmc", STATISTICAL, RANDOM_STREAM, source="fix_gcmc", seeds=(8,)),
    Fix("gjf", STATISTICAL, RANDOM_STREAM, source="fix_gjf", seeds=(7,)),
    Fix("gld", STATISTICAL, RANDOM_STREAM, source="fix_gld", seeds=(7,)),
    Fix("gle", STATISTICAL, RANDOM_STREAM, source="fix_gle", seeds=(7,)),
    Fix("gravity", EXACT, NONE, source="fix_gravity"),
    Fix("grem", EXACT, NONE, source="fix_grem"),
    Fix("halt", EXACT, NONE, source="fix_halt"),
    Fix("heat", EXACT, NONE, source="fix_heat"),
    Fix("heat/flow", STATISTICAL, RANDOM_STREAM, source="fix_heat_flow"),
    Fix("hmc", STATISTICAL, RANDOM_STREAM, source="fix_hmc"),
    Fix("indent", EXACT, NONE, source="fix_indent"),
    Fix("langevin", STATISTICAL, RANDOM_STREAM, source="fix_langevin", seeds=(7,)),
    Fix("langevin/drude", STATISTICAL, RANDOM_STREAM, source="fix_langevin_drude", seeds=(6, 9)),
    Fix("langevin/eff", STATISTICAL, RANDOM_STREAM, source="fix_langevin_eff", seeds=(7,)),
    Fix("langevin/spin", STATISTICAL, RANDOM_STREAM, source="fix_langevin_spin", seeds=(6,)),
    Fix("lb/pc", STATISTICAL, RANDOM_STREAM, source="fix_lb_fluid; removed, says LAMMPS"),
    Fix("lb/rigid/pc/sphere", STATISTICAL, RANDOM_STREAM, source="fix_lb_fluid; removed, says LAMMPS"),
    Fix("lineforce", EXACT, NONE, source="fix_lineforce"),
    Fix("meso/move", EXACT, SAVED, source="fix_meso_move"),
    Fix("mol/swap", STATISTICAL, RANDOM_STREAM, source="fix_mol_swap", seeds=(8,)),
    Fix("momentum", EXACT, NONE, source="fix_momentum"),
    Fix("momentum/chunk", EXACT, NONE, source="fix_momentum"),
    Fix("move", EXACT, SAVED, source="fix_move"),
    Fix("msst", STATISTICAL, PAST | REFERENCE_AT_SETUP, source="fix_msst; source of its restart"),
    Fix("mvv/dpd", EXACT, NONE, source="fix_mvv_dpd"),
    Fix("mvv/edpd", EXACT, NONE, source="fix_mvv_dpd"),
    Fix("mvv/tdpd", EXACT, NONE, source="fix_mvv_dpd"),
    Fix("neighbor/swap", STATISTICAL, RANDOM_STREAM, source="fix_neighbor_swap", seeds=(6,)),
    Fix("nonaffine/displacement", EXACT, SAVED, source="fix_nonaffine_displacement"),
    Fix("nph", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nh"),
    Fix("nph/asphere", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nph_asphere"),
    Fix("nph/body", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nph_body"),
    Fix("nph/eff", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nh_eff"),
    Fix("nph/sphere", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nph_sphere"),
    Fix("nphug", EXACT, SAVED | REFERENCE_AT_SETUP | REDERIVES, source="fix_nphug; source of its restart"),
    Fix("npt", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nh"),
    Fix("npt/asphere", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_npt_asphere"),
    Fix("npt/body", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_npt_body"),
    Fix("npt/cauchy", STATISTICAL, PAST | REDERIVES | PINS_FIXEDPOINT, source="fix_npt_cauchy"),
    Fix("npt/eff", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_nh_eff"),
    Fix("npt/sphere", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT, source="fix_npt_sphere"),
    Fix("npt/uef", EXACT, SAVED | REDERIVES | PINS_FIXEDPOINT | NEW_BOX_EACH_RUN, source="fix_nh_uef"),
    Fix("numdiff", EXACT, NONE, source="fix_numdiff"),
    Fix("numdiff/virial", EXACT, NONE, source="fix_numdiff_virial"),
    Fix("nve", EXACT, NONE, source="fix_nve"),
    Fix("nve/asphere", EXACT, NONE, source="fix_nve_asphere"),
    Fix("nve/asphere/noforce", EXACT, NONE, source="fix_nve_asphere_noforce"),
    Fix("nve/body", EXACT, NONE, source="fix_nve_body"),
    Fix("nve/bpm/sphere", EXACT, NONE, source="fix_nve_bpm_sphere"),
    Fix("nve/dot", EXACT, NONE, source="fix_nve_dot"),
    Fix("nve/dotc/langevin", STATISTICAL, RANDOM_STREAM, source="fix_nve_dotc_langevin", seeds=(7,)),
    Fix("nve/eff", EXACT, NONE, source="fix_nve_eff"),
    Fix("nve/limit", EXACT, NONE, source="fix_nve_limit"),
    Fix("nve/line", EXACT, NONE, source="fix_nve_line"),
    Fix("nve/noforce", EXACT, NONE, source="fix_nve_noforce"),
    Fix("nve/sphere", EXACT, NONE, source="fix_nve_sphere"),
    Fix("nve/spin", EXACT, NONE, source="fix_nve_spin"),
    Fix("nve/tri", EXACT, NONE, source="fix_nve_tri"),
    Fix("nvk", EXACT, REDERIVES, source="fix_nvk"),
    Fix("nvt", EXACT, SAVED | REDERIVES, source="fix_nh"),
    Fix("nvt/asphere", EXACT, SAVED | REDERIVES, source="fix_nvt_asphere"),
    Fix("nvt/body", EXACT, SAVED | REDERIVES, source="fix_nvt_body"),
    Fix("nvt/eff", EXACT, SAVED | REDERIVES, source="fix_nh_eff"),
    Fix("nvt/sllod", EXACT, SAVED | REDERIVES, source="fix_nvt_sllod"),
    Fix("nvt/sllod/eff", EXACT, SAVED | REDERIVES, source="fix_nvt_sllod_eff"),
    Fix("nvt/sphere", EXACT, SAVED | REDERIVES, source="fix_nvt_sphere"),
    Fix("nvt/uef", EXACT, SAVED | REDERIVES | NEW_BOX_EACH_RUN, source="fix_nh_uef"),
    Fix("oneway", EXACT, NONE, source="fix_oneway"),
    Fix("orient/bcc", STATISTICAL, PAST, source="fix_orient"),
    Fix("orient/eco", STATISTICAL, PAST, source="fix_orient_eco"),
    Fix("orient/fcc", STATISTICAL, PAST, source="fix_orient"),
    Fix("pair", EXACT, NONE, source="fix_pair"),
    Fix("phonon", STATISTICAL, PAST, source="fix_phonon"),
    Fix("pimd", STATISTICAL, PAST, source="fix_pimd"),
    Fix("pimd/langevin", STATISTICAL, RANDOM_STREAM, source="fix_pimd"),
    Fix("pimd/langevin/bosonic", STATISTICAL, RANDOM_STREAM, source="fix_pimd"),
    Fix("pimd/nvt", STATISTICAL, PAST, source="fix_pimd"),
    Fix("pimd/nvt/bosonic", STATISTICAL, PAST, source="fix_pimd"),
    Fix("planeforce", EXACT, NONE, source="fix_planeforce"),
    Fix("poems", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_poems"),
    Fix("pour", STATISTICAL, RANDOM_STREAM | COUNTS, source="fix_pour", seeds=(6,)),
    Fix("precession/spin", STATISTICAL, RANDOM_STREAM, source="fix_precession_spin"),
    Fix("press/berendsen", EXACT, NONE, source="fix_press_berendsen"),
    Fix("press/langevin", STATISTICAL, RANDOM_STREAM, source="fix_press_langevin", seeds=(("temp", 3),)),
    Fix("print", EXACT, WRITES_AT_SETUP, source="fix_print"),
    Fix("propel/self", STATISTICAL, RANDOM_STREAM, source="fix_propel_self"),
    Fix("property/atom", EXACT, SAVED, source="fix_property_atom"),
    Fix(
        "qbmsst",
        STATISTICAL,
        RANDOM_STREAM | REFERENCE_AT_SETUP,
        source="fix_qbmsst; source of its restart",
        seeds=(("seed", 1),),
    ),
    Fix("qeq/comb", STATISTICAL, PAST | REDERIVES, source="fix_qeq_comb"),
    Fix("qeq/ctip", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qeq/dynamic", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qeq/fire", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qeq/point", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qeq/reax", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq_reaxff"),
    Fix("qeq/reaxff", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq_reaxff"),
    Fix("qeq/rel/reaxff", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq_rel_reaxff"),
    Fix("qeq/shielded", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qeq/slater", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_qeq"),
    Fix("qtb", STATISTICAL, RANDOM_STREAM, source="fix_qtb", seeds=(("seed", 1),)),
    Fix("qtpie/reaxff", FAITHFUL, FROM_ATOMS, source="fix_qtpie_reaxff"),
    Fix("rattle", EXACT, REDERIVES, source="fix_shake"),
    Fix("reax/c/bonds", EXACT, WRITES_AT_SETUP, source="fix_reaxff_bonds"),
    Fix("reax/c/species", STATISTICAL, PAST | WRITES_AT_SETUP, source="fix_reaxff_species"),
    Fix("reaxff/bonds", EXACT, WRITES_AT_SETUP, source="fix_reaxff_bonds"),
    Fix("reaxff/species", STATISTICAL, PAST | WRITES_AT_SETUP, source="fix_reaxff_species"),
    Fix("recenter", STATISTICAL, PAST, source="fix_recenter"),
    Fix("restrain", EXACT, NONE, source="fix_restrain"),
    Fix("rhok", EXACT, NONE, source="fix_rhok"),
    Fix(
        "rigid",
        EXACT,
        FROM_ATOMS | REDERIVES,
        source="fix_rigid; rehearsed on 8 scripts, 1 and 2 ranks",
        seeds=(("langevin", 4),),
    ),
    Fix("rigid/meso", FAITHFUL, FROM_ATOMS | REDERIVES, source="fix_rigid_meso", seeds=(("langevin", 4),)),
    Fix("rigid/nph", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix("rigid/nph/small", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix("rigid/npt", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix("rigid/npt/small", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix(
        "rigid/nve",
        EXACT,
        FROM_ATOMS | REDERIVES,
        source="fix_rigid; rehearsed on 8 scripts, 1 and 2 ranks",
        seeds=(("langevin", 4),),
    ),
    Fix(
        "rigid/nve/small",
        EXACT,
        FROM_ATOMS | REDERIVES,
        source="fix_rigid; rehearsed on 8 scripts, 1 and 2 ranks",
        seeds=(("langevin", 4),),
    ),
    Fix("rigid/nvt", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix("rigid/nvt/small", STATISTICAL, PAST | REDERIVES, source="fix_rigid", seeds=(("langevin", 4),)),
    Fix(
        "rigid/small",
        EXACT,
        FROM_ATOMS | REDERIVES,
        source="fix_rigid; rehearsed on 8 scripts, 1 and 2 ranks",
        seeds=(("langevin", 4),),
    ),
    Fix("rx", STATISTICAL, RANDOM_STREAM, source="fix_rx"),
    Fix("saed/vtk", STATISTICAL, PAST, source="fix_saed_vtk"),
    Fix("set", EXACT, NONE, source="fix_set"),
    Fix("setforce", EXACT, NONE, source="fix_setforce"),
    Fix("setforce/spin", EXACT, NONE, source="fix_setforce"),
    Fix("sgcmc", STATISTICAL, RANDOM_STREAM, source="fix_sgcmc", seeds=(("randseed", 1),)),
    Fix("shake", EXACT, REDERIVES, source="fix_shake"),
    Fix("shardlow", STATISTICAL, RANDOM_STREAM | ORDER_OF_PAIRS, source="fix_shardlow"),
    Fix("smd", STATISTICAL, PAST, source="fix_smd"),
    Fix("sph", EXACT, NONE, source="fix_sph"),
    Fix("sph/stationary", EXACT, NONE, source="fix_sph_stationary"),
    Fix("spring", EXACT, NONE, source="fix_spring"),
    Fix("spring/chunk", EXACT, SAVED | REFERENCE_AT_SETUP, source="fix_spring_chunk; source of its restart"),
    Fix("spring/rg", EXACT, SAVED | REFERENCE_AT_SETUP, source="fix_spring_rg; source of its restart"),
    Fix("spring/self", EXACT, SAVED, source="fix_spring_self"),
    Fix("srd", STATISTICAL, RANDOM_STREAM, source="fix_srd", seeds=(8,)),
    Fix("store/force", EXACT, NONE, source="fix_store_force"),
    Fix("store/state", EXACT, SAVED | STORES_VALUES, source="fix_store_state"),
    Fix("tdpd/source", EXACT, NONE, source="fix_dpd_source"),
    Fix("temp/berendsen", EXACT, SAVED, source="fix_temp_berendsen"),
    Fix("temp/csld", EXACT, SAVED, source="fix_temp_csvr"),
    Fix("temp/csvr", EXACT, SAVED, source="fix_temp_csvr"),
    Fix("temp/rescale", EXACT, SAVED, source="fix_temp_rescale"),
    Fix("temp/rescale/eff", EXACT, NONE, source="fix_temp_rescale_eff"),
    Fix("tfmc", STATISTICAL, RANDOM_STREAM, source="fix_tfmc", seeds=(6,)),
    Fix("tgnpt/drude", EXACT, SAVED | REDERIVES, source="fix_tgnh_drude"),
    Fix("tgnvt/drude", EXACT, SAVED | REDERIVES, source="fix_tgnh_drude"),
    Fix("thermal/conductivity", STATISTICAL, PAST, source="fix_thermal_conductivity"),
    Fix("ti/spring", EXACT, SAVED, source="fix_ti_spring"),
    Fix("tmd", STATISTICAL, PAST, source="fix_tmd"),
    Fix("ttm", STATISTICAL, RANDOM_STREAM, source="fix_ttm", seeds=(4,)),
    Fix("ttm/grid", STATISTICAL, RANDOM_STREAM, source="fix_ttm", seeds=(4,)),
    Fix("ttm/mod", STATISTICAL, RANDOM_STREAM, source="fix_ttm", seeds=(4,)),
    Fix("tune/kspace", STATISTICAL, PAST, source="fix_tune_kspace"),
    Fix("vector", STATISTICAL, PAST, source="fix_vector"),
    Fix("viscosity", STATISTICAL, PAST, source="fix_viscosity"),
    Fix("viscous", EXACT, NONE, source="fix_viscous"),
    Fix("viscous/sphere", EXACT, NONE, source="fix_viscous_sphere"),
    Fix("wall/body/polygon", EXACT, NONE, source="fix_wall_body_polygon"),
    Fix("wall/body/polyhedron", EXACT, NONE, source="fix_wall_body_polyhedron"),
    Fix("wall/colloid", EXACT, NONE, source="fix_wall"),
    Fix("wall/ees", EXACT, NONE, source="fix_wall_ees"),
    Fix("wall/flow", STATISTICAL, RANDOM_STREAM, source="fix_wall_flow", seeds=(7,)),
    Fix("wall/gran", EXACT, SAVED, source="fix_wall_gran"),
    Fix("wall/gran/region", EXACT, SAVED, source="fix_wall_gran_region"),
    Fix("wall/harmonic", EXACT, NONE, source="fix_wall"),
    Fix("wall/lepton", EXACT, NONE, source="fix_wall"),
    Fix("wall/lj1043", EXACT, NONE, source="fix_wall"),
    Fix("wall/lj126", EXACT, NONE, source="fix_wall"),
    Fix("wall/lj93", EXACT, NONE, source="fix_wall"),
    Fix("wall/morse", EXACT, NONE, source="fix_wall"),
    Fix("wall/piston", STATISTICAL, PAST, source="fix_wall_piston"),
    Fix("wall/reflect", EXACT, NONE, source="fix_wall_reflect"),
    Fix("wall/reflect/stochastic", STATISTICAL, RANDOM_STREAM, source="fix_wall_reflect_stochastic", seeds=(5,)),
    Fix("wall/region", EXACT, NONE, source="fix_wall_region"),
    Fix("wall/region/ees", EXACT, NONE, source="fix_wall_ees"),
    Fix("wall/srd", STATISTICAL, PAST, source="fix_wall_srd"),
    Fix("wall/table", EXACT, NONE, source="fix_wall"),
    Fix("widom", STATISTICAL, RANDOM_STREAM, source="fix_widom", seeds=(7,)),
)
"""Sorted by name."""

_BY_NAME = {fix.name: fix for fix in FIXES}
