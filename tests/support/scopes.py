"""Gives tests that share a server to one process of pytest-xdist, the longest first.

A plugin of the environment ``servers``, which uses ``--dist loadscope`` and
``--no-loadscope-reorder``. With ``worksteal``, a process starts what another one has
running.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["scope_of"]

#: Where a test takes longest, or many wait for one server. The short ones, which come
#: after these, fill what is left over at the end.
FIRST = re.compile(
    r"tests/(soak|schema|test_benchmarks|recipes|test_mirror|servers|previous"
    r"|test_example_project|test_tutorial)\b"
)

#: Modules whose tests share servers with each other, or with those of other modules.
PAIRS = re.compile(r"tests/servers/test_(disconnect|drain|killed)\.py")
SERVER = re.compile(
    r"[\[-]((?:daphne|uvicorn-\w+|hypercorn|granian|gunicorn(?:-uvicorn)?)"
    r"(?:-sqlite|-redis)?)[\]-]"
)
SHARED = re.compile(
    r"tests/(previous/|contrib/|test_example_project|servers/test_activity)"
)


def scope_of(nodeid: str) -> str:
    """Return a name that tests have in common which share what takes long to start."""
    path, _, name = nodeid.partition("::")
    if shared := SHARED.match(path):
        return shared[0]
    server = SERVER.search(name)
    if PAIRS.match(path) and server:
        return server[1]
    if path.startswith("tests/servers/"):
        return f"{path} {server[1]}" if server else path
    return nodeid


class Scopes(LoadScopeScheduling):
    """Gives tests to processes by their scopes."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, as each process has to know them in one order."""
    items.sort(key=lambda item: FIRST.match(item.nodeid) is None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scopes:
    """Make the scheduler of this run."""
    return Scopes(config, log)
