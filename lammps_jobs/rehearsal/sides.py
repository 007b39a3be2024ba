"""The folder of a rehearsal, and how each of its sides is run there."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

from lammps_jobs.api.cluster import Cluster
from lammps_jobs.api.naming import Values, values_of
from lammps_jobs.api.run import Run
from lammps_jobs.backends.local import LocalBackend
from lammps_jobs.errors import InternalError, LammpsJobsError, NotInstalled, ScriptError, UsageError
from lammps_jobs.record.documents import Checkpoints, CutPlan, Resources
from lammps_jobs.record.names import place_of
from lammps_jobs.record.object_store import open_root
from lammps_jobs.rehearsal import machines
from lammps_jobs.rehearsal.compare import STATE
from lammps_jobs.script.accelerators import for_threads
from lammps_jobs.script.inputs import gather, run_folder

SIDES = ("bare", "bare again", "bare once more", "checkpointed", "kept", "lost", "lost again", "kept again")
NEVER_S = 1e9
NOT_THE_SCRIPT = (
    "Bare LAMMPS runs this script to its end, so this is a fault of lammps-jobs, not of the script.",
    "The same script ran to its end where nobody interrupted it, so this is a fault of lammps-jobs, not of the script.",
)
SHORTENED_UP_TO = 1_000_000
"""Bytes of the largest file in which `run` commands are looked for."""


class Workspace:
    """The inputs, the cluster and the runs of one rehearsal, all below `folder`.

    On leaving it waits until none of its processes writes there any more: a run is finished before its supervisor is.
    """

    def __init__(
        self, folder: Path, script: Path, inputs: Iterable[str | Path], variables: Mapping[str, Values],
        resources: Resources, steps: int | None, limit_s: float | None, start: Path | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.resources, self.limit_s = folder, resources, limit_s
        self.variables = values_of(variables)
        found = gather(script, inputs, self.variables, start=start)
        self.source = run_folder(folder / "source", found.files)
        self.source.mkdir(parents=True)
        for name in found.folders:
            (self.source / name).mkdir(parents=True, exist_ok=True)
        for name, file in found.files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, self.source / name)
        self.is_capped = steps is not None
        if steps is not None:
            for name in found.files:
                _shorten(self.source / name, steps)
        self.script = self.source / found.script
        self.inputs = {name: (self.source / name).read_bytes() for name in found.files}
        self._folders = [self.source / name for name in found.folders if not name.startswith("..")]
        self.backend = LocalBackend(str(folder / "store"))
        self.cluster = Cluster(self.backend.url, self.backend, open_root(self.backend.url))
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self.cluster.runs():
            run.settle()

    def bare(self, name: str = "bare") -> None:
        """Run plain `lmp` with the switches that our sides give LAMMPS, its outputs under `name`.

        Raises ScriptError when it fails, TimeoutError after `limit_s`.
        """
        shutil.rmtree(self.folder / "tree", ignore_errors=True)
        shutil.copytree(self.folder / "source", self.folder / "tree", symlinks=True)
        work = self.folder / "tree" / self.source.relative_to(self.folder / "source")
        command = [_beside("lmp"), "-in", os.path.relpath(self.script, self.source)]
        for variable, values in self.variables.items():
            command += ["-var", variable, *values]
        command += self.resources.switches or for_threads(self.resources.threads)
        if (ranks := self.resources.ranks or 1) > 1:
            command = [_beside("mpirun"), "-n", str(ranks), *command]
        started = time.monotonic()
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.resources.threads)}
        with (self.folder / "bare.out").open("wb") as out:
            process = subprocess.Popen(command, cwd=work, stdin=subprocess.DEVNULL, stdout=out, env=environment,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            code = _wait(process, self.limit_s)
        self.seconds[name] = time.monotonic() - started
        if code:
            raise ScriptError(
                f"Bare LAMMPS cannot run this script (exit code {code}).", where=_last_error(work, self.folder),
                remedy="Mend the script first: lmp -in " + os.path.relpath(self.script, self.source),
            )  # fmt: skip
        self._remove_inputs(work)
        work.rename(self.folder / name)
        self._collect_from_above(work, self.folder / name)

    def side(self, name: str, cut_plan: CutPlan, killer: random.Random | None = None) -> Run:
        """Run the script as a run of ours, resumed as often as it stops, its outputs under `name`.

        Each resume finds another machine: another working folder, home and environment. With a `killer` the run is
        also killed at a random step after every resume. Raises InternalError when the run does not finish,
        TimeoutError after `limit_s`.
        """
        started, machine = time.monotonic(), 0
        beside = [self.source / file for file in self.inputs if not file.startswith("..")]
        beside += self._folders
        self.backend.environment = None
        run = self.cluster.submit(
            self.script, start=self.source, inputs=beside, name=name.replace(" ", "-"), variables=self.variables,
            resources=self.resources, checkpoints=Checkpoints(every_s=NEVER_S, keep=10_000), cut_plan=cut_plan,
        )  # fmt: skip
        try:
            while True:
                left = None if self.limit_s is None else self.limit_s - (time.monotonic() - started)
                state = run.wait(left, check=False)
                if state.state not in ("interrupted", "lost"):
                    break
                machine += 1
                self.backend.environment = machines.other(machine, self.folder / "machines")
                run.resume()
                if killer and state.state == "interrupted":
                    machines.kill_at_some_step(run, killer, cut_plan)
        except BaseException:
            with contextlib.suppress(LammpsJobsError):
                run.kill()
            raise
        self.seconds[name] = time.monotonic() - started
        if state.state != "finished":
            raise InternalError(
                f"The side '{name}' {state.state}: {state.reason}\n{NOT_THE_SCRIPT[name != 'checkpointed']}",
                where=state.where, remedy="Please report it, with the script and the version of LAMMPS.",
            )  # fmt: skip
        run.download(self.folder / name)
        self._remove_folders_of_inputs(self.folder / name)
        (self.folder / name / STATE).write_bytes(run.final_state())
        return run

    def outside(self, run: Run) -> set[str]:
        """Downloaded files that the script wrote by absolute paths: there every side wrote over the one before."""
        return {str(place_of(name)) for name in run.record.outputs() if os.path.isabs(name)}

    def _collect_from_above(self, work: Path, into: Path) -> None:
        """Put what bare LAMMPS wrote above its folder where a download of ours has it."""
        for path in (self.folder / "tree").rglob("*"):
            name = Path(os.path.relpath(path, work))
            if path.is_file() and not self._is_as_given(path, str(name)):
                target = into / place_of(str(name))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

    def _is_as_given(self, path: Path, name: str) -> bool:
        return name in self.inputs and path.read_bytes() == self.inputs[name]

    def _remove_inputs(self, work: Path) -> None:
        for link in [path for path in work.rglob("*") if path.is_symlink() and path.is_file()]:
            content = link.read_bytes()
            link.unlink()
            link.write_bytes(content)
        for name in self.inputs:
            if (work / name).is_file() and self._is_as_given(work / name, name):
                (work / name).unlink()
        self._remove_folders_of_inputs(work)

    def _remove_folders_of_inputs(self, work: Path) -> None:
        """Remove folders that were there before the run and hold no outputs: they are no outputs either."""
        for path in sorted((path for path in self.source.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):  # not empty, or not there
                (work / path.relative_to(self.source)).rmdir()


@contextlib.contextmanager
def folder_for(keep: str | Path | None) -> Iterator[Path]:
    """A folder for a rehearsal: one that is removed afterwards, or `keep`, in which the outputs of all sides stay.

    Raises UsageError when `keep` holds a rehearsal already.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="lammps-jobs-rehearsal-") as made:
            yield Path(made)
        return
    folder = Path(keep)
    taken = [side for side in SIDES if (folder / side).exists()]
    if taken:
        raise UsageError(f"{folder} holds a rehearsal already ({', '.join(taken)}).", remedy="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder.resolve()
    finally:
        for rest in ("source", "store", "tree", "machines"):
            shutil.rmtree(folder / rest, ignore_errors=True)


def _shorten(path: Path, steps: int) -> None:
    """Cap the literal or variable number of every `run N` in a script."""
    if path.stat().st_size > SHORTENED_UP_TO:
        return
    text = path.read_text(errors="surrogateescape")

    def capped(command: re.Match[str]) -> str:
        number = command[2]
        if number.isdigit():
            return f"{command[1]}{min(int(number), steps)}"
        name = number.strip("${}")
        return f"{command[1]}$(ternary(v_{name}<{steps},v_{name},{steps}):%.0f)"

    pattern = re.compile(r"^(\s*run\s+)(\d+|\$\{\w+\}|\$\w)(?=\s|$)(?!.*\bupto\b)", re.MULTILINE)
    path.write_text(pattern.sub(capped, text), errors="surrogateescape")


def _wait(process: subprocess.Popen[bytes], limit_s: float | None) -> int:
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"Bare LAMMPS was not done within {limit_s:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _last_error(work: Path, folder: Path) -> str:
    """What LAMMPS printed from its first ERROR on; its last lines when there is none."""
    lines: list[str] = []
    for file in (work / "log.lammps", folder / "bare.out"):
        with contextlib.suppress(OSError):
            lines += file.read_text(errors="replace").splitlines()
    errors = [at for at, line in enumerate(lines) if line.startswith("ERROR")]
    return "\n".join(lines[errors[0] : errors[0] + 3] if errors else lines[-3:])


def _beside(program: str) -> str:
    """The program beside this Python, else on the PATH. Raises NotInstalled when it is in neither place."""
    path = Path(sys.executable).with_name(program)
    found = str(path) if path.exists() else shutil.which(program)
    if not found:
        raise NotInstalled(
            f"{program} is not on this machine.", remedy='Install it with: pip install "lammps-jobs[local]"'
        )
    return found
