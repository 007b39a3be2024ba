"""Backends by name: this library's own, stacks by their plain names, and those of other packages."""

from __future__ import annotations

import sys

import pytest

import lammps_jobs
from lammps_jobs import UsageError
from lammps_jobs.backends import local
from lammps_jobs.backends.base import factory_of
from lammps_jobs.backends.local import LocalBackend


def test_names_of_our_own_backends():
    assert factory_of("local") == (local.site, "")
    for name in ("prod", "aws_batch:prod"):
        factory, place = factory_of(name)
        assert (factory.__module__, place) == ("lammps_jobs.backends.aws_batch.backend", "prod")


def test_unknown_backend_is_refused_with_the_ones_there_are():
    with pytest.raises(UsageError, match="aws_batch, local"):
        factory_of("slurm:here")


def test_this_machine_has_no_pools_regions_or_places():
    for options in ({"pool": "t4"}, {"region": "eu-central-1"}, {"stack": "local:elsewhere"}):
        with pytest.raises(UsageError, match="this machine has none"):
            lammps_jobs.connect(**options)


@pytest.fixture
def other_package(tmp_path, monkeypatch) -> None:
    """A distribution that brings a backend named `desk`, as pip would install it."""
    (tmp_path / "desk_backend.py").write_text(
        "from lammps_jobs.backends.base import Site\n"
        "from lammps_jobs.backends.local import LocalBackend\n"
        "class Desk(LocalBackend):\n    pass\n"
        "def site(address):\n    return Site(Desk(address.store), address.store)\n"
    )
    info = tmp_path / "desk_backend-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-backend\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lammps_jobs.backends]\ndesk = desk_backend:site\nlocal = nonsense:site\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("desk_backend", None)


def test_backend_of_another_package_is_found_by_its_entry_point(other_package, tmp_path):
    for name in ("desk", "desk:window"):
        cluster = lammps_jobs.connect(name, store=tmp_path / "store")
        assert type(cluster._backend).__name__ == "Desk"
    assert factory_of("desk:window")[1] == "window"
    assert isinstance(cluster._backend, LocalBackend)


def test_other_package_cannot_take_the_name_of_a_backend_of_ours(other_package):
    assert factory_of("local") == (local.site, "")
