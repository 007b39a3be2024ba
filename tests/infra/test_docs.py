"""The docs that are made from the program are those of the program as it is."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest

from emulator import ROOT
from emulator.pulumi_engine import HINT, pulumi_binary
from infra.schema import page
from tests.waiting import scaled
from tools import architecture, machines


def test_configuration_page():
    assert (ROOT / "docs" / "stack-config.md").read_text() == page() + "\n"


def test_the_table_of_machines():
    source = f"moto {importlib.metadata.version('moto')}'s copy of AWS's DescribeInstanceTypes"
    assert machines.FILE.read_text() == machines.table(machines.shipped(), source), "python -m tools.machines --write"


def test_architecture():
    assert (ROOT / "docs" / "architecture.md").read_text() == architecture.page() + "\n"


@pytest.mark.skipif(pulumi_binary() is None, reason=HINT)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_reviewed_plan(stack):
    command = [sys.executable, "-W", "ignore", "-m", "tools.preview", stack, "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(120), check=False)
    assert done.returncode == 0, f"the plan has changed; read it: make preview STACK={stack} WRITE=1\n{done.stderr}"


@pytest.mark.skipif(pulumi_binary() is None, reason=HINT)
def test_reviewed_plans_of_changes():
    command = [sys.executable, "-W", "ignore", "-m", "tools.changes", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(200), check=False)
    assert done.returncode == 0, f"a plan has changed; read it: make changes WRITE=1\n{done.stderr}"


def test_a_plan_without_the_engine_lists_the_resources(monkeypatch, capsys):
    from tools import preview

    assert "aws:batch/jobQueue:JobQueue t4" in preview.by_graph("dev")


def test_every_pulumi_command_of_the_deploying_page_is_typed_in_a_test():
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE | re.DOTALL)
    said = set(re.findall(r"^pulumi ((?:stack |config )?\w+)", "\n".join(blocks), re.MULTILINE))
    lives = (ROOT / "tests" / "infra" / "test_command_line.py").read_text()
    typed = {
        " ".join(filter(None, words))
        for words in re.findall(r'pulumi(?:\.tried)?\("(stack|config)?(?:", ")?(\w+)', lives)
    }
    assert {"login", "stack init", "config set", "preview", "up", "destroy", "stack rm"} <= said
    assert said <= typed
