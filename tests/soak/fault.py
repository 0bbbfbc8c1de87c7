"""What a fault is: it begins, lasts for a while, and is over.

A fault holds the lock of what it breaks until it is over, so that faults of one thing
take turns, and those of several things come at once.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

from tests.soak.stores import Store
from tests.soak.workers import Worker

#: How long what lasts may last, in seconds: up to three leases of a second.
SHORTEST, LONGEST = 0.2, 3.0

Fault = Callable[[Store, Sequence[Worker], random.Random], Awaitable[None]]


def spell(rng: random.Random) -> float:
    """Return how long something lasts."""
    return rng.uniform(SHORTEST, LONGEST)
