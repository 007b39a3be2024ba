"""One real LAMMPS, cut inside a run: what a new one holds after its state was given back, or one piece of it damaged.

`python -m tests.engine.memory.carrying FOLDER cut|resume [DAMAGE]` in a folder with `script` and `again`: the commands
up to the run, and those to issue after read_restart. Prints JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from pathlib import Path

import numpy as np

from lammps_jobs.engine.communicator import Communicator
from lammps_jobs.engine.memory import atoms, process, state
from lammps_jobs.engine.memory.graph import Graph, Kind
from lammps_jobs.engine.memory.inner_loop import InnerLoop
from lammps_jobs.engine.memory.last_build import LastBuild
from lammps_jobs.engine.memory.own_thread import open_lammps

STEPS, CUT_AT = 300, 123
"""The cut lies between two rebuilds of the neighbour lists."""
MANY = 60
LEFTOVERS = 1 << 44
"""From here on a word may be an address that malloc left in memory: which is no state."""


def main(folder: Path, mode: str, damage: str) -> None:
    os.chdir(folder)
    Communicator(1)
    lmp = open_lammps(["-screen", "none", "-log", "none", "-echo", "none"])
    if mode == "cut":
        lmp.commands_string(Path("script").read_text())
        cut(lmp)
    else:
        lmp.commands_string(Path("again").read_text())
        resume(lmp, damage)
    os._exit(0)


def cut(lmp) -> None:
    loop = InnerLoop(lmp)
    loop.open(lambda: lmp.command(f"run {STEPS}"))
    loop.advance(CUT_AT)
    with loop.between_runs():
        lmp.command("write_restart restart noinit")
    LastBuild.take(lmp).save(Path("lists"))
    state.take(lmp).save(Path("memory"))
    atoms.Atoms.take(lmp).save(Path("atoms"))
    Path("step").write_text(str(loop.step))
    loop.advance(STEPS - loop.step)
    print(json.dumps({"end": end(lmp)}))


def resume(lmp, damage: str) -> None:
    step = int(Path("step").read_text())
    loop = InnerLoop(lmp)
    lists = LastBuild.load(Path("lists"))
    if damage == "lists":
        lists.x[0, 0] += 1e-3
    lists.lay(lmp)
    lmp.command("atom_modify sort 1000 1e30")
    loop.open(lambda: lmp.command(f"run {STEPS - step} start 0 stop {STEPS}"))
    lists.count(lmp)
    unlike = ["lists"] * LastBuild.load(Path("lists")).differs(lmp)
    stored, graph = atoms.Atoms.load(Path("atoms")), Graph.load(Path("memory"))
    assert stored.place(lmp) == "same"
    stored.write(lmp)
    repaired = state.give_back(lmp, graph)
    if damage.startswith("many"):
        print(json.dumps({"unnoticed": unnoticed(lmp, graph, int(damage[4:]))}))
        return
    if damage and damage != "lists":
        hurt(lmp, damage, graph, stored)
    differing = sorted({*unlike, *state.prove(lmp, graph).differing, *stored.differing(lmp)})
    said = {"repaired": sorted(repaired.changed), "differing": differing}
    if not damage:
        loop.advance(STEPS - step)
        said["end"] = end(lmp)
    print(json.dumps(said))


def hurt(lmp, damage: str, graph: Graph, stored: atoms.Atoms) -> None:
    """Change one bit of a per-atom array (`x`), or of a number in an object (`fix 2`)."""
    if damage in stored.arrays:
        stored.arrays[damage].view(np.uint8).reshape(-1)[0] ^= 1
        return
    named, carried = state.named_objects(lmp)
    present = state._walk(lmp, named).graph({name: named[name] for name in carried})
    number = [name for name, _ in present.objects].index(damage)
    pointers = {int(word) for word in present.blocks[number].at[present.blocks[number].kind != Kind.ELSEWHERE]}
    block = present.blocks[number]
    data = [word for word in range(len(block.words) - 1) if word not in pointers and 0 < block.words[word] < LEFTOVERS]
    place = block.address + process.WORD * data[len(data) // 2]
    process.write(place, (process.word(place) ^ 1).to_bytes(process.WORD, "little"))


def unnoticed(lmp, graph: Graph, seed: int) -> list[str]:
    """Of MANY bits that are changed one by one, in words and objects drawn by lot, those that nobody notices."""
    draw, found = random.Random(seed), []
    named, carried = state.named_objects(lmp)
    present = state._walk(lmp, named).graph({name: named[name] for name in carried})
    for _ in range(MANY):
        name = draw.choice(present.objects)[0]
        owner = [known for known, _ in present.objects].index(name)
        blocks = [block for block in present.blocks if block.owner == owner and len(block.words) > len(block.at)]
        block = draw.choice(blocks)
        word = draw.choice(sorted({*range(len(block.words))} - {int(at) for at in block.at}))
        place, bit = block.address + process.WORD * word, draw.randrange(32)
        before = process.word(place)
        process.write(place, (before ^ 1 << bit).to_bytes(process.WORD, "little"))
        if name not in state.prove(lmp, graph).differing:
            found.append(f"{name}: word {word} of {len(block.words)}, bit {bit}, was {before:x}")
        process.write(place, before.to_bytes(process.WORD, "little"))
    return found


def end(lmp) -> str:
    return np.array(lmp.gather_atoms("x", 1, 3)).tobytes().hex()[:4096]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
