"""What every fix keeps between two timesteps, and whether a restart file brings it back.

From the pages of the LAMMPS manual (section "Restart, fix_modify, output, run start/stop, minimize info"),
in our words, and from rehearsals (docs/compatibility.md). A fix that no group names is taken as untested.
"""

from __future__ import annotations

from dataclasses import dataclass

from lammps_jobs.record.documents import Grade


@dataclass(frozen=True)
class Group:
    """Fix styles of one kind: how true a resume with them is, why it is not better, and where that is said."""

    grade: Grade
    why: str
    source: str
    names: frozenset[str]


def _group(grade: Grade, why: str, source: str, names: str) -> Group:
    return Group(grade, why, source, frozenset(names.split()))


GROUPS: tuple[Group, ...] = (
    _group(
        "exact",
        "",
        "their pages: nothing is written to a restart file; they act on the moment alone",
        """
        nve nve/limit nve/sphere nve/asphere nve/asphere/noforce nve/noforce nve/body nve/line nve/tri nve/eff
        nve/bpm/sphere nve/dot nve/spin nvk
        addforce addtorque aveforce setforce setforce/spin efield efield/tip4p efield/lepton enforce2d freeze gravity
        indent drag lineforce planeforce momentum momentum/chunk spring viscous viscous/sphere damping/cundall heat
        ehex add/heat accelerate/cos oneway rhok numdiff numdiff/virial sph sph/stationary store/force balance
        temp/rescale/eff electron/stopping electron/stopping/fit restrain press/berendsen
        wall/lj93 wall/lj126 wall/lj1043 wall/colloid wall/harmonic wall/lepton wall/morse wall/table wall/reflect
        wall/region wall/ees wall/region/ees wall/body/polygon wall/body/polyhedron
        shake rattle filter/corotate drude drude/transform/direct drude/transform/inverse
        mvv/dpd mvv/edpd mvv/tdpd edpd/source tdpd/source eos/cv eos/table grem pair set""",
    ),
    _group(
        "exact",
        "",
        "their pages: written to a restart file",
        """
        nvt npt nph nvt/sphere npt/sphere nph/sphere nvt/asphere npt/asphere nph/asphere nvt/body npt/body nph/body
        nvt/eff npt/eff nph/eff nvt/sllod nvt/sllod/eff nvt/uef npt/uef tgnvt/drude tgnpt/drude
        adapt adapt/fep deform deform/pressure move meso/move property/atom store/state cmap amoeba/bitorsion
        amoeba/pitorsion spring/self spring/chunk spring/rg ti/spring temp/rescale temp/berendsen
        temp/csvr temp/csld nonaffine/displacement bocs nphug wall/gran wall/gran/region""",
    ),
    _group(
        "exact",
        "",
        "fix_rigid: nothing is written, all is derived from the atoms; rehearsed on 8 scripts, 1 and 2 ranks",
        "rigid rigid/nve rigid/small rigid/nve/small",
    ),
    _group(
        "exact",
        "",
        "pages of the averaging and printing fixes; open windows are looked at for every cut",
        """
        ave/time ave/chunk ave/histo ave/histo/weight ave/atom ave/grid print halt reaxff/bonds reax/c/bonds""",
    ),
    _group(
        "faithful",
        "its bodies or charges are found again from the atoms, equal up to rounding",
        "pages: nothing is written to a restart file, all of it can be derived from the atoms",
        """
        rigid/meso poems
        qeq/point qeq/shielded qeq/slater qeq/ctip qeq/dynamic qeq/fire qeq/reaxff qeq/reax qeq/rel/reaxff
        qtpie/reaxff acks2/reaxff acks2/reax""",
    ),
    _group(
        "statistical",
        "its random stream is not in a restart file; the physics goes on, the numbers are others",
        "pages: no exact restart because the state of the random generator is not saved",
        """
        langevin langevin/eff langevin/spin langevin/drude gjf gld gle ffl brownian brownian/sphere brownian/asphere
        nve/dotc/langevin hmc srd ttm ttm/grid ttm/mod qbmsst qtb dpd/energy shardlow pimd/langevin propel/self
        pimd/langevin/bosonic press/langevin bond/break bond/create bond/create/angle bond/swap sgcmc tfmc
        wall/reflect/stochastic wall/flow pour precession/spin evaporate append/atoms neighbor/swap bond/react
        gcmc widom atom/swap mol/swap charge/regulation deposit heat/flow lb/pc lb/rigid/pc/sphere rx eos/table/rx""",
    ),
    _group(
        "statistical",
        "what it has added up or taken as its reference so far is not in a restart file",
        "pages: nothing is written to a restart file, and the fix refers to its own past",
        """
        ave/correlate ave/correlate/long ave/moments vector recenter controller tmd thermal/conductivity viscosity
        dt/reset orient/fcc orient/bcc orient/eco wall/piston flow/gauss phonon reaxff/species reax/c/species saed/vtk
        rigid/nvt rigid/npt rigid/nph rigid/nvt/small rigid/npt/small rigid/nph/small msst smd tune/kspace
        ave/spatial ave/spatial/sphere qeq/comb pimd pimd/nvt pimd/nvt/bosonic colvars wall/srd box/relax npt/cauchy""",
    ),
)

UNTESTED = Group("statistical", "how it goes on after a resume has not been tested", "", frozenset())
RUNNING = Group("statistical", "its running average starts anew", "fix_ave_time: keyword ave", frozenset())
STORING = Group("statistical", "it takes its values anew at the first set-up after a resume",
                "fix_store_state: values of computes, fixes and variables; source: firstflag", frozenset())  # fmt: skip

REFERRING_FIXES = frozenset({"msst", "qbmsst", "nphug", "spring/rg", "spring/chunk"})
"""Fixes that take their reference at their first set-up, write it to a restart file whether they have one yet or
not, and believe what they read there (source of `restart` in each): no checkpoint before that set-up."""

DERIVING_FIXES: tuple[str, ...] = (
    "nvt",
    "npt",
    "nph",
    "tgn",
    "rigid",
    "poems",
    "shake",
    "rattle",
    "qeq",
    "acks2",
    "nvk",
)
"""Fixes (beginnings of their names) that derive something anew when they are set up.

A Nose-Hoover thermostat scales the temperature it has measured instead of measuring it again: a new set-up
differs in the last bit, which shows some 100 to 1000 steps later (measured, docs/decisions/0004).
"""

_BY_NAME = {name: group for group in GROUPS for name in group.names}


def of_fix(style: str, words: list[str]) -> Group:
    """What is known of a fix of that style (without accelerator suffix); `words` is its whole command."""
    if style.startswith("ave/") and "ave" in words[7:-1] and words[words.index("ave", 7) + 1] in ("running", "window"):
        return RUNNING
    if "langevin" in words[4:]:
        return _BY_NAME["langevin"]
    if style == "store/state" and any(word[:2] in ("c_", "f_", "v_", "d_", "i_") for word in words[5:]):
        return STORING
    return _BY_NAME.get(style, UNTESTED)
