"""Servers on loopback that stand in for AWS: moto's S3, and a machine's metadata with the service that watches it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emulator import ROOT
from emulator.patience import scaled, until


@contextlib.contextmanager
def moto(**settings: str) -> Iterator[str]:
    """A moto server with environment variables `settings`; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, **settings})  # fmt: skip
    try:
        until(lambda: _answers(port) or server.poll() is not None, "moto's server to answer")
        assert server.poll() is None, f"moto's server ended with code {server.returncode}"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(scaled(10))
        except subprocess.TimeoutExpired:  # it keeps nothing that would have to be saved
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Metadata(BaseHTTPRequestHandler):
    """IMDSv2 as EC2 serves it: a token by PUT, 401 without it, 404 until a notice is out."""

    service: MetadataService

    def do_PUT(self) -> None:
        self._answer(200, "a-token")

    def do_GET(self) -> None:
        self.service.asked.append(self.path)
        if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
            self._answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.service.notice.is_set():
            self._answer(200, '{"action": "terminate", "time": "2026-01-01T00:00:00Z"}')
        elif self.path == "/latest/meta-data/events/recommendations/rebalance" and self.service.at_risk.is_set():
            self._answer(200, '{"noticeTime": "2026-01-01T00:00:00Z"}')
        else:
            self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Silent."""


@dataclass
class MetadataService:
    """Its URL, the events by which it announces an interruption or recommends to leave, and what it was asked."""

    url: str = ""
    notice: threading.Event = field(default_factory=threading.Event)
    at_risk: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def metadata() -> Iterator[MetadataService]:
    """An instance's metadata service, without any announcement at first."""
    service = MetadataService()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Metadata,), {"service": service}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def noticing(service: MetadataService, folder: Path) -> Iterator[None]:
    """The service that a stack's machines run, on this metadata: it writes announcements into the folder."""
    settings = {"METADATA": service.url, "NOTICES": str(folder), "EVERY": "0.2"}
    watch = subprocess.Popen(["bash", ROOT / "infra" / "notices.sh", "watch"], env={**os.environ, **settings})
    try:
        yield
    finally:
        watch.terminate()
        watch.wait(scaled(10))
