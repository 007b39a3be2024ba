"""AWS Lambda as it treats a function: its code alone in a folder, run with its environment and its role's keys."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.patience import scaled
from emulator.resources import packed

_CALL = """
import importlib, json, sys
module, _, name = sys.argv[1].partition(".")
print(json.dumps(getattr(importlib.import_module(module), name)(json.loads(sys.argv[2]), None)))
"""


class FunctionError(Exception):
    """The function raised; the text is its traceback."""


def invoke(client: Any, name: str, code: Path, event: Mapping[str, Any], reach: Mapping[str, str]) -> dict[str, Any]:
    """What the function `name` returns to the event. `client` is Lambda's, `code` the file that was deployed, `reach`
    the environment by which it reaches AWS. Raises FunctionError."""
    made = client.get_function_configuration(FunctionName=name)
    content = {code.name: code.read_text()}
    here = base64.b64encode(hashlib.sha256(packed(content)).digest()).decode()
    assert made["CodeSha256"] == here, f"{name} was deployed with other code than {code}"
    given = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / code.name).write_text(content[code.name])
        done = subprocess.run(
            [sys.executable, "-c", _CALL, made["Handler"], json.dumps(event)], cwd=folder, text=True, check=False,
            env={**given, **made["Environment"]["Variables"], **reach}, capture_output=True,
            timeout=scaled(made["Timeout"]),
        )  # fmt: skip
    if done.returncode:
        raise FunctionError(done.stderr)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
