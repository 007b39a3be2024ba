"""The test account as a provider process for the real Pulumi engine: its gRPC, answered from the table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from emulator.account import Account
from emulator.table import kind_of

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How Pulumi writes a value that is not known before the update (its SDKs' `UNKNOWN`)."""


def _dict(struct: Any) -> dict[str, Any]:
    made: dict[str, Any] = MessageToDict(struct)
    return made


def _struct(value: dict[str, Any]) -> Any:
    return ParseDict(_plain(value), struct_pb2.Struct())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Knows the types of `emulator.account`."""

    def __init__(self, account: Account, package: str) -> None:
        self.account, self.package = account, package

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version(f"pulumi-{self.package}"))

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        with _said(context):
            kind_of(_type(request.urn))
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = _dict(request.old_inputs), _dict(request.news)
        changed = sorted(
            key for key in {*old, *new} if old.get(key) != new.get(key) and key not in request.ignoreChanges
        )
        replaces = [key for key in changed if key in kind_of(_type(request.urn)).replaces]
        detailed = {
            key: provider_pb2.PropertyDiff(kind=_kind(key, old, new, replaces), inputDiff=True) for key in changed
        }
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some, diffs=changed, replaces=replaces, detailedDiff=detailed, hasDetailedDiff=True
        )

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with _said(context):
            number, state = self.account.create(_type(request.urn), _dict(request.properties))
            return provider_pb2.CreateResponse(id=number, properties=_struct(state))

    def Update(self, request: Any, context: Any) -> Any:
        if request.preview:
            planned = {**_dict(request.olds), **_dict(request.news)}
            planned |= dict.fromkeys(kind_of(_type(request.urn)).moves, UNKNOWN)
            return provider_pb2.UpdateResponse(properties=_struct(planned))
        with _said(context):
            state = self.account.update(_type(request.urn), request.id, _dict(request.olds), _dict(request.news))
            return provider_pb2.UpdateResponse(properties=_struct(state))

    def Read(self, request: Any, context: Any) -> Any:
        """What is there still: the account remembers what it made and did not remove."""
        here = any(number == request.id for _, number in self.account.made)
        return provider_pb2.ReadResponse(
            id=request.id if here else "", properties=request.properties, inputs=request.inputs
        )

    def Delete(self, request: Any, context: Any) -> Any:
        with _said(context):
            self.account.delete(_type(request.urn), request.id, _dict(request.properties))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        with _said(context):
            return provider_pb2.InvokeResponse(
                **{"return": _struct(self.account.invoke(request.tok, _dict(request.args)))}
            )

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


def _kind(key: str, old: dict[str, Any], new: dict[str, Any], replaces: list[str]) -> Any:
    verb = "ADD" if key not in old else "DELETE" if key not in new else "UPDATE"
    return getattr(provider_pb2.PropertyDiff, verb + ("_REPLACE" if key in replaces else ""))


@contextlib.contextmanager
def _said(context: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def serving(account: Account) -> Iterator[str]:
    """A provider each for `aws` and `docker` on free ports of loopback; yields the engine's PULUMI_DEBUG_PROVIDERS."""
    servers, found = [], []
    for package in ("aws", "docker"):
        server = grpc.server(ThreadPoolExecutor(8))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(account, package), server)
        found.append(f"{package}:{server.add_insecure_port('127.0.0.1:0')}")
        server.start()
        servers.append(server)
    try:
        yield ",".join(found)
    finally:
        for server in servers:
            server.stop(grace=1).wait()
