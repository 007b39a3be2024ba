"""What the awslogs driver does: a container's output, line by line, in CloudWatch Logs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any


class Shipper:
    """Brings a container's output to CloudWatch Logs, as the awslogs driver does."""

    def __init__(self, logs: Any, group: str, stream: str, file: Path) -> None:
        self._logs, self._group, self._stream, self._file = logs, group, stream, file
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ship, daemon=True)
        self._thread.start()

    def _ship(self) -> None:
        read = 0
        while True:
            last = self._over.is_set()
            lines = self._file.read_bytes()[read:].split(b"\n")
            whole = lines[:-1]
            read += sum(len(line) + 1 for line in whole)
            events = [
                {"timestamp": int(time.time() * 1000), "message": line.decode(errors="replace") or " "}
                for line in whole
            ]
            for start in range(0, len(events), 1000):
                self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream,
                                          logEvents=events[start : start + 1000])  # fmt: skip
            if last:
                return
            self._over.wait(0.3)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)
