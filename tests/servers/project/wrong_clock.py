"""A clock that is wrong by ``PROJECT_CLOCK`` seconds, if this is imported.

The process may change how wrong it is with :func:`set_wrong`.
"""

from __future__ import annotations

import os
import time

_wrong = [float(os.environ.get("PROJECT_CLOCK", "0"))]

right = time.time


def wrong() -> float:
    """Return the time of day, and not the right one."""
    return right() + _wrong[0]


def set_wrong(seconds: float) -> None:
    """Set the clock to be wrong by so many seconds."""
    _wrong[0] = seconds


time.time = wrong
