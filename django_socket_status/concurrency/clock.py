"""The two clocks: one that measures waits and leases, and one that tells the time.

Tests freeze or move the time of their project with packages that replace functions of
``time``. The instants that this package shows follow, all of them. Reports, leases and
waits must go on meanwhile, so they read the system's clock by a function that these
packages leave alone.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

__all__ = ["monotonic", "wall_clock"]


def _clock() -> Callable[[], float]:
    # The clock behind ``time.monotonic`` on macOS, and on other systems.
    for name in ("CLOCK_UPTIME_RAW", "CLOCK_MONOTONIC"):
        if (number := getattr(time, name, None)) is not None:
            return functools.partial(time.clock_gettime, number)
    return time.monotonic  # noqa: TID251 - this is the place


#: Returns the seconds of the clock that :func:`time.monotonic` reads.
monotonic = _clock()


def wall_clock() -> float:
    """Return the seconds since the epoch, as a test may have set them."""
    # A default argument ``time.time`` would be the function from before the test.
    return time.time()
