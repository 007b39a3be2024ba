"""Turns a resource's inputs, as Pulumi hands them to its provider, into an AWS request that botocore accepts."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

_SESSION = botocore.session.get_session()
_MODELS: dict[str, Any] = {}


def operation(service: str, name: str) -> Any:
    """botocore's own model of an operation, `CreateVpc` of `ec2`."""
    if service not in _MODELS:
        _MODELS[service] = _SESSION.get_service_model(service)
    return _MODELS[service].operation_model(name)


def request(service: str, name: str, inputs: dict[str, Any], /, **renamed: str) -> dict[str, Any]:
    """The parameters of `name` made from `inputs`, whose keys differ in case, plural or by `renamed`.

    Raises ValueError for an input that the operation does not know or whose type is wrong.
    """
    shape = operation(service, name).input_shape
    made: dict[str, Any] = _shaped(
        shape, {renamed.get(key, key): value for key, value in inputs.items()}, f"{service} {name}"
    )
    report = ParamValidator().validate(made, shape)
    if report.has_errors():
        raise ValueError(f"{service} {name}: {report.generate_report()}")
    return made


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _member(shape: Any, key: str) -> str | None:
    wanted = _plain(key)
    found: dict[str, str] = {_plain(name): name for name in shape.members}
    for form in (wanted, wanted + "s", wanted.removesuffix("s"), wanted.removesuffix("es"), wanted + "list",
                 wanted.removesuffix("lists") + "list", wanted.removesuffix("lists") + "s"):  # fmt: skip
        if form in found:
            return found[form]
    return None


def _shaped(shape: Any, value: Any, where: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if isinstance(value, list) and len(value) == 1:  # the provider calls some single blocks lists
            value = value[0]
        made = {}
        for key, one in value.items():
            name = _member(shape, key)
            if name is None:
                raise ValueError(f"{where}: {key} is unknown; there are {sorted(shape.members)}")
            if one is not None:
                made[name] = _shaped(shape.members[name], one, f"{where}.{name}")
        return made
    if kind == "list":
        if isinstance(value, dict) and {_plain(m) for m in getattr(shape.member, "members", {})} == {"key", "value"}:
            keys = {_plain(m): m for m in shape.member.members}
            return [{keys["key"]: key, keys["value"]: text} for key, text in sorted(value.items())]
        items = value if isinstance(value, list) else [value]
        return [_shaped(shape.member, one, f"{where}[]") for one in items]
    if kind == "map":
        return {key: _shaped(shape.value, one, f"{where}.{key}") for key, one in value.items()}
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        return (
            json.dumps(value)
            if isinstance(value, dict | list)
            else str(int(value) if isinstance(value, float) else value)
        )
    return value
