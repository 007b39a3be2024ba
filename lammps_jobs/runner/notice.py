"""Where word of an interruption comes from besides signals: the EC2 instance metadata service.

A Spot notice (`spot/instance-action`) leaves 120 s; AWS advises to ask every 5 s. IMDSv2: a token by
PUT, then GETs with it; 404 means that nothing is announced.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable

TOKEN_S = 21600
ASK_EVERY_S = 5.0
SPOT_GRACE_S = 120.0


class SpotNotice:
    """Asks the metadata service at `endpoint` until a notice comes, then calls `on_notice` once."""

    def __init__(self, endpoint: str, on_notice: Callable[[], None], every_s: float = ASK_EVERY_S) -> None:
        self._endpoint, self._on_notice, self._every_s = endpoint.rstrip("/"), on_notice, every_s
        self._token = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True, name="spot-notice")
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(2 * self._every_s)

    def _ask(self) -> None:
        while not self._over.wait(self._every_s):
            if self._announced():
                self._on_notice()
                return

    def _announced(self) -> bool:
        try:
            self._token = self._token or self._call("PUT", "api/token")
            self._call("GET", "meta-data/spot/instance-action")
        except urllib.error.HTTPError as error:
            if error.code == 401:
                self._token = ""
            return False
        except OSError:
            return False
        return True

    def _call(self, method: str, path: str) -> str:
        headers = {"X-aws-ec2-metadata-token": self._token}
        if method == "PUT":
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)}
        request = urllib.request.Request(f"{self._endpoint}/latest/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=1.0) as answer:
            return str(answer.read().decode())
