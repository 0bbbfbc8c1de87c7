"""How many examples a property is tried with, and which cases of very many.

Fewer where ``SOCKET_STATUS_TEST_EXAMPLES`` is ``few``, as tox sets it for every Python
but the newest, which tries as many as everybody who runs pytest. Fewest where it is
``fewest``, as for the Pythons between the oldest and the newest: of the tests that meet
each Python, those take turns.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["FEW", "FEWEST", "WHOLE", "as_many_as", "every_eighth", "has_its_turn"]

Name = TypeVar("Name")

FEWEST = os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") == "fewest"
FEW = FEWEST or os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") == "few"

#: Marks of tests whose every case is tried wherever the test runs.
WHOLE = {"versions"} if FEWEST else {"versions", "python", "oldest", "protocol"}


def as_many_as(count: int) -> int:
    """Return how many of so many are tried here."""
    return max(5, count // 8) if FEW else count


def has_its_turn(name: str, minor: int = sys.version_info[1]) -> bool:
    """Return whether a test that meets each Python is tried by this one of two.

    3.10 and 3.13 try each of them, and either 3.11 or 3.12 does.
    """
    return zlib.crc32(name.encode()) % 2 == minor % 2


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
