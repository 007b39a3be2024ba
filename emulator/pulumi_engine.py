"""The real Pulumi engine on our program: state in a folder, the account behind our own provider."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulumi import automation as auto

from emulator import ROOT
from infra.config import PROJECT

HINT = "no Pulumi engine: `make engine` builds it where Go is installed"
OFFLINE = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError")
"""What pip says where it reaches no package registry."""
NO_REGISTRY = "pip reaches no package registry from here: PIP_INDEX_URL, or pip.conf, names one"


def built_engine() -> Path:
    """Where `make engine` puts the engine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / PROJECT / f"pulumi-{version('pulumi')}" / "bin" / "pulumi"


def pulumi_binary() -> Path | None:
    """The engine that `make engine` built, or the one on the PATH."""
    built = built_engine()
    found = shutil.which("pulumi")
    return built if built.exists() else Path(found) if found else None


TOOLS = {
    # what a release of Pulumi brings along beside the engine: what loads policy packs, and what runs programs
    "pulumi-analyzer-policy-python": 'exec "{python}" -u -W ignore -m pulumi.policy "$1" "$2"',
    "pulumi-language-python": 'PYTHONPATH="{root}" exec "{python}" -m emulator.language_host "$@"',
    # a Docker engine that answers; images are the emulated account's
    "docker": "exit 0",
    # somebody who has logged in
    "aws": "exit 0",
}


def _tools(home: Path, *names: str) -> Path:
    """A folder of executables for the PATH."""
    folder = home / "tools"
    folder.mkdir(exist_ok=True)
    for name in names:
        tool = folder / name
        tool.write_text("#!/bin/sh\n" + TOOLS[name].format(python=sys.executable, root=ROOT) + "\n")
        tool.chmod(0o755)
    return folder


def environment_of(state: Path, providers: str, *tools: str) -> dict[str, str]:
    """Variables for a Pulumi whose state lies under `state`, whose providers are served already, with some `TOOLS`."""
    binary = pulumi_binary()
    assert binary, HINT
    home = state / "home"
    home.mkdir(parents=True, exist_ok=True)
    (state / "backend").mkdir(exist_ok=True)
    return {
        "PATH": os.pathsep.join([str(binary.parent), str(_tools(home, *tools)), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{state / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "loopback",
        "PULUMI_DEBUG_PROVIDERS": providers,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def command_line(folder: Path, providers: str, limit_s: float = 300) -> CommandLine:
    """`pulumi` in a fresh clone in `folder`, with a Docker engine and the language host, logged in nowhere."""
    (folder / "clone").mkdir()
    environment = environment_of(folder, providers, "pulumi-language-python", "docker")
    del environment["PULUMI_BACKEND_URL"]
    return CommandLine(clean_copy(folder / "clone"), environment, limit_s)


@dataclass(frozen=True)
class CommandLine:
    """`pulumi ...` as it is typed in the folder `project`, with its state beside it."""

    project: Path
    environment: dict[str, str]
    limit_s: float = 300

    def __call__(self, *words: str, fails: bool = False) -> str:
        """What the command prints. Raises AssertionError with it where it fails, or with `fails` where it does not."""
        done = self.tried(*words)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"pulumi {' '.join(words)}: {done.returncode}\n{said}"
        return said if fails else done.stdout

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, however it ended."""
        environment = {**os.environ, **self.environment}
        environment.pop("PYTHONPATH", None)  # the program finds its own code, as at a user's
        return subprocess.run(["pulumi", *words], cwd=self.project, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=self.limit_s, check=False)  # fmt: skip


def clean_copy(folder: Path) -> Path:
    """The project as a fresh clone has it, with the present environment as its `.venv`."""
    named = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout  # fmt: skip
    for name in filter(None, named.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def stack_of(
    name: str, program: Callable[[], Any], state: Path, *, providers: str = "", config: dict[str, str] | None = None
) -> auto.Stack:
    """The stack `name` with its state under the folder `state` and the configuration given."""
    environment = environment_of(state, providers, "pulumi-analyzer-policy-python")
    binary = pulumi_binary()
    assert binary, HINT
    work = state / "work"
    work.mkdir(exist_ok=True)
    stack = auto.create_or_select_stack(
        stack_name=name,
        project_name=PROJECT,
        program=program,
        work_dir=str(work),
        opts=auto.LocalWorkspaceOptions(
            work_dir=str(work),
            env_vars=environment,
            project_settings=auto.ProjectSettings(
                name=PROJECT, runtime="python", backend=auto.ProjectBackend(f"file://{state / 'backend'}")
            ),
            pulumi_command=auto.PulumiCommand(str(binary.parent.parent), skip_version_check=True),
        ),
    )
    stack.set_all_config({key: auto.ConfigValue(value) for key, value in (config or {}).items()})
    return stack
