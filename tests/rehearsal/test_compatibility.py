"""A sample of LAMMPS's own examples, unmodified: none comes out wrong, none is harmed.

docs/compatibility.md has all that were rehearsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tools.compatibility import BAD, one, scripts_in, table

ROOT = Path("/usr/share/lammps/examples")
SAMPLE = (("crack/in.crack", 1), ("shear/in.shear", 2), ("micelle/in.micelle-rigid", 2), ("indent/in.indent.min", 1),
          ("ELASTIC/in.elastic", 2))  # fmt: skip
needs_examples = pytest.mark.skipif(not ROOT.is_dir(), reason="needs: apt-get install lammps-examples lammps-data")


@needs_examples
@pytest.mark.engine
@pytest.mark.parametrize(("name", "ranks"), SAMPLE)
def test_example_is_neither_wrong_nor_harmed(name, ranks, monkeypatch):
    monkeypatch.setenv("LAMMPS_POTENTIALS", "/usr/share/lammps/potentials")
    args = argparse.Namespace(limit=120.0, cuts=3, seed=ranks, steps=None, at=[0.25, 0.6, 1.0], kill=ranks == 2)
    record = one(ROOT / name, args, ranks)
    assert record["outcome"] not in (*BAD, "too long", "bare fails"), record


@needs_examples
def test_scripts_of_the_folders_are_found():
    assert {path.name for path in scripts_in(ROOT, ["melt", "min"])} == {"in.melt", "in.min", "in.min.box"}


def test_table_tells_what_was_wrong():
    record = {
        "script": "a/in.a",
        "ranks": 1,
        "outcome": "wrong",
        "equals_bare": False,
        "why": [],
        "differences": ["x | y"],
    }
    page = table([record], "examples --kill")
    assert "x \\| y" in page
    assert "1 wrong" in page
    assert "kill -9" in page
    assert "kill -9" not in table([record], "examples")
