"""The same scenarios with LAMMPS: what it writes is compared with what plain `lmp` writes."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import tempfile
from pathlib import Path

from lammps_jobs.errors import LammpsJobsError
from lammps_jobs.record.documents import Checkpoints
from tools.chaos.faults import FAULTS
from tools.chaos.scenario import EVERY_S, Harm, Scenario
from tools.chaos.world import World

REAL_STEPS = 6000
COMPARED = ("frames", "averages")
MELT = f"""
units           lj
lattice         fcc 0.8442
region          box block 0 5 0 5 0 5
create_box      1 box
create_atoms    1 box
mass            1 1.0
velocity        all create 1.44 87287 loop geom
pair_style      lj/cut 2.5
pair_coeff      1 1 1.0 1.0 2.5
fix             integrate all nve
fix             averages all ave/time 5 4 50 c_thermo_temp file averages
dump            frames all custom 100 frames id x y z vx
dump_modify     frames sort id format float %.17g
thermo          100
run             {REAL_STEPS}
"""


@functools.cache
def undisturbed() -> dict[str, bytes]:
    """What plain `lmp` writes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in.chaos").write_text(MELT)
        command = [str(Path(sys.executable).with_name("lmp")), "-in", "in.chaos", "-screen", "none"]
        subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, timeout=600)
        return {name: (Path(folder) / name).read_bytes() for name in COMPARED}


class RealScenario(Scenario):
    """Steps and processes are those that the attempt publishes."""

    highest = 0

    @property
    def step(self) -> int:
        with contextlib.suppress(LammpsJobsError):
            progress = self.record.progress(self.record.newest_attempt())
            self.highest = max(self.highest, progress.step if progress else 0)
        return self.highest

    @property
    def engine_pid(self) -> int | None:
        progress = self.record.progress(self.record.newest_attempt())
        return progress.engine_pid if progress else None

    def cost(self, harm: Harm, reached: int, at: float, now: float) -> None:
        number = self.record.newest_attempt()
        of_it = (event for event in self.record.events() if event.attempt == number)
        starts = [event.step or 0 for event in of_it if event.kind == "resumed"]
        harm.lost_steps = max(0, reached - starts[0]) if starts else reached
        harm.s_to_go_on = now - at

    def check_result(self) -> None:
        grade = self.run.status.fidelity
        for name, wanted in undisturbed().items():
            found = b"".join(chunk for s in self.record.outputs()[name].segments for chunk in self.record.read_blob(s))
            if found != wanted and (grade.grade, grade.as_if) == ("exact", "never cut"):
                self.broken.append(f"{name} is not what plain lmp writes, and the run is graded exact")
            if steps_of(name, found) != steps_of(name, wanted):
                self.broken.append(f"{name}: frames or rows are lost or doubled")


def steps_of(name: str, content: bytes) -> list[bytes]:
    """The timesteps of a dump's frames, of a table's rows."""
    lines = content.splitlines()
    if name == "frames":
        return [lines[at + 1] for at, line in enumerate(lines) if line == b"ITEM: TIMESTEP"]
    return [line.split()[0] for line in lines if not line.startswith(b"#")]


def begun(world: World, name: str) -> RealScenario:
    folder = world.folder / name
    folder.mkdir()
    (folder / "in.chaos").write_text(MELT)
    run = world.cluster.submit(
        folder / "in.chaos", name=name, checkpoints=Checkpoints(every_s=EVERY_S[world.kind], grace_s=20)
    )
    return RealScenario(world, name, run.record, run, folder / "journal")


KINDS = [kind for kind in FAULTS if not kind.startswith(("S3", "disk", "clock"))]
"""The faults that need no stand-in."""
