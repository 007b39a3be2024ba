"""What is installed: all files that the package reads, no tool of the developers, and what people cite."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DEVELOPERS = ("pulumi", "moto", "pytest", "hypothesis", "mypy", "ruff", "boto3", "botocore")


def test_every_file_of_the_package_that_is_no_module_is_installed():
    installed = PROJECT["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{glob}" for package, globs in installed.items() for glob in globs]
    others = [path.relative_to(ROOT).as_posix() for path in (ROOT / "lammps_jobs").rglob("*")
              if path.is_file() and path.suffix not in (".py", ".pyc")]  # fmt: skip
    assert "lammps_jobs/py.typed" in others
    left_out = [path for path in others if not any(fnmatch.fnmatch(path, pattern) for pattern in patterns)]
    assert not left_out, "add them to [tool.setuptools.package-data]"


def test_every_folder_of_the_package_is_one():
    """A folder without `__init__.py` is left out of a wheel, and found in a clone."""
    folders = {path.parent for path in (ROOT / "lammps_jobs").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_users_get_no_tool_of_the_developers():
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "user.lock").read_text(), re.MULTILINE)
    assert "lammps" in pinned
    assert not set(pinned) & set(DEVELOPERS)
    assert not set(PROJECT["project"]["dependencies"]) & set(DEVELOPERS)


def test_version_is_the_same_wherever_it_stands():
    import lammps_jobs

    cited = (ROOT / "CITATION.cff").read_text()
    assert f"version: {lammps_jobs.__version__}\n" in cited
    assert PROJECT["project"]["version"] == lammps_jobs.__version__


def test_pythons_that_are_promised_are_named():
    named = re.findall(r":: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    assert named[0] == PROJECT["project"]["requires-python"].removeprefix(">=")
