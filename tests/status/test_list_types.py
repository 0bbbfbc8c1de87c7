"""What type checkers see of the lists is what the functions take."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from django_socket_status.status import list_types as types
from django_socket_status.status import lists


@pytest.mark.parametrize(
    ("function", "criteria"),
    [
        (lists.get_connections, ("_OpenPage", "_ClosedPage", "_RejectedPage")),
        (lists.iter_connections, ("_OpenCriteria", "_ClosedCriteria")),
    ],
)
def test_criteria_are_the_arguments_of_the_function(function, criteria):
    told: dict[str, Any] = {}
    for name in criteria:
        told.update(getattr(types, name).__annotations__)
    assert {*told, "state"} == set(inspect.signature(function).parameters)


def test_state_decides_which_criteria_there_are():
    assert "after" in types._OpenPage.__annotations__
    assert "cause" in types._ClosedPage.__annotations__
    assert types._RejectedPage.__annotations__.keys() - {"code"} == (
        types._OpenPage.__annotations__.keys() - {"after"}
    )
