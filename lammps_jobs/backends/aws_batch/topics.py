"""Publishing to an SNS topic, by which those who subscribed get e-mail."""

from __future__ import annotations

import json
from typing import Any

from lammps_jobs.backends.aws_batch.client import client, explained

LONGEST_SUBJECT = 99
"""Characters, all of ASCII (SNS, Publish, Subject)."""


def publish(topic: str, text: str, message: dict[str, Any]) -> None:
    """Publish a run's end: the text as subject, all as JSON below it; state and run as attributes, by which
    subscriptions filter. Raises CloudError."""
    subject = " ".join(text.encode("ascii", "replace").decode().split())[:LONGEST_SUBJECT]
    known = {name: {"DataType": "String", "StringValue": str(message[name])} for name in ("run", "state")}
    with explained(topic):
        client("sns", topic.split(":")[3]).publish(
            TopicArn=topic, Subject=subject, Message=f"{text}\n\n{json.dumps(message, indent=1)}",
            MessageAttributes=known,
        )  # fmt: skip
