"""How many examples a property is tried with.

Fewer where ``SOCKET_STATUS_TEST_EXAMPLES`` is ``few``, as tox sets it for versions that
are neither the oldest nor the newest: those try as many as everybody who runs pytest.
"""

from __future__ import annotations

import os

__all__ = ["as_many_as"]

FEW = os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") == "few"


def as_many_as(count: int) -> int:
    """Return how many of so many are tried here."""
    return max(10, count // 8) if FEW else count
