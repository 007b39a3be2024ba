"""The dashboard's server: answers one browser on this machine, and changes nothing."""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from lammps_jobs.dashboard import guard
from lammps_jobs.dashboard.pages import Pages

if TYPE_CHECKING:
    from lammps_jobs.api.cluster import Cluster

LOOPBACK, PORT = "127.0.0.1", 8765
NO_KEY = "Open the address that `lammps-jobs dashboard` printed: it bears the key."
SLOW_S = 60.0
"""Seconds that a client may keep a connection without a word."""


class Dashboard:
    """A server on loopback; `address` is what a browser opens. Used as a context, it serves in a thread."""

    def __init__(self, cluster: Cluster, port: int = PORT) -> None:
        """Takes another port where `port` is taken; 0 is any that is free."""
        self.key = secrets.token_urlsafe(24)
        pages, script = Pages(cluster), files(__package__).joinpath("dashboard.js").read_text()
        handler = _handler(pages, script, self.key)
        try:
            self._server = _Server((LOOPBACK, port), handler)
        except OSError:
            self._server = _Server((LOOPBACK, 0), handler)
        self.port = self._server.server_port

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/?key={self.key}"

    def serve(self) -> None:
        """Until `close`, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.2)

    def __enter__(self) -> Dashboard:
        threading.Thread(target=self.serve, daemon=True, name="dashboard").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(pages: Pages, script: str, key: str) -> type[BaseHTTPRequestHandler]:
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "lammps-jobs", ""
        timeout = SLOW_S

        def _handle(self) -> None:
            assert isinstance(self.server, ThreadingHTTPServer)
            port = self.server.server_port
            status, why = guard.refused(self.command, dict(self.headers.items()), port)
            if status:
                return self._send(status, why, "text/plain")
            asked = urlsplit(self.path)
            query = dict(parse_qsl(asked.query))
            given = query.pop("key", None)
            if given is not None and hmac.compare_digest(given.encode(), key.encode()):
                there = f"{asked.path}?{urlencode(query)}" if query else asked.path
                extra = {"Set-Cookie": guard.cookie(port, key), "Location": "/" + there.lstrip("/\\")}
                return self._send(303, "", "text/plain", extra)
            if not guard.has_key(dict(self.headers.items()), port, key):
                return self._send(403, NO_KEY, "text/plain")
            if asked.path == "/dashboard.js":
                return self._send(200, script, "text/javascript")
            with one_at_a_time:  # a look at a store is shared by its threads already
                status, page = pages.answer(unquote(asked.path), query)
            return self._send(status, page, "text/html")

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _handle

        def _send(self, status: int, text: str, kind: str, extra: dict[str, str] | None = None) -> None:
            content = text.encode()
            self.send_response(status)
            for name, value in (guard.HEADERS | (extra or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Silent."""

    return Handler
