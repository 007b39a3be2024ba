"""The docs that are made from the program are those of the program as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emulator import ROOT
from emulator.pulumi_engine import HINT, pulumi_binary
from infra.schema import page
from tests.waiting import scaled
from tools import architecture


def test_configuration_page():
    assert (ROOT / "docs" / "stack-config.md").read_text() == page() + "\n"


def test_architecture():
    assert (ROOT / "docs" / "architecture.md").read_text() == architecture.page() + "\n"


@pytest.mark.skipif(pulumi_binary() is None, reason=HINT)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_reviewed_plan(stack):
    command = [sys.executable, "-W", "ignore", "-m", "tools.preview", stack, "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(120), check=False)
    assert done.returncode == 0, f"the plan has changed; read it: make preview STACK={stack} WRITE=1\n{done.stderr}"


def test_a_plan_without_the_engine_lists_the_resources(monkeypatch, capsys):
    from tools import preview

    assert "aws:batch/jobQueue:JobQueue t4" in preview.by_graph("dev")
