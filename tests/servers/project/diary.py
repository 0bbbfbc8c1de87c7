"""Writes down what the signals tell, one line of JSON each."""

from __future__ import annotations

import json
import os
from typing import Any

from django_socket_status.records import ConnectionRecord
from django_socket_status.signals import (
    socket_closed,
    socket_opened,
    socket_rejected,
)

FACTS = ("close_code", "close_reason", "ended_by", "cause")


def keep(path: str) -> None:
    """Write to a file that several processes may share."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    signals = (socket_opened, socket_closed, socket_rejected)
    for kind, signal in zip(("opened", "closed", "rejected"), signals, strict=True):

        def write(connection: ConnectionRecord, kind: str = kind, **facts: Any) -> None:
            entry = {
                "kind": kind,
                "type": connection.type,
                "room": connection.labels.get("room"),
                **{name: facts[name] for name in FACTS if name in facts},
            }
            os.write(file, json.dumps(entry).encode() + b"\n")

        signal.connect(write, weak=False)
