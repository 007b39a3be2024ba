"""Where word of an interruption comes from besides signals: the EC2 instance metadata service.

A Spot notice (`spot/instance-action`) leaves 120 s; AWS advises to ask every 5 s. On a stack's machines jobs cannot
ask, since who can gets the machine's own role: a service of the machine asks, and writes what is announced into a
folder that they read (infra/notices.sh).
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

Word = Literal["gone soon", "at risk"]
TOKEN_S = 21600
ASK_EVERY_S = 5.0
SPOT_GRACE_S = 120.0
WATCHED = "watched"
"""The file that the machine's service touches whenever the metadata has answered it."""
BELIEVED_S = 30.0
"""Age of that file up to which the folder is believed; beyond it nobody keeps it."""


class Announcements(Protocol):
    """Where it is known whether the metadata says anything about `what` (a path below `meta-data/`)."""

    def announced(self, what: str) -> bool: ...


class MetadataService:
    """IMDSv2 at an address: a token by PUT, then GETs with it; 404 means that nothing is announced."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = ""

    def announced(self, what: str) -> bool:
        """False also where nobody answers."""
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


class NoticeFolder:
    """A folder with a file for each announcement, and another way to ask while nobody keeps the folder."""

    def __init__(self, folder: Path, otherwise: Announcements | None = None) -> None:
        self._folder, self._otherwise = folder, otherwise

    def announced(self, what: str) -> bool:
        if (self._folder / what.rpartition("/")[2]).exists():
            return True
        return self._otherwise is not None and not self._is_kept() and self._otherwise.announced(what)

    def _is_kept(self) -> bool:
        try:
            return time.time() - (self._folder / WATCHED).stat().st_mtime < BELIEVED_S
        except OSError:
            return False


def announcements(metadata: str, folder: Path | None) -> Announcements | None:
    """Whom to ask, given the metadata service's address and the folder of the machine's service; None where there is
    neither."""
    service = MetadataService(metadata) if metadata else None
    return NoticeFolder(folder, service) if folder else service


class SpotNotice:
    """A context in which a thread looks every `every_s` seconds for what `source` knows.

    It calls `on_notice` once with "gone soon" when a Spot notice comes, and once with "at risk" when EC2 recommends to
    rebalance, which may come earlier, or never.
    """

    def __init__(self, source: Announcements, on_notice: Callable[[Word], None], every_s: float = ASK_EVERY_S) -> None:
        self._source, self._on_notice, self._every_s = source, on_notice, every_s
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
            if self._source.announced("spot/instance-action"):
                self._on_notice("gone soon")
                return
            if not at_risk and self._source.announced("events/recommendations/rebalance"):
                at_risk = True
                self._on_notice("at risk")
