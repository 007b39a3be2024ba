"""The contract of a backend as tests: subclass `BackendTests` where your backend's tests are (docs/backends.md).

Needs pytest and the extras `local` and `analysis`: the tests run LAMMPS, through the backend and without it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lammps_jobs.api.cluster import Cluster
from lammps_jobs.api.run import Run
from lammps_jobs.errors import LammpsJobsError, NameTaken, NoSuchRun, ScriptError, WrongState
from lammps_jobs.record.documents import FULL_LOG, Checkpoints, Resources
from lammps_jobs.rehearsal.compare import compare
from lammps_jobs.rehearsal.sides import Workspace

LONG = 400_000
"""Timesteps of a run that is stopped before it is done."""
ROWS = 50
"""Timesteps between two thermo rows."""

LIQUID = f"""
units           lj
atom_style      atomic
lattice         fcc 0.8442
region          box block 0 4 0 4 0 4
create_box      1 box
create_atoms    1 box
mass            1 1.0
velocity        all create 1.44 87287 loop geom
pair_style      lj/cut 2.5
pair_coeff      1 1 1.0 1.0 2.5
fix             integrate all nve
fix             averages all ave/time 5 4 50 c_thermo_temp file averages.dat
dump            frames all custom 50 frames.lammpstrj id type x y z vx vy vz
dump_modify     frames sort id format float %.17g
thermo          {ROWS}
thermo_modify   format float %.16g
"""

Submit = Callable[..., Run]


class BackendTests:
    """What every place where runs run promises, as tests of a cluster on it.

    A subclass provides the fixture `cluster`, a `Cluster` whose store may hold other runs. Each test names its runs
    after itself, and cancels what still runs at its end.
    """

    wait_s = 120.0
    """Longest wait for one thing: a start, a checkpoint, an end. Raise it where machines come slowly."""

    @pytest.fixture
    def submit(self, cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Submit]:
        """Submits a script given as text, under the name of the test."""
        runs: list[Run] = []
        path = tmp_path / "in.contract"
        name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")

        def submit(text: str, **options: object) -> Run:
            path.write_text(text)
            runs.append(cluster.submit(path, name=name, **options))  # type: ignore[arg-type]
            return runs[-1]

        yield submit
        for run in runs:
            if not run.status.is_ended:
                run.cancel(now=True)
            run.settle(self.wait_s)

    # -- runs that nobody touches ------------------------------------------------------------------

    def test_run_comes_out_as_bare_lammps_has_it_and_is_then_left_alone(self, submit: Submit, tmp_path: Path) -> None:
        run = submit(f"{LIQUID}run 1500\nwrite_data end.data\n")
        status = run.wait(self.wait_s, check=False)
        assert (status.state, status.attempt, status.step) == ("finished", 1, 1500), status
        run.download(tmp_path / "ours")
        (tmp_path / "sides").mkdir()
        Workspace(tmp_path / "sides", tmp_path / "in.contract", (), {}, Resources(), None, self.wait_s).bare()
        assert (tmp_path / "ours" / "end.data").is_file()
        assert compare(tmp_path / "sides" / "bare", tmp_path / "ours") == []
        assert run.logs().count("Loop time") == 1
        assert run.thermo()["Step"].iloc[-1] == 1500
        for deed in (run.interrupt, run.cancel, run.resume, run.shell, run.kill):
            with pytest.raises(WrongState):
                deed()
        assert run.settle(self.wait_s)

    def test_script_that_lammps_rejects_fails_in_its_words(self, submit: Submit) -> None:
        status = submit("units lj\nno_such_command 1\n").wait(self.wait_s, check=False)
        assert (status.state, status.exit_code) == ("failed", ScriptError.exit_code)
        assert "Unknown command: no_such_command" in status.reason

    def test_same_again_is_the_same_run_and_another_is_refused(self, submit: Submit, cluster: Cluster) -> None:
        text = f"{LIQUID}run 100\n"
        first = submit(text)
        assert submit(text).spec == first.spec
        assert first.wait(self.wait_s, check=False).attempt == 1
        with pytest.raises(NameTaken):
            submit(text, variables={"x": 1})
        with pytest.raises(NoSuchRun):
            cluster.run("another")

    # -- runs that run -----------------------------------------------------------------------------

    def test_running_run_is_seen_and_not_resumed(self, submit: Submit, cluster: Cluster) -> None:
        run = submit(f"{LIQUID}run {LONG}\n")
        self.until(lambda: run.status.state == "running", run)
        self.until(lambda: "Step" in run.logs() and len(run.thermo()) > 2, run)
        assert run.progress
        assert run.progress.target == LONG
        assert run.name in [status.name for status in cluster.statuses() if status.state == "running"]
        assert run.shell()
        assert not run.settle(0.0)
        with pytest.raises(WrongState):
            run.resume()

    def test_interrupted_run_is_resumed_exactly(self, submit: Submit) -> None:
        run = submit(f"{LIQUID}run 20000\n", checkpoints=Checkpoints(every_s=1.0))
        self.until(lambda: run.checkpoint is not None, run)
        run.interrupt()
        status = run.wait(self.wait_s, check=False)
        assert (status.state, status.exit_code) == ("interrupted", 75)
        assert 0 < (status.checkpoint_step or 0) < 20_000
        run.resume()
        status = run.wait(self.wait_s, check=False)
        assert (status.state, status.attempt, status.fidelity.grade) == ("finished", 2, "exact"), status
        assert list(run.thermo()["Step"]) == list(range(0, 20_001, ROWS))

    def test_run_that_loses_its_machine_is_lost_and_resumed(self, submit: Submit) -> None:
        run = submit(f"{LIQUID}run {LONG}\n", checkpoints=Checkpoints(every_s=0.5))
        self.until(lambda: run.checkpoint is not None, run)
        try:
            run.kill()
        except WrongState:  # machines cannot be taken away from here: then nothing has happened to the run
            assert run.status.state == "running"
            return
        status = run.wait(self.wait_s, check=False)
        assert (status.state, status.attempt) == ("lost", 1)
        assert status.reason
        run.resume()
        kept = status.checkpoint_step or 0
        self.until(lambda: run.status.attempt == 2 and run.status.step > kept, run)

    @pytest.mark.parametrize("now", [False, True], ids=["with-a-last-checkpoint", "now"])
    def test_cancelled_run_keeps_what_it_wrote(self, submit: Submit, tmp_path: Path, now: bool) -> None:
        run = submit(f"{LIQUID}run {LONG}\n", checkpoints=Checkpoints(every_s=0.5))
        self.until(lambda: run.checkpoint is not None, run)
        run.cancel(now=now)
        assert run.status.state == "cancelled"
        files = {path.name: path for path in run.download(tmp_path / "ours")}
        assert files["frames.lammpstrj"].stat().st_size > 0
        assert FULL_LOG not in files
        with pytest.raises(WrongState):
            run.interrupt()

    # -- waiting -----------------------------------------------------------------------------------

    def until(self, true: Callable[[], bool], run: Run) -> None:
        """Wait until something is `true` of a run that must not end before."""
        began = time.monotonic()
        end = began + self.wait_s
        while not true():
            status = run.status
            if status.is_ended:
                raise LammpsJobsError(f"{run.name} has ended: {status}")
            if time.monotonic() > end:
                raise TimeoutError(f"nothing happened within {self.wait_s:g} s: {status}")
            time.sleep(max(0.05, time.monotonic() - began))  # looking may cost the store dearly
            began = time.monotonic()
