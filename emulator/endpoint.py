"""The one address behind which AWS is: calls about jobs go to the Batch fake, all others to moto.

Every call is kept as who asked for what, in the words of IAM, and faults can be put in its way.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CODES = {"503": "SlowDown", "500": "InternalError", "403": "AccessDenied", "409": "ConditionalRequestConflict"}
PAUSES = {"slow": 2.0, "silent": 5.0}
LATE_S = 0.7
JOB_CALLS = ("submitjob", "describejobs", "listjobs", "terminatejob", "canceljob")
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
PASSED_ON = ("content-type", "content-range", "etag", "last-modified", "date", "x-amzn-errortype", "x-amz-version-id",
             "accept-ranges", "x-amz-checksum-sha256", "x-amz-checksum-crc32")  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One HTTP call; `who` is the access key that signed it."""

    who: str
    service: str
    method: str
    path: str
    query: dict[str, str]
    target: str
    body: bytes
    if_none_match: str = ""
    copy_source: str = ""


@dataclass
class Fault:
    """What befalls the next `times` calls for which `on` is true."""

    on: Callable[[Call], bool]
    kind: str
    """`503`, `500`, `403`, `409`; `reset` (the connection breaks), `lost` (it breaks after the deed), `half` (it breaks
    in the middle of the answer), `slow` (two seconds), `silent` (no answer for five), `trickle` (it takes two), `twice`
    (the deed is done twice), `late` (the connection breaks, and the deed is done a while after that)."""
    times: int = 1


@dataclass
class Endpoint:
    """What was asked, and what shall go wrong."""

    moto_url: str
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    quotas: dict[str, float] = field(default_factory=dict)
    """Service quotas by their codes; 10,000 for all others."""
    spent: float = 0.0
    """USD of the month, as far as billing knows: what every budget says of it."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_for(self, call: Call) -> str:
        with self.lock:
            self.calls.append(call)
            for fault in self.faults:
                if fault.times and fault.on(call):
                    fault.times -= 1
                    return fault.kind
        return ""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone, killed perhaps, is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(
    endpoint: Endpoint, answer: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any], str]]
) -> Iterator[str]:
    """Serve; `answer` takes (operation, parameters) of the calls about jobs. Yields the URL."""
    moto = urllib.parse.urlsplit(endpoint.moto_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self._body()
            if len(body) < int(self.headers.get("Content-Length", "0")):
                return self._break()  # whoever sent it is dead: S3 keeps no half of an object
            call = self._call(body)
            fault = endpoint.fault_for(call)
            if fault in CODES:
                code = CODES[fault]
                text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
                return self._send(int(fault), text, {"Content-Type": "application/xml"})
            if fault == "late":
                threading.Timer(LATE_S, self._behind, [body]).start()
            if fault in ("reset", "late"):
                return self._break()
            if fault == "twice":
                self._behind(body)
            if fault in PAUSES:
                time.sleep(PAUSES[fault])
            known = self._known(call.target.rpartition(".")[2], body)
            if known:
                return self._send(200, json.dumps(known).encode(), {})
            operation = self.path.rpartition("/")[2]
            if call.service == "batch" and operation in JOB_CALLS:
                status, said, code = answer(operation, json.loads(body or b"{}"))
                return self._send(status, json.dumps(said).encode(), {"x-amzn-errortype": code} if code else {})
            return self._forward(body, fault)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

        def _known(self, operation: str, body: bytes) -> dict[str, Any]:
            """What is known here better than behind."""
            if operation == "GetServiceQuota":  # moto knows them in one region only
                return {"Quota": {"Value": endpoint.quotas.get(json.loads(body)["QuotaCode"], 10_000.0)}}
            if operation == "DescribeBudget":  # moto's account spends nothing
                budget = json.loads(self._behind(body)[1])["Budget"]
                budget["CalculatedSpend"]["ActualSpend"] = {"Amount": f"{endpoint.spent}", "Unit": "USD"}
                return {"Budget": budget}
            return {}

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))

        def _call(self, body: bytes) -> Call:
            at = urllib.parse.urlsplit(self.path)
            signed = _CREDENTIAL.search(self.headers.get("Authorization", ""))
            query = dict(urllib.parse.parse_qsl(at.query, keep_blank_values=True))
            target = self.headers.get("X-Amz-Target", "")
            who, service = (signed[1], signed[3]) if signed else ("", "")
            of_s3 = (self.headers.get("If-None-Match", ""), self.headers.get("x-amz-copy-source", ""))
            return Call(who, service, self.command, urllib.parse.unquote(at.path), query, target, body[:20000], *of_s3)

        def _behind(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
            skip = ("host", "content-length", "connection", "transfer-encoding", "expect")
            headers = {key: value for key, value in self.headers.items() if key.lower() not in skip}
            behind = http.client.HTTPConnection(moto, timeout=60)
            try:
                behind.request(self.command, self.path, body=body, headers=headers | {"Host": self.headers["Host"]})
                found = behind.getresponse()
                content = found.read()
            finally:
                behind.close()
            return found, content

        def _forward(self, body: bytes, fault: str) -> None:
            found, content = self._behind(body)
            passed = {key: value for key, value in found.getheaders() if key.lower() in PASSED_ON}
            length = found.getheader("Content-Length") if self.command == "HEAD" else None
            if fault == "lost":
                return self._break()
            return self._send(found.status, content, passed, fault, length)

        def _send(
            self, status: int, content: bytes, headers: dict[str, str], fault: str = "", length: str | None = None
        ) -> None:
            self.send_response_only(status)
            for key, value in ({"Content-Type": "application/json"} | headers).items():
                self.send_header(key, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if fault == "half":
                self.wfile.write(content[: len(content) // 2])
                return self._break()
            if fault == "trickle":
                for part in (content[:1000], content[1000:2000], content[2000:3000]):
                    self.wfile.write(part)
                    time.sleep(0.7)
                content = content[3000:]
            if self.command != "HEAD":
                self.wfile.write(content)

        def _break(self) -> None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
