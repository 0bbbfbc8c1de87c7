"""Lists in memory, with open and closed connections that a test makes up."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from django_socket_status.backends import get_backend
from django_socket_status.testing import FakeWorker, isolated_socket_status
from tests.support.scripted_backend import SCRIPTED

LISTS = "/admin/django_socket_status/socketstatus/"
NOW = 1_790_000_000.0


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with isolated_socket_status(BACKEND=SCRIPTED):
        yield


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker("a" * 16, lease_seconds=1e6)


def opened(worker: FakeWorker, *connections: Any) -> None:
    """Report connections as those that the worker holds."""
    assert get_backend().report(worker.full(connections))


def at(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)


class Lists:
    """The pages, as a client sees them."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{LISTS}{path}", query)

    def text(self, path: str, **query: Any) -> str:
        response = self.get(path, **query)
        return response.content.decode()

    def ids(self, path: str, **query: Any) -> list[int]:
        """Return the numbers of the connections that a page lists."""
        text = self.text(path, **query)
        return [int(it, 16) for it in re.findall(r"/connection/a{16}-(\w+)/", text)]


@pytest.fixture
def lists(superuser: Client) -> Lists:
    return Lists(superuser)
