"""The line between supervisor and engine: JSON, one message a line, over a local socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


class Link:
    """Sends messages and hands incoming ones to `on_message` from a thread of its own.

    `on_close` is called when the other side is gone, however it went.
    """

    def __init__(
        self, connection: socket.socket, on_message: Callable[[Message], None], on_close: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._on_message, self._on_close = on_message, on_close
        self._sending = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True, name="link")
        self._reader.start()

    def send(self, **message: Any) -> None:
        """Raises OSError when the other side is gone."""
        with self._sending:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def drain(self, timeout_s: float) -> None:
        """Wait until everything that the other side sent before it closed has been handed over."""
        self._reader.join(timeout_s)

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._on_message(json.loads(line))
        except (OSError, ValueError):
            pass
        self._on_close()
