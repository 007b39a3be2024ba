"""The document of what the CPU image holds, held against the image itself."""

from __future__ import annotations

import json

import pytest

from emulator.containers import HINT, IMAGE, Podman, can_run_containers
from tools import sbom

pytestmark = pytest.mark.xdist_group("containers")
OF_PYTHON_ITSELF = {"pip", "setuptools", "lammps-jobs"}


@pytest.mark.skipif(not can_run_containers(), reason=HINT)
def test_the_document_names_all_that_the_image_holds_and_nothing_else(tmp_path):
    assert sbom.main(["cpu", "--out", str(tmp_path / "cpu.json")]) == 0
    components = json.loads((tmp_path / "cpu.json").read_text())["components"]
    podman = Podman()
    debian = podman("run", "--rm", IMAGE, "dpkg-query", "--show", "--showformat=${Package} ${Version}\\n").stdout
    there = {tuple(line.split()) for line in debian.splitlines()}
    assert {(one["name"], one["version"]) for one in components if one.get("purl", "").startswith("pkg:deb/")} == there
    assert len(there) > 80
    python = json.loads(podman("run", "--rm", IMAGE, "pip", "list", "--format", "json").stdout)
    installed = {(one["name"].lower().replace("_", "-"), one["version"]) for one in python}
    said = {(one["name"].lower().replace("_", "-"), one["version"]) for one in components
            if not one.get("purl", "").startswith("pkg:deb/")}  # fmt: skip
    assert said == {pair for pair in installed if pair[0] not in OF_PYTHON_ITSELF}
