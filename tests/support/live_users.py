"""Users with sessions in a real database, whose connections are watched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import Client

from tests.support.asgi_driver import scope_of, wait_until

User = get_user_model()


@pytest.fixture
def opened(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[BaseDatabaseWrapper]]:
    """Return the database connections that other threads open, as for a file."""

    def is_in_memory(self: object) -> bool:
        # Django never closes a database in memory, which the main thread's keeps alive.
        return threading.current_thread() is threading.main_thread()

    made: list[BaseDatabaseWrapper] = []

    def note(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            made.append(connection)

    wrapper = type(connections["default"])
    monkeypatch.setattr(wrapper, "is_in_memory_db", is_in_memory)
    connection_created.connect(note)
    yield made
    connection_created.disconnect(note)
    wait_until(lambda: not still_open(made))


def still_open(made: list[BaseDatabaseWrapper]) -> set[BaseDatabaseWrapper]:
    return {it for it in tuple(made) if it.connection is not None}


@pytest.fixture
def user(opened: object) -> Any:
    return User.objects.create_user("ada", password="secret")


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def scope_for(visitor: Client | None, **more: Any) -> dict[str, Any]:
    headers = []
    if visitor is not None:
        cookie = visitor.cookies.output(attrs=[], header="", sep=";").strip()
        headers = [(b"cookie", cookie.encode())]
    return scope_of("/ws/socket-status/", headers=headers, **more)


async def elsewhere(change: Callable[[], Any]) -> Any:
    """Do something to the database on another thread."""

    def run() -> Any:
        try:
            return change()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
