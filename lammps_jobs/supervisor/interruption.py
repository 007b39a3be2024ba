"""Where word of an interruption comes from besides signals: the EC2 instance metadata service.

A Spot notice (`spot/instance-action`) leaves 120 s; AWS advises to ask every 5 s. IMDSv2: a token by
PUT, then GETs with it; 404 means that nothing is announced.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Literal

Word = Literal["gone soon", "at risk"]
TOKEN_S = 21600
ASK_EVERY_S = 5.0
SPOT_GRACE_S = 120.0


class SpotNotice:
    """A context in which a thread asks the metadata service at `endpoint` every `every_s` seconds.

    It calls `on_notice` once with "gone soon" when a Spot notice comes, and once with "at risk" when EC2 recommends to
    rebalance, which may come earlier, or never.
    """

    def __init__(self, endpoint: str, on_notice: Callable[[Word], None], every_s: float = ASK_EVERY_S) -> None:
        self._endpoint, self._on_notice, self._every_s = endpoint.rstrip("/"), on_notice, every_s
        self._token = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True, name="spot-notice")

    def __enter__(self) -> SpotNotice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(2 * self._every_s)

    def _ask(self) -> None:
        at_risk = False
        while not self._over.wait(self._every_s):
            if self._announced("spot/instance-action"):
                self._on_notice("gone soon")
                return
            if not at_risk and self._announced("events/recommendations/rebalance"):
                at_risk = True
                self._on_notice("at risk")

    def _announced(self, what: str) -> bool:
        try:
            self._token = self._token or self._call("PUT", "api/token")
            self._call("GET", f"meta-data/{what}")
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
