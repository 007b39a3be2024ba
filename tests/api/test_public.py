"""The public interface: what `lammps_jobs` names, loads and promises to a type checker."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
import typing
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from pydantic import BaseModel

import lammps_jobs
from lammps_jobs import errors
from tests.waiting import scaled

ROOT = Path(__file__).parents[2]
MADE_BY_US = {"Cluster", "Run", "Sweep"}
"""Classes that only our own functions make, so that their constructors are no part of the interface."""


def test_all_dir_and_the_lazy_table_agree():
    assert lammps_jobs.__all__ == sorted(lammps_jobs.__all__)
    assert set(lammps_jobs.__all__) == set(lammps_jobs._HOME)
    assert set(dir(lammps_jobs)) >= {*lammps_jobs.__all__, "__version__"}
    for name in lammps_jobs.__all__:
        assert getattr(lammps_jobs, name) is not None


def test_every_error_is_public():
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds <= set(lammps_jobs.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="frobnicate"):
        lammps_jobs.frobnicate  # noqa: B018


def types_in(annotation: Any) -> Iterator[type]:
    """The classes that an annotation names, also inside of list[...], unions and callables."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        yield annotation
    for part in typing.get_args(annotation):
        for inner in part if isinstance(part, list) else [part]:
            yield from types_in(inner)


def callables_of(name: str, value: Any) -> Iterator[tuple[str, FunctionType]]:
    """A public function, or the public methods and properties of a public class, with their full names."""
    if isinstance(value, FunctionType):
        yield name, value
    elif inspect.isclass(value) and value.__module__.startswith("lammps_jobs"):
        for key, member in vars(value).items():
            if isinstance(member, property):
                member = member.fget  # noqa: PLW2901
            public = not key.startswith("_") or (key == "__init__" and name not in MADE_BY_US)
            if public and isinstance(member, FunctionType) and member.__module__ == value.__module__:
                yield f"{name}.{key}", member


def annotations_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every annotation that a user of a public name meets: of its callables and of its fields."""
    import pandas

    known = {"pandas": pandas}
    for full, function in callables_of(name, value):
        if full.partition(".")[2] == "__init__" and (dataclasses.is_dataclass(value) or issubclass(value, BaseModel)):
            continue
        for key, annotation in typing.get_type_hints(function, localns=known).items():
            yield f"{full}({key})", annotation
    if dataclasses.is_dataclass(value) or (inspect.isclass(value) and issubclass(value, BaseModel)):
        for key, annotation in typing.get_type_hints(value, localns=known).items():
            if key not in vars(BaseModel) and not key.startswith("_"):
                yield f"{name}.{key}", annotation


def test_annotations_of_the_public_interface_name_only_public_types():
    public = [getattr(lammps_jobs, name) for name in lammps_jobs.__all__]
    met = [
        (where, kind)
        for name in lammps_jobs.__all__
        for where, annotation in annotations_of(name, getattr(lammps_jobs, name))
        for kind in types_in(annotation)
    ]
    assert len(met) > 100
    hidden = {f"{where}: {kind.__name__}" for where, kind in met
              if kind.__module__.startswith("lammps_jobs") and kind not in public}  # fmt: skip
    assert not hidden


def test_every_public_callable_has_a_docstring():
    bare = [full for name in lammps_jobs.__all__ for full, function in callables_of(name, getattr(lammps_jobs, name))
            if not function.__doc__ and not full.endswith("__init__")]  # fmt: skip
    assert not bare


@pytest.mark.engine
def test_type_checker_sees_the_public_interface():
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing/api.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(300), check=False)
    assert done.returncode == 0, done.stdout
    source = (ROOT / "tests" / "typing" / "api.py").read_text()
    unseen = [name for name in lammps_jobs.__all__ if name not in source and not hasattr(errors, name)]
    assert not unseen, "say in tests/typing/api.py what these are"


def is_installed_from_here() -> bool:
    """True when this Python has an editable install of this very folder."""
    origins = [json.loads(found.read_text("direct_url.json") or "{}") for found in distributions(name="lammps-jobs")]
    return any(origin.get("url") == ROOT.as_uri() for origin in origins)


@pytest.mark.engine
@pytest.mark.skipif(not is_installed_from_here(), reason="lammps-jobs is installed from another folder")
def test_type_checker_sees_an_editable_install_from_outside(tmp_path, pytestconfig):
    (tmp_path / "use.py").write_text(
        "from typing import assert_type\nimport lammps_jobs\nassert_type(lammps_jobs.connect(), lammps_jobs.Cluster)\n"
    )
    cache = pytestconfig.cache.mkdir("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "use.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=scaled(300), check=False, env={}
    )
    assert done.returncode == 0, done.stdout
