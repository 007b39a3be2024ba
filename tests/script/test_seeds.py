"""Where the seeds of fixes stand, and that a new one is another, the same each time."""

from __future__ import annotations

import pytest

from lammps_jobs.script import seeds
from lammps_jobs.script.fixes import FIXES

pytestmark = pytest.mark.unit
COMMANDS = {
    "fix 1 all langevin 1.0 1.0 0.1 699483": ["699483"],
    "fix 1 all langevin/kk 1.0 1.0 0.1 699483 zero yes": ["699483"],
    "fix 1 all langevin v_t 1.0 0.1 699483": ["699483"],
    "fix 1 all langevin/drude 300 100 12435 1 20 13977": ["12435", "13977"],
    "fix 1 all brownian 1.0 12908410 gamma_t 1.0": ["12908410"],
    "fix 3 gas deposit 1000 2 100 29494 region slab near 2.0": ["29494"],
    "fix 3 all pour 1000 2 29494 region myblock": ["29494"],
    "fix 2 gas gcmc 10 1000 1000 2 29494 298.0 -0.5 0.01": ["29494"],
    "fix 1 srd srd 10 big 1.0 0.25 482984 shift yes 54979": ["482984"],
    "fix 2 all atom/swap 1 1 29494 300.0 ke no types 1 2": ["29494"],
    "fix 5 all bond/create 10 1 2 0.8 1 prob 0.5 85784 iparam 2 3": ["85784"],
    "fix 5 all bond/create 10 1 2 0.8 1": [],
    "fix 1 solute rigid molecule langevin 1.0 1.0 1.0 428984 reinit no": ["428984"],
    "fix 1 solute rigid/small molecule": [],
    "fix 1 all nve": [],
    "fix 1 all mine 1 2 3 4": [],
    "fix 1 all langevin 1.0 1.0": [],
    "pair_style dpd 1.0 1.0 34387": [],
}


@pytest.mark.parametrize("line", COMMANDS)
def test_seeds_are_found(line):
    words = line.split()
    assert [words[at] for at in seeds.places(words)] == COMMANDS[line]


def test_a_new_seed_depends_on_the_old_one_and_the_step_alone():
    words = ["fix", "1", "all", "langevin", "1.0", "1.0", "0.1", "699483", "zero", "yes"]
    once, again, later = seeds.reseeded(words, 500), seeds.reseeded(words, 500), seeds.reseeded(words, 501)
    assert once == again
    assert len({words[7], once[7], later[7]}) == 3
    assert [*once[:7], *once[8:]] == [*words[:7], *words[8:]]


@pytest.mark.parametrize("step", [0, 1, 10**12])
@pytest.mark.parametrize("seed", [1, 12345, 899_999_999])
def test_a_new_seed_is_one_that_lammps_takes(seed, step):
    assert 0 < seeds.derived(seed, step) <= seeds.LARGEST


def test_only_what_draws_random_numbers_has_seeds():
    assert [fix.name for fix in FIXES if fix.seeds and not fix.why and "langevin" not in str(fix.seeds)] == []
