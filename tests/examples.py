"""How many examples a property is tried with, and which cases of very many.

Fewer where ``SOCKET_STATUS_TEST_EXAMPLES`` is ``few``, as tox sets it for every Python
but the newest, which tries as many as everybody who runs pytest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["FEW", "as_many_as", "some_of"]

Case = TypeVar("Case")

FEW = os.environ.get("SOCKET_STATUS_TEST_EXAMPLES") == "few"


def as_many_as(count: int) -> int:
    """Return how many of so many are tried here."""
    return max(10, count // 8) if FEW else count


def some_of(cases: Sequence[Case]) -> Sequence[Case]:
    """Return the cases that are tried here: all, or every eighth."""
    return cases[::8] if FEW else cases
