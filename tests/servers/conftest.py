"""Real servers, each with its own files, and none left over after its test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.pairs import LIKE_UVICORN, PAIRS, Pair, pair
from tests.servers.servers import Site, serving, wait_until


@pytest.fixture(autouse=True)
def socket_status() -> None:
    """Take the place of the suite's own: the processes that count are elsewhere."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Serve the project, with the arguments of ``serving`` short of the directory."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def start(server: str, *words: str, **given: object) -> Site:
            directory = tmp_path / f"site-{next(numbers)}"
            return stack.enter_context(serving(server, directory, *words, **given))

        yield start


class Pairs:
    """The pair that runs, for all tests that want the same one."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack = contextlib.ExitStack()
        self._pair: Pair | None = None

    def whole(self, server: str, store: str) -> Pair:
        """Return the pair; start it if there is none, or a test has killed a worker."""
        if self._pair is None or not self._pair.is_whole:
            self.stop()
            directory = self._factory.mktemp(f"{server}-{store}")
            self._pair = self._stack.enter_context(pair(server, directory, store))
        return self._pair

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session", params=[*PAIRS, *LIKE_UVICORN], ids="-".join)
def pairs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Pair]]:
    running = Pairs(tmp_path_factory)
    server, store = request.param
    yield lambda: running.whole(server, store)
    running.stop()


@pytest.fixture
def both(pairs: Callable[[], Pair]) -> Pair:
    """Two workers of each server, on each store, without sockets and without a drain.

    A test may freeze or kill one; then the next test has others.
    """
    found = pairs()
    found.settle(0)
    # The window of an earlier test may be longer than its connections were open.
    wait_until(lambda: not found.draining())
    return found
