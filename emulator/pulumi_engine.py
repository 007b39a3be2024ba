"""The real Pulumi engine on our program: state in a folder, the account behind our own provider."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pulumi import automation as auto

from infra.config import PROJECT

HINT = "no Pulumi engine: `make engine` builds it where Go is installed"


def pulumi_binary() -> Path | None:
    """The engine that `make engine` built, or the one on the PATH."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / PROJECT / f"pulumi-{version('pulumi')}" / "bin" / "pulumi"
    found = shutil.which("pulumi")
    return built if built.exists() else Path(found) if found else None


def _analyzer(home: Path) -> Path:
    """A folder with the plugin that loads policy packs, which a release brings along beside the engine."""
    plugin = home / "analyzer" / "pulumi-analyzer-policy-python"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -W ignore -m pulumi.policy "$1" "$2"\n')
    plugin.chmod(0o755)
    return plugin.parent


def stack_of(
    name: str, program: Callable[[], Any], state: Path, *, providers: str = "", config: dict[str, str] | None = None
) -> auto.Stack:
    """The stack `name` with its state under the folder `state` and the configuration given."""
    binary = pulumi_binary()
    assert binary, HINT
    home = state / "home"
    home.mkdir(parents=True, exist_ok=True)
    work = state / "work"
    work.mkdir(exist_ok=True)
    (state / "backend").mkdir(exist_ok=True)
    environment = {
        "PATH": os.pathsep.join([str(binary.parent), str(_analyzer(home)), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{state / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "loopback",
        "PULUMI_DEBUG_PROVIDERS": providers,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
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
