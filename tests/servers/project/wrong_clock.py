"""A clock that is wrong by ``PROJECT_CLOCK`` seconds, if this is imported."""

from __future__ import annotations

import os
import time

SECONDS = float(os.environ["PROJECT_CLOCK"])

right = time.time


def wrong() -> float:
    """Return the time of day, and not the right one."""
    return right() + SECONDS


time.time = wrong
