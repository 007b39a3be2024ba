"""The journal: what is issued again after a script's commands, in what order, and before or after the box."""

from __future__ import annotations

import pytest

from lammps_jobs.protocol.engine_state import JournalState
from lammps_jobs.script import commands, journal
from lammps_jobs.script.journal import Journal, Sort


def recorded(*lines: str) -> Journal:
    made = Journal()
    for line in lines:
        made.record(line.split(), line)
    return made


def texts(made: Journal) -> list[str]:
    return [entry.text for entry in made.entries]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["timestep 1", "timestep 2"], ["timestep 2"]),
        (["mass 1 1.0", "create_atoms 1 box", "print x", "boundary p p p"], []),
        (["pair_coeff 1 1 1", "pair_coeff 2 2 1", "pair_coeff 1 1 1"], ["pair_coeff 2 2 1", "pair_coeff 1 1 1"]),
        (["kspace_style pppm 1", "kspace_modify order 5", "kspace_style ewald 1"], ["kspace_style ewald 1"]),
        (["pair_style lj/cut 2", "pair_coeff 1 1 1", "pair_style lj/cut 3"],
         ["pair_style lj/cut 3", "pair_coeff 1 1 1"]),
        (["pair_style lj/cut 2", "pair_coeff 1 1 1", "pair_style morse 2"], ["pair_style morse 2"]),
        (["pair_style hybrid a b", "pair_coeff 1 1 a", "pair_style hybrid a b"], ["pair_style hybrid a b"]),
        (["fix 1 all nve", "fix_modify 1 energy yes", "unfix 1"], []),
        (["fix 1 all nve", "fix 2 all nvt 1", "fix 1 all nve x"], ["fix 1 all nve x", "fix 2 all nvt 1"]),
        (["fix 1 all nve", "fix_modify 1 energy yes", "fix 1 all nph"], ["fix 1 all nph"]),
        (["fix 1 all nve", "fix_modify 1 energy yes", "fix 2 all recenter 0 0 0", "fix 1 all nve"],
         ["fix 1 all nve", "fix 2 all recenter 0 0 0"]),
        (["compute a all temp", "compute_modify a extra 1", "uncompute a"], []),
        (["dump 1 all atom 1 f", "dump_modify 1 sort id", "undump 1"], []),
        (["variable x index 1 2", "variable x index 3"], ["variable x index 1 2"]),
        (["variable x equal 1", "variable x equal 2"], ["variable x equal 2"]),
        (["variable x equal 1", "variable x delete"], []),
        (["group a type 1", "group b dynamic a every 1"], ["group b dynamic a every 1"]),
        (["group b dynamic a every 1", "group b static"], []),
        (["variable x equal 1", "log a", "fix 1 all nve", "units lj", "made_up 1", "clear"],
         ["variable x equal 1", "log a"]),
        (["thermo_modify temp t lost ignore", "thermo_style custom step press"],
         ["thermo_modify temp t", "thermo_style custom step press"]),
        (["region r block 0 1", "region r delete"], []),
    ],
)  # fmt: skip
def test_what_is_left_to_issue_again(lines, left):
    assert texts(recorded(*lines)) == left


def test_region_made_again_keeps_its_place_before_what_names_it():
    made = recorded("region r block 0 1 0 1 0 1", "region unused block 0 1 0 1 0 1",
                    "fix w all wall/region r lj93 1 1 1", "region r delete", "region unused delete",
                    "variable v equal step", "region r block 0 1 0 1 0 1 move v_v NULL NULL")  # fmt: skip
    assert [(entry.command, entry.words[1]) for entry in made.entries] == [
        ("variable", "v"), ("region", "r"), ("fix", "w")]  # fmt: skip
    assert "move" in made.entries[1].text


def test_atoms_sorting_and_first_group_are_kept():
    made = recorded("atom_modify map array sort 500 2.0", "atom_modify first big", "atom_modify first small")
    assert (made.sort, texts(made)) == (Sort(500, "2.0"), ["atom_modify first small"])


def test_what_comes_before_the_box_and_what_after_it():
    made = recorded("units lj", "fix 1 all nve", "newton off", "timestep 1", "made_up 1")
    assert [e.command for e in made.before_box()] == ["units", "newton"]
    assert [e.command for e in made.after_box()] == ["fix", "timestep", "made_up"]


def test_lists_that_moved_on_are_moved_on_again():
    made = recorded("variable i loop 3", "variable j loop 2")
    made.next(["i", "j"], exhausted={"j"})
    assert [(e.key, e.nexts) for e in made.entries] == [("i", 1)]


def test_journal_comes_back_from_the_engines_stored_state():
    made = recorded("fix 1 all nve", "made_up 1", "balance 1.1 shift x 5 1.1", "atom_modify sort 10 1.0")
    made.use()
    stored = JournalState.model_validate(made.to_json())
    assert Journal.from_json(stored.model_dump(mode="json")) == made


def test_files_of_averages_that_hold_the_latest_only():
    made = recorded("fix a all ave/time 1 5 100 v_x file a.txt", "fix o all ave/time 2 1 10 v_x file ./o.txt overwrite")
    assert made.rewritten() == {"o.txt"}


def test_only_dumps_without_a_frame_are_new():
    made = recorded("dump 1 all atom 1 f")
    made.use()
    made.record(["dump", "2", "all", "atom", "1", "g"], "dump 2")
    made.record(["dump_modify", "2", "sort", "id"], "dump_modify 2")
    assert [e.text for e in made.new_dumps()] == ["dump 2", "dump_modify 2"]


def test_every_tracked_command_has_a_rule_and_no_other():
    tracked = {row.name for row in commands.ROWS if row.effect is commands.Effect.TRACKED}
    assert set(journal._RULES) == tracked


def test_template_of_an_atom_style_is_known_before_the_box():
    made = recorded(
        "molecule water h2o.mol", "molecule gas co2.mol", "atom_style hybrid template water charge", "mass 1 1"
    )
    assert [entry.text for entry in made.before_box()] == [
        "molecule water h2o.mol", "atom_style hybrid template water charge"
    ]  # fmt: skip
    assert [entry.text for entry in made.after_box()] == ["molecule gas co2.mol"]
    assert not recorded("atom_style full").entries
