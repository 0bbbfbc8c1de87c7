"""A backend that does what a test tells it: hang, fail, or count who asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import cast

from django_socket_status.backends import get_backend
from django_socket_status.backends.memory import MemoryBackend
from django_socket_status.records import (
    ConnectionPage,
    ConnectionQuery,
    Coverage,
    Report,
    Snapshot,
)

SCRIPTED = "tests.support.scripted_backend.ScriptedBackend"


class ScriptedBackend(MemoryBackend):
    """Keep reports in memory; before each call, run what a test put in its place.

    Args:
        name: Tells one from another.
    """

    coverage: Coverage = "host"  # type: ignore[misc]

    def __init__(self, *, name: str = "") -> None:
        super().__init__()
        self.name = name
        self.reads = 0
        self.questions = 0
        self.before_read: Callable[[], object] = lambda: None
        self.before_report: Callable[[], object] = lambda: None
        self.before_question: Callable[[], object] = lambda: None
        self.seen: Callable[[Snapshot], Snapshot] = lambda snapshot: snapshot

    def report(self, report: Report) -> bool:
        self.before_report()
        return super().report(report)

    def read(self) -> Snapshot:
        self.reads += 1
        self.before_read()
        return self.seen(super().read())

    def get_connections(self, query: ConnectionQuery) -> ConnectionPage:
        self._ask()
        return super().get_connections(query)

    def is_online(self, user_id: str) -> bool:
        self._ask()
        return super().is_online(user_id)

    def online_user_ids(self) -> Collection[str]:
        self._ask()
        return super().online_user_ids()

    def _ask(self) -> None:
        self.questions += 1
        self.before_question()


class Gate:
    """A place at which a backend hangs until a test lets it go on, or ends."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self.arrived.set()
        self._open.wait()

    def open(self) -> None:
        self._open.set()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *error: object) -> None:
        self.open()


def scripted() -> ScriptedBackend:
    """Return the backend in use."""
    return cast(ScriptedBackend, get_backend())


def fails_with(error: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail
