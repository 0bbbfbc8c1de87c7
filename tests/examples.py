"""How many examples a property is tried with, and which cases of very many.

Fewer where ``SOCKET_STATUS_TEST_EXAMPLES`` is ``few``, as tox sets it for every Python
but the newest, which tries as many as everybody who runs pytest. Fewest where it is
``fewest``, as for the Pythons between the oldest and the newest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["FEW", "WHOLE", "as_many_as", "every_eighth"]

Name = TypeVar("Name")

FEW = os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") in ("few", "fewest")

#: Marks of tests whose every case is tried wherever the test runs.
WHOLE = {"bytecode"}
if os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") != "fewest":
    WHOLE |= {"python", "oldest", "protocol"}


def as_many_as(count: int) -> int:
    """Return how many of so many are tried here."""
    return max(10, count // 8) if FEW else count


def every_eighth(names: Iterable[Name]) -> list[bool]:
    """Return for each case whether it is tried here, told the name of its test.

    Every eighth one of each test is, and always the first.
    """
    seen = Counter[Name]()
    tried = []
    for name in names:
        tried.append(seen[name] % 8 == 0)
        seen[name] += 1
    return tried
