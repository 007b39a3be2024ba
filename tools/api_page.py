"""docs/api.md: the public interface, from its docstrings. `python -m tools.api_page > docs/api.md`"""

from __future__ import annotations

import dataclasses
import inspect
import re
from types import FunctionType
from typing import Any, get_args

from pydantic import BaseModel

import lammps_jobs

SECTIONS = {
    "Starting": ("connect", "Cluster", "Run", "RunStatus", "State", "Sweep", "Plot"),
    "Waiting for several": ("as_completed", "wait", "DoneAndNotDone"),
    "What is asked for": ("Resources", "Checkpoints", "Values", "After", "RunSpec", "CutPlan"),
    "Rehearsing": ("rehearse", "RehearsalReport", "Verdict", "StageVerdict", "Difference"),
    "What is recorded of a run": ("Progress", "Event", "Checkpoint", "Fidelity", "Grade", "OutputFile", "Blob"),
}
HEAD = """# Python interface

Everything here is imported from `lammps_jobs`; names that are not here may change at any time.
`import lammps_jobs` is light: LAMMPS, boto3 and pandas are loaded by the calls that need them.
Words: [glossary](glossary.md). Made by `python -m tools.api_page > docs/api.md`.

```python
import lammps_jobs

cluster = lammps_jobs.connect()
run = cluster.submit("in.melt", variables={"T": 1.5}, name="melt-1.5")
if run.wait().state == "finished":
    run.download("results")
```"""
ERRORS = """## Errors

Every error is a `LammpsJobsError` with `what` happened, `where`, the `remedy`, and the command line's `exit_code`.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [described(name, getattr(lammps_jobs, name)) for name in names]
    parts.append(ERRORS + "\n" + "\n".join(errors()))
    return "\n\n".join(parts)


def errors() -> list[str]:
    """The table of the errors, by exit code."""
    kinds = [kind for name in lammps_jobs.__all__ if _is_error(kind := getattr(lammps_jobs, name))]
    rows = [f"| `{kind.__name__}` | {kind.exit_code} | {_text(kind)} |"
            for kind in sorted(kinds, key=lambda kind: kind.exit_code)]  # fmt: skip
    return ["| Error | Exit code | When |", "|---|---|---|", *rows]


def described(name: str, value: Any) -> str:
    """The section of one public name."""
    if isinstance(value, FunctionType):
        return f"### {name}\n\n{_call(name, value)}\n\n{_text(value)}"
    if not inspect.isclass(value):
        return f"### {name}\n\n{_alias(value)}"
    lines = [f"### {name}", "", _text(value)]
    if fields := _fields(value):
        lines += ["", *fields]
    for key, member in vars(value).items():
        if key.startswith("_"):
            continue
        if isinstance(member, property) and member.fget:
            returns = _plain(str(inspect.signature(member.fget).return_annotation))
            lines += ["", f"**`{name}.{key}`** → `{returns}`", "", _text(member.fget)]
        elif isinstance(member, FunctionType):
            lines += ["", _call(f"{name}.{key}", member), "", _text(member)]
    return "\n".join(lines)


def _fields(value: type) -> list[str]:
    """The fields of a model or a dataclass, one a line: name, type, default, meaning."""
    meanings = {key: text for base in reversed(value.__mro__) for key, text in _texts_below_fields(base).items()}
    kinds = {key: str(kind) for base in reversed(value.__mro__) for key, kind in inspect.get_annotations(base).items()}
    if issubclass(value, BaseModel):
        return [
            _field(key, kinds[key], "" if field.is_required() else field.default,
                   field.description or meanings.get(key, ""))
            for key, field in value.model_fields.items() if key != "format"
        ]  # fmt: skip
    if dataclasses.is_dataclass(value):
        return [
            _field(field.name, kinds[field.name], "" if field.default is dataclasses.MISSING else field.default,
                   meanings.get(field.name, ""))
            for field in dataclasses.fields(value)
        ]  # fmt: skip
    return []


def _field(key: str, kind: str, default: Any, meaning: str) -> str:
    shown = f" = {default!r}" if default != "" and isinstance(default, str | int | float | tuple | None) else ""
    return f"- `{key}: {_plain(kind)}{shown}`" + (f": {' '.join(meaning.split())}" if meaning else "")


def _texts_below_fields(value: type) -> dict[str, str]:
    """What the strings below the fields of a class of ours say."""
    if not value.__module__.startswith("lammps_jobs"):
        return {}
    pattern = re.compile(r'^    (\w+): .*\n    """((?:.|\n)*?)"""', re.MULTILINE)
    return dict(pattern.findall(inspect.getsource(value)))


def _call(name: str, function: FunctionType) -> str:
    signature = inspect.signature(function)
    own = [p for key, p in signature.parameters.items() if key != "self"]
    returns = _plain(str(signature.return_annotation))
    parts, starred = [], False
    for parameter in own:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        parts.append(f"{parameter.name}: {_plain(str(parameter.annotation))}{default}")
    line = f"{name}({', '.join(parts)}) -> {returns}"
    if len(line) > 100:
        line = f"{name}(\n    " + ",\n    ".join(parts) + f",\n) -> {returns}"
    return f"```python\n{line}\n```"


def _default(value: Any) -> str:
    if isinstance(value, FunctionType):
        return "..."
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}()"
    return repr(value)


def _alias(value: Any) -> str:
    args = get_args(value)
    if all(isinstance(arg, str) for arg in args):
        return "One of " + ", ".join(f"`{arg}`" for arg in args) + "."
    return f"`{str(value).replace('collections.abc.', '')}`"


def _plain(annotation: str) -> str:
    """An annotation without what only the validation needs."""
    return re.sub(r"Annotated\[(.+?), Field\(.*?\)\]", r"\1", annotation)


def _text(value: Any) -> str:
    return inspect.cleandoc(value.__doc__ or "")


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, lammps_jobs.LammpsJobsError)


if __name__ == "__main__":
    print(page())
