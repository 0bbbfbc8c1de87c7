from __future__ import annotations

from django_socket_status.backends.base import BaseBackend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.testing import BackendContract, Clock
from tests.backends.model import run_model


class TestContract(BackendContract):
    def make_backend(self, clock: Clock) -> BaseBackend:
        return MemoryBackend(clock=clock)


def test_answers_are_those_of_a_plain_model() -> None:
    run_model(lambda clock: MemoryBackend(clock=clock), examples=60)
