"""The line between supervisor and engine: JSON, one message a line, over a local socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from lammps_jobs.record.documents import Frozen

M = TypeVar("M")

SHOWN = 200
"""Characters of a malformed line that are shown."""


class Channel(Generic[M]):
    """Sends messages, and hands incoming ones of the union `incoming` to `on_message`, from a thread of its own.

    `on_malformed` gets a description of a line that is no such message; reading goes on behind it. `on_close` is
    called when the other side is gone, however it went.
    """

    def __init__(
        self, connection: socket.socket, incoming: TypeAdapter[M], on_message: Callable[[M], None],
        on_malformed: Callable[[str], None], on_close: Callable[[], None],
    ) -> None:  # fmt: skip
        self._connection, self._incoming = connection, incoming
        self._on_message, self._on_malformed, self._on_close = on_message, on_malformed, on_close
        self._sending = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True, name="channel")
        self._reader.start()

    def send(self, message: Frozen) -> None:
        """Raises OSError when the other side is gone."""
        content = message.model_dump_json().encode()
        with self._sending:
            self._connection.sendall(content + b"\n")

    def drain(self, timeout_s: float) -> None:
        """Wait until everything that the other side sent before it closed has been handed over."""
        self._reader.join(timeout_s)

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            pass
        self._on_close()

    def _take(self, line: bytes) -> None:
        try:
            message = self._incoming.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            shown = line[:SHOWN].decode(errors="replace").strip()
            self._on_malformed(f"{place or 'message'}: {first['msg']}: {shown}")
        else:
            self._on_message(message)
