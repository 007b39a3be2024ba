"""What a GPU, and its image, are worth, and what lammps-jobs costs there: to be run where there is one.

    python -m tools.gpu_check [--systems lj,eam] [--atoms 4000,50000] [--seconds 20] [--out FOLDER] [--switches "..."]

For each system and size: bare `lmp` with the switches that lammps-jobs would choose, then the same as a run of ours
with a checkpoint every few seconds, then one that is stopped in its middle and resumed. Prints a table for
docs/performance.md with what others have measured beside it, and writes FOLDER/gpu-check.json.
`--switches "-k on -sf kk"` tries the script itself on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import lammps_jobs
from lammps_jobs import Checkpoints, CutPlan, Resources, Run
from lammps_jobs.errors import LammpsJobsError
from lammps_jobs.script.accelerators import survey, switches
from tools.gpu_systems import ATOMS, SYSTEMS, System

ARCHITECTURES = {"7.5": "Turing75", "8.0": "Ampere80", "8.6": "Ampere86", "8.9": "Ada89", "9.0": "Hopper90"}
MOST_OVER_BARE = 1.01
"""Goal: the loop time of a run with checkpoints against bare, with the same switches."""
WARM = 100


@dataclass(frozen=True)
class Measured:
    """One system of one size. Rates in timesteps a second, times in seconds, sizes in bytes."""

    system: str
    atoms: int
    switches: str
    bare: float = 0.0
    ours: float = 0.0
    checkpoints: int = 0
    stall_s: float = 0.0
    checkpoint_size: int = 0
    resume_s: float = 0.0
    grade: str = ""
    gpu_mib: int = 0
    not_measured: str = ""
    """Why there are no figures."""


def gpu() -> tuple[str, str]:
    """Name of the first GPU, and Kokkos's name for its architecture; two empty texts without one."""
    try:
        said = _nvidia_smi("name,compute_cap")
    except (OSError, subprocess.SubprocessError):
        return "", ""
    name, _, capability = said.partition(", ")
    return name, ARCHITECTURES.get(capability.strip(), "")


def _nvidia_smi(query: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits", "--id=0"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def rate_in(log: Path) -> float:
    """Timesteps a second of the last run in a log. Raises ValueError when there is none."""
    loops = re.findall(
        r"^Loop time of ([\d.e+-]+) on .* for (\d+) steps", log.read_text(errors="replace"), re.MULTILINE
    )
    if not loops:
        raise ValueError(f"{log}: no run ended")
    seconds, steps = loops[-1]
    return int(steps) / max(float(seconds), 1e-9)


class Check:
    def __init__(self, folder: Path, seconds: float, chosen: str) -> None:
        self.folder, self.seconds, self.chosen = folder, seconds, chosen
        self.cluster = lammps_jobs.connect(store=str(folder / "store"))
        self.architecture = gpu()[1]

    def measure(self, system: System, atoms: int) -> Measured:
        """All figures of one system; a failure is one of them."""
        work = self.folder / f"{system.name}-{atoms}"
        work.mkdir()
        missing = system.write(work, atoms)
        if missing:
            return Measured(system.name, atoms, "", not_measured=missing)
        script = work / f"in.{system.name}"
        words = shlex.split(self.chosen)
        if not words:
            found = survey(work, script.name, {})
            words = list(switches(self.architecture, 1, 1, found, chosen="kokkos").words)
        try:
            return self._measure(system, atoms, script, words)
        except (LammpsJobsError, ValueError, OSError, subprocess.SubprocessError) as error:
            return Measured(system.name, atoms, " ".join(words), not_measured=str(error).splitlines()[0])

    def _measure(self, system: System, atoms: int, script: Path, words: list[str]) -> Measured:
        steps = max(200, int(self.seconds * self._bare(script, words, 200)))
        bare = self._bare(script, words, steps)
        memory = self._memory(script, words, steps)
        kept = self._run(script, words, steps, Checkpoints(every_s=max(1.0, self.seconds / 4)), CutPlan())
        cuts = [cut for seq in kept.record.checkpoint_seqs() if (cut := kept.record.checkpoint(seq))]
        plan = CutPlan(at=(0.5,), then="stop")
        lost = self._run(script, words, steps, Checkpoints(every_s=1e9), plan, suffix="-lost")
        resumed = [event.seconds or 0.0 for event in lost.events if event.kind == "resumed"]
        return Measured(
            system.name, atoms, " ".join(words), bare=bare, ours=rate_in(self._log(kept)), checkpoints=len(cuts),
            stall_s=max((cut.cut_s for cut in cuts), default=0.0),
            checkpoint_size=max((sum(blob.size for blob in cut.to_load) for cut in cuts), default=0),
            resume_s=max(resumed, default=0.0), grade=lost.status.fidelity.grade, gpu_mib=memory,
        )  # fmt: skip

    def _bare(self, script: Path, words: list[str], steps: int) -> float:
        self._start(script, words, steps).wait()
        return rate_in(script.parent / "log.bare")

    def _start(self, script: Path, words: list[str], steps: int) -> subprocess.Popen[bytes]:
        lmp = Path(sys.executable).with_name("lmp")
        command = [
            str(lmp),
            "-in",
            script.name,
            "-log",
            "log.bare",
            "-screen",
            "none",
            *words,
            "-var",
            "steps",
            str(steps),
        ]
        return subprocess.Popen(command, cwd=script.parent, stdin=subprocess.DEVNULL)

    def _memory(self, script: Path, words: list[str], steps: int) -> int:
        """MiB of the GPU that are taken while bare LAMMPS runs; 0 without a GPU."""
        if not self.architecture:
            return 0
        process, most = self._start(script, words, steps), 0
        while process.poll() is None:
            most = max(most, int(_nvidia_smi("memory.used")))
            time.sleep(0.5)
        return most

    def _run(
        self, script: Path, words: list[str], steps: int, checkpoints: Checkpoints, plan: CutPlan, suffix: str = ""
    ) -> Run:
        """A run of ours, resumed as often as it stops."""
        run = self.cluster.submit(
            script, name=f"{script.parent.name}{suffix}", variables={"steps": steps}, checkpoints=checkpoints,
            resources=Resources(ranks=1, switches=tuple(words)), cut_plan=plan,
        )  # fmt: skip
        while run.wait(check=False).state == "interrupted":
            run.resume()
        run.wait()
        return run

    def _log(self, run: Run) -> Path:
        run.download(self.folder / f"out-{run.name}")
        return self.folder / f"out-{run.name}" / "log.lammps"


def table(found: list[Measured], machine: str) -> str:
    """The figures as docs/performance.md has them."""
    heads = ("System", "Atoms", "Switches", "Bare", "Ours", "Ours/bare", "Stall", "Checkpoint", "Resume", "Grade",
             "GPU memory", "Others")  # fmt: skip
    lines = [f"{machine}, {datetime.now(UTC):%Y-%m-%d}, one rank. Timesteps a second.", "",
             f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]  # fmt: skip
    expected = {system.name: system.expected for system in SYSTEMS}
    for one in found:
        start = f"| {one.system} | {one.atoms} | `{one.switches}` |"
        if one.not_measured:
            lines.append(f"{start} not measured: {one.not_measured} |||||||| {expected[one.system]} |")
            continue
        over = one.bare / one.ours if one.ours else 0.0
        mark = "" if over <= MOST_OVER_BARE else " (missed)"
        lines.append(
            f"{start} {one.bare:.1f} | {one.ours:.1f} | {1 / over if over else 0:.3f}{mark} | {one.stall_s:.3f} s, "
            f"{one.checkpoints} | {one.checkpoint_size / 1e6:.1f} MB | {one.resume_s:.1f} s | {one.grade} | "
            f"{one.gpu_mib} MiB | {expected[one.system]} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--systems", default=",".join(system.name for system in SYSTEMS))
    parser.add_argument("--atoms", default=",".join(map(str, ATOMS)))
    parser.add_argument("--seconds", type=float, default=20.0, help="of the measured part of each run")
    parser.add_argument("--switches", default="", help="instead of those that lammps-jobs chooses for the GPU")
    parser.add_argument("--out", type=Path, help="folder for outputs, kept; a temporary one by default")
    asked = parser.parse_args()
    name, architecture = gpu()
    if not architecture and not asked.switches:
        sys.exit(f"No GPU that is known here ({name or 'nvidia-smi finds none'}). To try it: --switches '-k on -sf kk'")
    folder = asked.out or Path(tempfile.mkdtemp(prefix="gpu-check-"))
    folder.mkdir(parents=True, exist_ok=True)
    check, found = Check(folder.resolve(), asked.seconds, asked.switches), []
    for system in (system for system in SYSTEMS if system.name in asked.systems.split(",")):
        for atoms in map(int, asked.atoms.split(",")):
            found.append(check.measure(system, atoms))
            print(f"  {found[-1]}", file=sys.stderr, flush=True)
    (folder / "gpu-check.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    print(table(found, name or f"{platform.machine()}, no GPU"))


if __name__ == "__main__":
    main()
