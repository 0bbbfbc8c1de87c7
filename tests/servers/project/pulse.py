"""Writes down when a process of a server could not run, one line of JSON each time."""

from __future__ import annotations

import json
import os

from tests.support.pulse import Pulse


def keep(path: str) -> None:
    """Write to a file that several processes may share, also those that are forked."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def begin() -> None:
        Pulse(lambda stall: os.write(file, json.dumps(stall).encode() + b"\n"))

    begin()
    os.register_at_fork(after_in_child=begin)
