"""Real servers, each with its own files, and none left over after its test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.servers import Site, serving


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
