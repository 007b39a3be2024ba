"""The systems that `tools.gpu_check` measures, made here from nothing but a number of atoms."""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "polymer"))
from generate import write_melt

ATOMS = (4_000, 50_000, 500_000)
REAXFF_FIELD = "ffield.reax.cho"


@dataclass(frozen=True)
class System:
    """A force field with the input for it. `write` makes in.SYSTEM in a folder, and says why it cannot (else "")."""

    name: str
    write: Callable[[Path, int], str]
    expected: str
    """What others have measured, with the source."""


def _cells(atoms: int, per_cell: int) -> int:
    return max(1, round(math.cbrt(atoms / per_cell)))


RUN = "thermo {every}\nrun ${{warm}}\nrun ${{steps}}\n"
BEGIN = "variable warm index 100\nvariable steps index 1000\n"


def _lj(folder: Path, atoms: int) -> str:
    n = _cells(atoms, 4)
    (folder / "in.lj").write_text(f"""{BEGIN}units lj
lattice fcc 0.8442
region box block 0 {n} 0 {n} 0 {n}
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify every 20 delay 0 check no
fix 1 all nve
{RUN.format(every=100)}""")
    return ""


def _polymer(folder: Path, atoms: int) -> str:
    with (folder / "melt.data").open("w") as file:
        write_melt(file, max(1, atoms // 100), 100, 0.85, seed=1)
    (folder / "in.polymer").write_text(f"""{BEGIN}units lj
atom_style bond
special_bonds fene
read_data melt.data
pair_style lj/cut 1.122462
pair_modify shift yes
pair_coeff * * 1.0 1.0
bond_style fene
bond_coeff * 30.0 1.5 1.0 1.0
neighbor 0.4 bin
neigh_modify every 1 delay 1
velocity all create 1.0 12345 loop geom
fix push all nve/limit 0.05
run 200
unfix push
fix 1 all nve
fix 2 all langevin 1.0 1.0 10.0 904297
{RUN.format(every=100)}""")
    return ""


def _eam(folder: Path, atoms: int) -> str:
    """A metal by an embedded-atom potential of a simple analytic form, tabulated here (LAMMPS's format funcfl)."""
    points, dr, drho = 500, 4.95 / 500, 5e-4
    radii = [max(1, i) * dr for i in range(points)]
    embed = [-2.0 * math.sqrt(i * drho) for i in range(points)]
    charge = [3.0 * math.exp(-1.5 * r) * (1 - r / 4.95) ** 2 for r in radii]
    density = [0.02 * math.exp(-2.0 * (r - 2.55)) * (1 - r / 4.95) ** 2 for r in radii]
    with (folder / "metal.eam").open("w") as file:
        file.write(f"analytic\n29 63.55 3.615 FCC\n{points} {drho} {points} {dr} 4.95\n")
        file.writelines(f"{value:.16e}\n" for table in (embed, charge, density) for value in table)
    n = _cells(atoms, 4)
    (folder / "in.eam").write_text(f"""{BEGIN}units metal
lattice fcc 3.615
region box block 0 {n} 0 {n} 0 {n}
create_box 1 box
create_atoms 1 box
pair_style eam
pair_coeff 1 1 metal.eam
velocity all create 600.0 376847 loop geom
neighbor 1.0 bin
neigh_modify every 1 delay 5 check yes
timestep 0.001
fix 1 all nve
{RUN.format(every=100)}""")
    return ""


def _water(folder: Path, atoms: int) -> str:
    """Water, three sites, rigid by SHAKE, long-range electrostatics: the costs of a solvated protein."""
    n, spacing, chance = _cells(atoms, 3), 3.104, random.Random(1)
    edge, molecules = n * spacing, n**3
    with (folder / "water.data").open("w") as file:
        file.write(f"water\n\n{3 * molecules} atoms\n2 atom types\n{2 * molecules} bonds\n1 bond types\n"
                   f"{molecules} angles\n1 angle types\n\n" + "".join(f"0 {edge} {x}lo {x}hi\n" for x in "xyz") +
                   "\nMasses\n\n1 15.9994\n2 1.008\n\nAtoms # full\n\n")  # fmt: skip
        for m in range(molecules):
            x, y, z = (spacing * (at + 0.5) for at in (m % n, m // n % n, m // n**2))
            turn = chance.random() * 2 * math.pi
            file.write(f"{3 * m + 1} {m + 1} 1 -0.82 {x:.6f} {y:.6f} {z:.6f}\n")
            for k, angle in ((2, turn), (3, turn + math.radians(109.47))):
                file.write(f"{3 * m + k} {m + 1} 2 0.41 {x + math.cos(angle):.6f} {y + math.sin(angle):.6f} {z:.6f}\n")
        file.write("\nBonds\n\n")
        file.writelines(f"{2 * m + k} 1 {3 * m + 1} {3 * m + 1 + k}\n" for m in range(molecules) for k in (1, 2))
        file.write("\nAngles\n\n")
        file.writelines(f"{m + 1} 1 {3 * m + 2} {3 * m + 1} {3 * m + 3}\n" for m in range(molecules))
    (folder / "in.water").write_text(f"""{BEGIN}units real
atom_style full
read_data water.data
pair_style lj/cut/coul/long 10.0
pair_coeff 1 1 0.1553 3.166
pair_coeff * 2 0.0 1.0
bond_style harmonic
bond_coeff 1 450.0 1.0
angle_style harmonic
angle_coeff 1 55.0 109.47
kspace_style pppm 1.0e-4
neighbor 2.0 bin
neigh_modify delay 5 every 1
timestep 1.0
velocity all create 300.0 4711 loop geom
fix push all nve/limit 0.05
run 200
unfix push
fix rigid all shake 1.0e-4 20 0 b 1 a 1
fix 1 all nvt temp 300.0 300.0 100.0
{RUN.format(every=50)}""")
    return ""


def _reaxff(folder: Path, atoms: int) -> str:
    """A gas of methane and oxygen under high pressure, with the force field for C, H and O that comes with LAMMPS."""
    field = Path(os.environ.get("LAMMPS_POTENTIALS", "")) / REAXFF_FIELD
    if not field.is_file():
        return f"{REAXFF_FIELD} is not in the folder that LAMMPS_POTENTIALS names"
    n, spacing = _cells(atoms, 7), 5.2
    edge, molecules = n * spacing, n**3
    corner = 1.09 / math.sqrt(3)
    around = [(corner * a, corner * b, corner * a * b) for a in (1, -1) for b in (1, -1)]
    with (folder / "gas.data").open("w") as file:
        file.write(f"methane and oxygen\n\n{7 * molecules} atoms\n3 atom types\n\n" +
                   "".join(f"0 {edge} {x}lo {x}hi\n" for x in "xyz") +
                   "\nMasses\n\n1 12.011\n2 1.008\n3 15.999\n\nAtoms # charge\n\n")  # fmt: skip
        number = 0
        for m in range(molecules):
            x, y, z = (spacing * (at + 0.5) for at in (m % n, m // n % n, m // n**2))
            sites = [(1, 0.0, 0.0, 0.0), *((2, *at) for at in around), (3, 2.6, 2.0, 2.6), (3, 2.6, 3.2, 2.6)]
            for kind, dx, dy, dz in sites:
                number += 1
                file.write(f"{number} {kind} 0.0 {x + dx - 1.3:.6f} {y + dy - 1.3:.6f} {z + dz - 1.3:.6f}\n")
    (folder / "in.reaxff").write_text(f"""{BEGIN}units real
atom_style charge
read_data gas.data
pair_style reaxff NULL safezone 3.0 mincap 150
pair_coeff * * {field} C H O
fix charges all qeq/reaxff 1 0.0 10.0 1.0e-6 reaxff
neighbor 2.0 bin
neigh_modify every 10 delay 0 check no
timestep 0.1
velocity all create 300.0 4711 loop geom
fix 1 all nve
{RUN.format(every=50)}""")
    return ""


SYSTEMS = (
    System("lj", _lj, "one H100, KOKKOS: about 7,850 timesteps/s at 50k atoms (logs of arXiv 2508.13523)"),
    System("polymer", _polymer, "none found"),
    System("eam", _eam, "none found for these chips; T4's family, 32k: 1,250 (GPU package), 450 (KOKKOS)"),
    System("water", _water, "none found for this system"),
    System("reaxff", _reaxff, "one H100, KOKKOS: 84.7 timesteps/s at 58k atoms of HNS (logs of arXiv 2508.13523)"),
)
