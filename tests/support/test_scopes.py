"""Tests that share a server run in one process, in any order of their parameters."""

from __future__ import annotations

import pytest

from tests.servers.pairs import LIKE_UVICORN, PAIRS
from tests.support.scopes import scope_of


@pytest.mark.parametrize("pair", [*PAIRS, *LIKE_UVICORN], ids="-".join)
def test_tests_of_several_modules_share_a_pair(pair: tuple[str, str]) -> None:
    names = {
        scope_of(f"tests/servers/test_{it}[{'-'.join(pair)}]")
        for it in ("disconnect.py::test_a", "drain.py::test_b", "killed.py::test_c")
    }
    assert names == {"-".join(pair)}


@pytest.mark.parametrize("name", ["[daphne]", "[async-daphne]", "[daphne-async]"])
def test_tests_of_a_module_share_each_server(name: str) -> None:
    path = "tests/servers/test_endings.py"
    assert scope_of(f"{path}::test_a{name}") == f"{path} daphne"


def test_test_that_shares_nothing_is_alone() -> None:
    nodeid = "tests/faults/test_past.py::test_a[daphne-sqlite]"
    assert scope_of(nodeid) == nodeid
