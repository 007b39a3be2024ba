"""Pulumi's language host for Python, which no package registry has: the command line runs `infra/` as a process.

`pulumi` finds the executable `pulumi-language-python` on the PATH, reads a port from its first line and asks it over
gRPC (`LanguageRuntime`) to install what a program needs and to run it. As in the real host a program runs with the
interpreter of its own virtual environment, from `emulator/program.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

PROGRAM = Path(__file__).with_name("program.py")
BAILED = 32
"""Exit code of a program that has told the engine itself what is wrong (that of Pulumi's own hosts)."""


def interpreter(info: Any) -> Path:
    """The Python of the project's virtual environment (`runtime.options.virtualenv`)."""
    options = MessageToDict(info.options)
    return Path(info.root_directory, str(options["virtualenv"]), "bin", "python")


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs and installs; knows nothing of debuggers, code generation and other toolchains than pip."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.stopped = threading.Event()

    def Handshake(self, request: Any, context: Any) -> Any:
        self.engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo()

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=str(interpreter(request.info)), version=sys.version.split()[0])

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """None: the providers are served already."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """As the toolchain `pip`: a virtual environment, and what `requirements.txt` beside the program says."""
        python, needs = interpreter(request.info), Path(request.info.program_directory) / "requirements.txt"
        steps = [[sys.executable, "-m", "venv", str(python.parent.parent)]] if not python.exists() else []
        if needs.exists():
            steps.append([str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(needs)])
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            yield language_pb2.InstallDependenciesResponse(stdout=done.stdout.encode(), stderr=done.stderr.encode())
            if done.returncode:
                context.abort(grpc.StatusCode.UNKNOWN, f"{' '.join(step)} ended with {done.returncode}")

    def Run(self, request: Any, context: Any) -> Any:
        python = interpreter(request.info)
        if not python.exists():
            return language_pb2.RunResponse(error=f"{python} does not exist: run `pulumi install`")
        settings = {
            "project": request.project,
            "monitor_address": request.monitor_address,
            "engine_address": self.engine,
            "stack": request.stack,
            "parallel": request.parallel,
            "preview": request.dryRun,
            "organization": request.organization or "organization",
        }
        environment = {**os.environ, "PULUMI_CONFIG": json.dumps(dict(request.config)),
                       "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys))}  # fmt: skip
        program = os.path.join(request.info.program_directory, request.info.entry_point)
        done = subprocess.run(
            [str(python), "-u", str(PROGRAM), json.dumps(settings), program],
            cwd=request.pwd, env=environment, stdout=sys.stderr, check=False,
        )  # fmt: skip
        if done.returncode in (0, BAILED):
            return language_pb2.RunResponse(bail=done.returncode == BAILED)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {done.returncode}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """A policy pack, with the interpreter that it names; the engine ends it by ending the call."""
        program = os.path.join(request.info.program_directory, request.info.entry_point)
        command = [str(interpreter(request.info)), "-u", "-W", "ignore", "-m", "pulumi.policy", *request.args, program]
        environment = {**os.environ, **dict(one.split("=", maxsplit=1) for one in request.env)}
        pack = subprocess.Popen(command, cwd=request.pwd, env=environment, stdout=subprocess.PIPE)
        context.add_callback(pack.terminate)
        assert pack.stdout
        for line in pack.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=pack.wait())

    def Cancel(self, request: Any, context: Any) -> Any:
        self.stopped.set()
        return empty_pb2.Empty()


def main() -> None:
    """Serves until the command line ends it."""
    host = LanguageHost(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))
    server = grpc.server(ThreadPoolExecutor(8))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: host.stopped.set())
    signal.signal(signal.SIGINT, lambda *_: host.stopped.set())
    while not host.stopped.wait(5) and os.getppid() != 1:  # its parent is gone: nobody will ask any more
        pass
    server.stop(grace=0).wait()


if __name__ == "__main__":
    main()
