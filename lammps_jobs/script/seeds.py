"""New seeds for fixes whose random stream a resume cannot carry on.

Given again with its seed, such a fix repeats the noise that it has made before. That correlates what should be
independent, and synchronizes trajectories (Cerutti, Duke, Freddolino, Fan, Lybrand, J. Chem. Theory Comput. 4, 1669
(2008); Sindhikara, Kim, Voter, Roitberg, ibid. 5, 1624 (2009)); a fix deposit puts its particles where they are.
"""

from __future__ import annotations

import zlib

from lammps_jobs.script import fixes

LARGEST = 900_000_000
"""Of a seed of LAMMPS's (page `Fixes`, src/random_mars.cpp)."""


def derived(seed: int, step: int) -> int:
    """Another seed for what goes on at timestep `step`: the same for the same, and positive."""
    return 1 + zlib.crc32(f"{seed} {step}".encode()) % (LARGEST - 1)


def places(words: list[str]) -> list[int]:
    """Which words of a `fix` command are seeds, as far as the table of fixes knows."""
    row = fixes.fix_of(words[3]) if words[0] == "fix" and len(words) > 3 else None
    found = []
    for place in row.seeds if row else ():
        if isinstance(place, int):
            found.append(place)
        else:
            keyword, distance = place
            found += [at + distance for at in range(4, len(words)) if words[at] == keyword]
    return [at for at in found if at < len(words) and words[at].isdecimal() and int(words[at]) > 0]


def reseeded(words: list[str], step: int) -> list[str]:
    """A `fix` command with new seeds."""
    at = places(words)
    return [str(derived(int(word), step)) if number in at else word for number, word in enumerate(words)]
