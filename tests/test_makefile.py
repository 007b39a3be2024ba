"""What the verbs of the Makefile would run, read by the shell that would run it."""

import re
import subprocess
from pathlib import Path

import pytest

from emulator.pulumi_engine import built_engine

ROOT = Path(__file__).parent.parent
VERBS = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


def dry_run(verb: str, *settings: str) -> str:
    """The commands that `make VERB` would run."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", verb, *settings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_something_that_a_shell_can_read(verb: str) -> None:
    commands = dry_run(verb)
    read = subprocess.run(["sh", "-n"], input=commands, capture_output=True, text=True, timeout=60)
    assert commands.strip()
    assert read.returncode == 0, f"{read.stderr}\n{commands}"


def test_the_engine_is_built_where_the_tests_look_for_it() -> None:
    """Its version stands in the lock, between a package's name and the hashes of its files."""
    words = dry_run("engine").split()
    assert words[words.index("-o") + 1] == str(built_engine())
