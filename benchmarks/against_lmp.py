"""What the promise costs: the 50,000-bead melt with and without lammps-jobs, side by side.

Prints the tables of docs/benchmarks.md. Every figure of ours stands beside one of bare LAMMPS that was
taken in the same run of this script; times vary from run to run on a shared machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lammps_jobs
from lammps_jobs import Checkpoints, Resources, Run

POLYMER = Path(__file__).parents[1] / "examples" / "polymer"
sys.path.insert(0, str(POLYMER))
from generate import write_melt  # noqa: E402

SHORT = {"heat": 300, "press": 300}
BIN = Path(sys.executable).parent


class Bench:
    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.args = folder, args
        self.cluster = lammps_jobs.connect(store=str(folder / "store"))
        shutil.copy(POLYMER / "in.polymer", folder)
        with (folder / "melt.data").open("w") as file:
            write_melt(file, args.chains, 100, 0.85, seed=1)

    def bare(self, text: str | None = None, /, **variables: int) -> float:
        """Wall time of plain `lmp` on the melt, or on a script of its own, in seconds."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.copy(self.folder / "melt.data", work)
        (work / "in.bare").write_text(text or (self.folder / "in.polymer").read_text())
        command = [str(BIN / "lmp"), "-in", "in.bare", "-screen", "none"]
        for name, value in variables.items():
            command += ["-var", name, str(value)]
        if self.args.ranks > 1:
            command = [str(BIN / "mpirun"), "-n", str(self.args.ranks), *command]
        started = time.monotonic()
        subprocess.run(command, cwd=work, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return time.monotonic() - started

    def submit(self, name: str, every_s: float, script: str = "in.polymer", /, **variables: int) -> Run:
        return self.cluster.submit(
            self.folder / script, name=name, variables=variables, checkpoints=Checkpoints(every_s=every_s, keep=1000),
            resources=Resources(ranks=self.args.ranks),
        )  # fmt: skip

    # -- the tables ------------------------------------------------------------------------------

    def wall(self) -> None:
        """Whole runs, turn by turn, so that both meet the same moods of the machine."""
        bare, ours, cuts = [], [], 0
        for turn in range(self.args.turns):
            bare.append(self.bare(**SHORT, prod=self.args.prod))
            started = time.monotonic()
            run = self.submit(f"wall-{turn}", 60.0, **SHORT, prod=self.args.prod)
            assert run.wait(check=False).state == "finished"
            ours.append(time.monotonic() - started)
            cuts = sum(event.kind == "checkpoint" for event in run.events)
        ratios = [mine / plain for mine, plain in zip(ours, bare, strict=True)]
        row("wall time, a checkpoint a minute", f"{statistics.median(ours):.1f} s ({cuts} checkpoints)",
            f"{statistics.median(bare):.1f} s", median_of(ratios), "1.01")  # fmt: skip

    def stall(self) -> Run:
        """How long the simulation stands still for a checkpoint, against `write_restart` alone."""
        run = self.submit("stall", 2.0, **SHORT, prod=1_000_000)
        peak = Peak(run)
        wait_until(lambda: len(self._production_cuts(run)) >= self.args.cuts, peak.look)
        stopped, durable = self._stop(run)
        cuts = self._production_cuts(run)
        whole, writing = ([getattr(cut, key) for cut in cuts] for key in ("cut_s", "restart_s"))
        ratios = [a / b for a, b in zip(whole, writing, strict=True)]
        row("stall per checkpoint", ms(whole), ms(writing) + " (`write_restart`)",
            median_of(ratios), "1.2")  # fmt: skip
        row("SIGTERM to durable checkpoint", f"{durable:.2f} s", "-", "-", "1 s")
        row("SIGTERM to the attempt's end", f"{stopped:.2f} s", "-", "-", "-")
        row("peak memory of the supervisor", f"{peak.megabytes:.0f} MB", "-", "-", "150 MB")
        return run

    def _production_cuts(self, run: Run) -> list[lammps_jobs.record.documents.Checkpoint]:
        found = (run.record.checkpoint(seq) for seq in run.record.checkpoint_seqs())
        return [cut for cut in found if cut and not cut.stage_boundary]

    def _stop(self, run: Run) -> tuple[float, float]:
        started, before = time.time(), run.record.checkpoint_seqs()[-1]
        os.kill(run.record.attempts()[-1].supervisor_pid, signal.SIGTERM)
        run.wait(60, check=False)
        last = run.record.checkpoint(run.record.checkpoint_seqs()[-1])
        assert last is not None
        assert last.seq > before
        return time.time() - started, last.committed.timestamp() - started

    def start(self, stopped: Run) -> None:
        """From a new process to the first new timestep, against `lmp` that reads a restart file itself."""
        bare = [self.bare(self._by_hand(stopped)) for _ in range(5)]
        ours = []
        for _ in range(5):
            began, step = time.time(), stopped.status.checkpoint_step or 0
            stopped.resume()
            wait_until(partial(_is_past, stopped, step))
            ours.append(next(e.at for e in reversed(stopped.events) if e.kind == "resumed").timestamp() - began)
            stopped.interrupt()
            stopped.wait(60, check=False)
        more = statistics.median(ours) - statistics.median(bare)
        row("new process to first new step", f"{statistics.median(ours):.2f} s", f"{statistics.median(bare):.2f} s",
            f"{more:+.2f} s", "+1 s")  # fmt: skip

    def _by_hand(self, run: Run) -> str:
        """What a user would write to go on from the newest checkpoint, with a run of no steps."""
        checkpoint = run.record.checkpoint(run.record.checkpoint_seqs()[-1])
        assert checkpoint
        for name, blob in checkpoint.restart.items():
            run.record.write_file([blob], self.folder / "by-hand" / name)
        file = self.folder / "by-hand" / ("restart" if "restart" in checkpoint.restart else "restart.%")
        return (
            f"units lj\nread_restart {file}\nneighbor 0.4 bin\nneigh_modify every 1 delay 1 check yes\n"
            "comm_modify cutoff 2.5\nfix prod all nvt temp 1.0 1.0 1.0\nrun 0\n"
        )

    def memory(self) -> None:
        """The supervisor's memory with a hundred times the trajectory."""
        text = (self.folder / "in.polymer").read_text().replace("custom 500", "custom 5")
        (self.folder / "in.wordy").write_text(text)
        run = self.submit("memory", 2.0, "in.wordy", **SHORT, prod=1_000_000)
        peak = Peak(run)
        wait_until(lambda: _size(run) > 400e6, peak.look)
        run.interrupt()
        run.wait(60, check=False)
        row(f"... with {_size(run) / 1e6:.0f} MB of trajectory", f"{peak.megabytes:.0f} MB", "-", "-", "150 MB")

    def importing(self) -> None:
        def best(code: str) -> float:
            times = []
            for _ in range(15):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True)
                times.append(time.perf_counter() - started)
            return 1000 * statistics.median(times)

        bare = best("pass")
        row(
            "`import lammps_jobs`",
            f"{best('import lammps_jobs') - bare:.0f} ms",
            f"{bare:.0f} ms (Python)",
            "-",
            "100 ms",
        )
        row("... and `connect`", f"{best('import lammps_jobs; lammps_jobs.connect') - bare:.0f} ms", "-", "-", "-")


class Peak:
    """Highest resident memory of a run's supervisor, as Linux counts it."""

    def __init__(self, run: Run) -> None:
        self._status = Path(f"/proc/{run.record.attempts()[-1].supervisor_pid}/status")
        self.megabytes = 0.0

    def look(self) -> None:
        for line in self._status.read_text().splitlines():
            if line.startswith("VmHWM"):
                self.megabytes = int(line.split()[1]) / 1024


def wait_until(true: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None, limit_s: float = 900) -> None:
    end = time.monotonic() + limit_s
    while not true():
        meanwhile()
        if time.monotonic() > end:
            sys.exit("The benchmark's run did not come to where it should within 15 minutes.")
        time.sleep(0.05)


def _is_past(run: Run, step: int) -> bool:
    return bool(run.progress and run.progress.step > step)


def _size(run: Run) -> int:
    return sum(output.size for name, output in run.record.outputs().items() if name == "trajectory.lammpstrj")


def ms(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.1f} ms"


def median_of(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f}-{max(values):.3f}, n={len(values)})"


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--chains", type=int, default=500, help="chains of 100 beads")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--prod", type=int, default=6000, help="steps of production in the wall-time comparison")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--cuts", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lammps-jobs-bench-") as folder:
        bench = Bench(Path(folder), args)
        print(f"{args.chains * 100} beads, {args.ranks} rank(s), {platform.machine()}, {os.cpu_count()} cores\n")
        row("what", "lammps-jobs", "bare", "ratio or difference", "goal: at most")
        row(*["---"] * 5)
        try:
            bench.importing()
            stopped = bench.stall()
            bench.start(stopped)
            bench.memory()
            bench.wall()
        finally:
            for run in bench.cluster.runs():
                if not run.status.is_ended:
                    run.kill()
                run.settle()


if __name__ == "__main__":
    main()
