"""Rank 0's line to the supervisor: reports go out, orders come in."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from lammps_jobs.engine.checkpoint_handler import CheckpointHandler
from lammps_jobs.protocol.channel import Channel
from lammps_jobs.protocol.messages import ORDER, Fetch, Fetched, Order, Report, Stop, TakeCheckpoint, Uploaded, Warned

ABANDONED = 99
"""Exit code of a rank whose supervisor is gone: nobody records this attempt any more."""


class MalformedOrder(Exception):
    """The supervisor said something that is no order."""


class SupervisorLine:
    """Connected as soon as it is made. Requests for checkpoints go to `handler`.

    `on_failure` is called, from a thread, with a MalformedOrder. Raises OSError when nobody listens.
    """

    def __init__(self, address: Path, handler: CheckpointHandler, on_failure: Callable[[Exception], object]) -> None:
        self.handler, self._on_failure = handler, on_failure
        self._changed = threading.Condition()
        self._uploaded = 0
        self._fetched: set[str] = set()
        self._warnings: set[str] = set()
        self._late: threading.Thread | None = None
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(address))
        self._channel: Channel[Order] = Channel(
            connection, ORDER, self._take, self._refuse, lambda: os._exit(ABANDONED)
        )

    def _take(self, order: Order) -> None:
        with self._changed:
            match order:
                case TakeCheckpoint() | Stop():
                    self.handler.take(order)
                case Uploaded():
                    self._uploaded = order.number
                case Fetched():
                    self._fetched.add(order.name)
                case _:
                    assert_never(order)
            self._changed.notify_all()

    def _refuse(self, text: str) -> None:
        self._on_failure(MalformedOrder(text))

    def send(self, report: Report) -> None:
        self._channel.send(report)

    def send_later(self, ready: Callable[[], Report]) -> None:
        """Send what `ready` returns when it is ready; one at a time, and what relies on it waits (`settle`)."""

        def send() -> None:
            try:
                self.send(ready())
            except Exception as error:
                self._on_failure(error)

        self.settle()
        self._late = threading.Thread(target=send, name="late report", daemon=True)
        self._late.start()

    def settle(self, timeout_s: float | None = None) -> None:
        """Return when nothing is left to be sent later."""
        if self._late and self._late is not threading.current_thread():
            self._late.join(timeout_s)

    def warn_once(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.add(text)
            self.send(Warned(text=text))

    def wait_uploaded(self, number: int) -> None:
        """Return when what the cut `number` left has been read."""
        with self._changed:
            self._changed.wait_for(lambda: self._uploaded >= number)

    def fetch(self, name: str, target: Path) -> None:
        """Have the supervisor write a recorded output, as the last cut has it, to `target`."""
        self.settle()
        self._fetched.discard(name)
        self.send(Fetch(name=name, target=target))
        with self._changed:
            self._changed.wait_for(lambda: name in self._fetched)
