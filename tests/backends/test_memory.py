from __future__ import annotations

from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import ConnectionPage, ConnectionQuery
from django_socket_status.testing import BackendContract, Clock
from tests.support.model import run_model


class TestContract(BackendContract):
    def make_backend(self, clock: Clock) -> BaseBackend:
        return MemoryBackend(clock=clock)


class WithoutCursors(MemoryBackend):
    """A backend that was written before there were cursors."""

    pages_after = False

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        page = super().get_connections(query)
        assert query.after is None
        return ConnectionPage(
            connections=page.connections,
            total=page.total,
            limit=page.limit,
            offset=page.offset,
            complete=page.complete,
        )


class TestContractWithoutCursors(BackendContract):
    def make_backend(self, clock: Clock) -> BaseBackend:
        return WithoutCursors(clock=clock)


def test_answers_are_those_of_a_plain_model() -> None:
    run_model(lambda clock: MemoryBackend(clock=clock), examples=60)
