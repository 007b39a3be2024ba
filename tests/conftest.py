"""Shared pieces: a cluster in a folder of its own, and the scripts that the promises are tried on."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import lammps_jobs
from emulator.servers import moto
from lammps_jobs import Cluster, CutPlan, Run
from tests.waiting import ended, scaled

pytest_plugins = ["tests.kinds", "tests.replay"]


def pytest_configure(config: pytest.Config) -> None:
    """Keep the compiled modules of the many processes that tests start, where the environment says to keep none.

    Compiling them takes half of the time in which an engine and its supervisor start.
    """
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="lammps-jobs-state-")  # no marks of tests in the user's home
    config.add_cleanup(lambda: shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True))
    cache = getattr(config, "cache", None)  # `-p no:cacheprovider` keeps none
    if cache and os.environ.pop("PYTHONDONTWRITEBYTECODE", None) and "PYTHONPYCACHEPREFIX" not in os.environ:
        os.environ["PYTHONPYCACHEPREFIX"] = str(cache.mkdir("bytecode"))


START = """
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
"""

WATCHED = """
compute         msd all msd
fix             averages all ave/time 5 4 50 c_thermo_temp c_msd[4] file averages.dat
dump            frames all custom 50 frames.lammpstrj id type x y z vx vy vz
dump_modify     frames sort id format float %.17g
thermo          50
thermo_modify   format float %.16g
"""

ENSEMBLES = {
    "nve": "fix integrate all nve",
    "nvt": "fix integrate all nvt temp 1.44 0.8 0.5",
    "npt": "fix integrate all npt temp 1.0 1.0 0.5 iso 0.0 2.0 5.0",
    "langevin": "fix integrate all nve\nfix bath all langevin 1.0 1.5 1.0 4242",
}


THREADED = "package omp 1\nsuffix omp\n"
"""Before a script: styles whose atoms LAMMPS sorts in a way that no resume keeps, so nothing is proven of it."""


def script_of(ensemble: str, steps: int = 1500) -> str:
    return f"{START}{ENSEMBLES[ensemble]}\n{WATCHED}\nrun {steps}\nwrite_data end.data\n"


FLOW = f"""# several stages, loops, conditions, includes
variable        t index 1.5
variable        edge equal 2*3
{START}
include         settings.inc
{WATCHED}
fix             integrate all nvt temp $t $t 0.5
minimize        1.0e-4 1.0e-4 20 50
run             300
variable        i loop 4
label           again
if "$i == 2" then "print 'two of four'" "velocity all scale $(1.0+0.1*v_i)" elif "$i > 3" &
   "print last" else "print other"
run             200
next            i
jump            SELF again
print           \"\"\"edge ${{edge}}\"\"\"
unfix           integrate
fix             integrate all npt temp 1.0 1.2 0.5 iso 0.0 1.0 5.0
run             600
write_data      end.data
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A local cluster with a store of its own; whatever still runs at the end is killed."""
    made = lammps_jobs.connect(store=str(tmp_path / "store"))
    yield made
    for run in made.runs():
        with contextlib.suppress(lammps_jobs.LammpsJobsError):
            if not run.status.is_ended:
                run.kill()
        with contextlib.suppress(lammps_jobs.LammpsJobsError):
            run.settle()


@pytest.fixture(scope="session")
def _stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `stopped`, made once."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "in.test").write_text(script_of("nve"))
    plan = CutPlan(cut_at=((1, 250), (1, 500)), then="stop")
    run = lammps_jobs.connect(store=folder / "store").submit(folder / "in.test", cut_plan=plan)
    ended(run)
    run.resume()
    assert ended(run).checkpoint_step == 500
    assert run.settle(scaled(60))
    return folder / "store"


@pytest.fixture
def stopped(_stopped: Path, cluster: Cluster, tmp_path: Path) -> Run:
    """A run named `test` (nve, 1500 steps) that two attempts left behind with checkpoints at steps 250 and 500."""
    shutil.copytree(_stopped / "test", tmp_path / "store" / "test")
    return cluster.run("test")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def bucket(moto_url, monkeypatch) -> str:
    """The URL of a store in a new bucket of an S3 server on loopback."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b{time.time_ns()}"
    boto3.client("s3", endpoint_url=moto_url).create_bucket(Bucket=name)
    return f"s3://{name}/runs"


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Writes a script (and further files) to a folder of its own and returns its path."""

    def write(text: str, name: str = "in.test", **files: str) -> Path:
        folder = tmp_path / "scripts"
        folder.mkdir(exist_ok=True)
        for other, content in files.items():
            (folder / other.replace("__", ".")).write_text(content)
        (folder / name).write_text(text)
        return folder / name

    return write


def bare(script: Path, folder: Path, ranks: int = 1, switches: Sequence[str] = ()) -> dict[str, bytes]:
    """The outputs of plain `lmp` on a copy of the script's folder."""
    shutil.copytree(script.parent, folder)
    beside = Path(sys.executable).parent
    command = [str(beside / "lmp"), "-in", script.name, "-screen", "none", *switches]
    if ranks > 1:
        command = [str(beside / "mpirun"), "-n", str(ranks), *command]
    subprocess.run(command, cwd=folder, check=True, timeout=scaled(120), stdin=subprocess.DEVNULL)
    inputs = {path.name for path in script.parent.iterdir()}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in inputs}


def outputs(run: Run, folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.download(folder)}


def assert_same(left: dict[str, bytes], right: dict[str, bytes]) -> None:
    """Equal files; of logs, equal thermo rows (times and speeds differ by nature)."""
    from lammps_jobs.formats.thermo import sections

    assert left.keys() == right.keys()
    for name, content in left.items():
        if name.startswith("log"):
            assert sections(content.decode()) == sections(right[name].decode()), name
        else:
            assert content == right[name], f"{name} differs"


def assert_complete(files: dict[str, bytes], steps: range) -> None:
    """No frame, no average and no thermo row is missing or doubled."""
    from lammps_jobs.formats.thermo import sections

    frames = [int(step) for step in re.findall(rb"ITEM: TIMESTEP\n(\d+)", files["frames.lammpstrj"])]
    assert frames == list(steps)
    averages = [int(line.split()[0]) for line in files["averages.dat"].splitlines() if not line.startswith(b"#")]
    assert averages == list(steps)[1:]  # the first window ends at the first multiple
    (thermo,) = sections(files["log.lammps"].decode())
    assert [row[0] for row in thermo.rows] == list(steps)
