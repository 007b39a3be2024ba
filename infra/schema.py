"""JSON Schema of a stack's configuration file: `python -m infra.schema > docs/stack-config.schema.json`;
the same as a page to read: `python -m infra.schema --page > docs/stack-config.md`.

Editors complete and check `Pulumi.<stack>.yaml` with it; the program itself checks more (what fits together).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from infra.config import (
    PROJECT,
    Access,
    Alerts,
    Build,
    Existing,
    ExistingBucket,
    ExistingNetwork,
    Job,
    Network,
    Pool,
    Quotas,
    Section,
    Sharing,
    StackConfig,
    Storage,
)


def schema() -> dict[str, Any]:
    model = StackConfig.model_json_schema()
    own = model["properties"]
    keys = {"aws:region" if name == "region" else f"{PROJECT}:{name}": value for name, value in own.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack configuration of lammps-jobs",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": keys,
                "required": ["aws:region", f"{PROJECT}:pools"],
                "patternProperties": {f"^(?!{PROJECT}:)": {}},
                "additionalProperties": False,
            }
        },
        "required": ["config"],
        "$defs": model["$defs"],
    }


SECTIONS: dict[str, type[Section]] = {
    "network": Network, "network.existing": ExistingNetwork, "pools": Pool, "pools[].job": Job, "storage": Storage,
    "storage.existing": ExistingBucket, "image (source: build)": Build, "image (source: existing)": Existing,
    "access": Access, "alerts": Alerts, "quotas": Quotas, "sharing": Sharing,
}  # fmt: skip


def page() -> str:
    """Every key with its default and its unit, section by section."""
    lines = [
        "# Stack configuration",
        "",
        "Keys of `Pulumi.<stack>.yaml`, all under `lammps-jobs:` but the region, which is `aws:region`. Only the",
        "region and `pools` have no default. Unknown keys are refused. Made by `python -m infra.schema --page`; for",
        "editors there is a [JSON Schema](stack-config.schema.json).",
        "",
    ]
    top = {
        name: field for name, field in StackConfig.model_fields.items() if name not in (*SECTIONS, "image", "region")
    }
    for title, fields in [("", top), *((title, model.model_fields) for title, model in SECTIONS.items())]:
        lines += [f"## {title or 'Top level'}", "", "| Key | Default | Meaning |", "|---|---|---|"]
        for name, field in fields.items():
            default = "required" if field.is_required() else f"`{_shown(field.default)}`"
            lines.append(f"| `{name}` | {default} | {' '.join((field.description or '').split())} |")
        lines.append("")
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if isinstance(default, Section):
        return "{}"
    return json.dumps(list(default) if isinstance(default, tuple) else default, default=str)


if __name__ == "__main__":
    print(page() if "--page" in sys.argv else json.dumps(schema(), indent=1))
