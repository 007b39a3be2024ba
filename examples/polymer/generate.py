"""Make the starting configuration of a Kremer-Grest melt: random walks in a periodic box.

Chains are random walks with the bond length 0.97 of the model, without looking at overlaps; the
script's push-off takes care of those. Only the standard library is used.

Usage: python generate.py --chains 500 --beads 100 --density 0.85 --seed 1 > melt.data
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from typing import TextIO

BOND = 0.97  # sigma; Kremer and Grest, J. Chem. Phys. 92, 5057 (1990)


def walk(beads: int, side: float, rng: random.Random) -> list[tuple[float, float, float]]:
    """A random walk that does not fold straight back on itself (next-nearest distance over 1.02)."""
    chain = [(rng.random() * side, rng.random() * side, rng.random() * side)]
    while len(chain) < beads:
        z = rng.uniform(-1, 1)
        phi = rng.uniform(0, 2 * math.pi)
        r = math.sqrt(1 - z * z)
        here = chain[-1]
        step = (here[0] + BOND * r * math.cos(phi), here[1] + BOND * r * math.sin(phi), here[2] + BOND * z)
        if len(chain) < 2 or math.dist(step, chain[-2]) > 1.02:
            chain.append(step)
    return chain


def write_melt(out: TextIO, chains: int, beads: int, density: float, seed: int) -> None:
    """Write a LAMMPS data file (atom_style bond) of `chains` x `beads` beads at `density` (sigma^-3)."""
    rng = random.Random(seed)
    side = (chains * beads / density) ** (1 / 3)
    out.write(f"Kremer-Grest melt, {chains} chains of {beads} beads\n\n")
    out.write(f"{chains * beads} atoms\n{chains * (beads - 1)} bonds\n1 atom types\n1 bond types\n\n")
    for axis in "xyz":
        out.write(f"0.0 {side:.10f} {axis}lo {axis}hi\n")
    out.write("\nMasses\n\n1 1.0\n\nAtoms # bond\n\n")
    for chain in range(chains):
        for at, place in enumerate(walk(beads, side, rng)):
            wrapped = [f"{x % side:.8f}" for x in place]
            images = [str(math.floor(x / side)) for x in place]
            number = chain * beads + at + 1
            out.write(f"{number} {chain + 1} 1 {' '.join(wrapped)} {' '.join(images)}\n")
    out.write("\nBonds\n\n")
    bond = 0
    for chain in range(chains):
        for at in range(1, beads):
            bond += 1
            first = chain * beads + at
            out.write(f"{bond} 1 {first} {first + 1}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--chains", type=int, default=500)
    parser.add_argument("--beads", type=int, default=100)
    parser.add_argument("--density", type=float, default=0.85, help="beads per sigma^3")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_melt(sys.stdout, args.chains, args.beads, args.density, args.seed)
