"""The mixin and the middleware observe a connection once, whatever hosts do."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any

import pytest

from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.tracking.entry import SCOPE_KEY, leave_out
from django_socket_status.tracking.labels import update_labels
from tests.support.asgi_driver import (
    ACCEPT,
    CONNECT,
    Server,
    disconnect,
    said,
    scope_of,
    serve,
)
from tests.support.tracked import echo, tracked

pytestmark = pytest.mark.python


def both_entry_points(app: Any) -> Any:
    return SocketStatusMiddleware(tracked(app))


def pickled(scope: Any) -> Any:
    return pickle.loads(pickle.dumps(scope))


@pytest.mark.parametrize("copier", [dict, copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize(
    "entry_point", [tracked, SocketStatusMiddleware, both_entry_points]
)
async def test_scope_can_be_copied_behind_every_entry_point(entry_point, copier, books):
    async def app(scope, receive, send):
        assert set(copier(scope)) == set(scope)
        await send(ACCEPT)
        copies.append(copier(scope))
        await receive()
        copies.append(copier(scope))

    copies: list[Any] = []
    await serve(entry_point(app), Server(disconnect()))
    books.assert_counted_once()
    for scope in copies:
        del scope[SCOPE_KEY]
        assert scope == scope_of()


@pytest.mark.parametrize("copier", [dict, copy.copy, copy.deepcopy])
async def test_inner_entry_point_behind_a_copy_of_the_scope_refines_the_connection(
    copier, books
):
    async def app(scope, receive, send):
        await send(ACCEPT)
        assert books.counts == {"call": 1}
        assert books.only.user_id == "7"
        assert update_labels(copier(scope), {"room": 42})
        assert books.only.labels == {"room": "42"}

    async def in_between(scope, receive, send):
        await tracked(app)({**copier(scope), "user": 7}, receive, send)

    await serve(SocketStatusMiddleware(in_between), Server())
    books.assert_counted_once()


@pytest.mark.parametrize("entry_point", [tracked, SocketStatusMiddleware])
async def test_inner_entry_point_behind_a_pickled_scope_counts_no_second_connection(
    entry_point, books
):
    async def app(scope, receive, send):
        await send(ACCEPT)
        assert sum(books.counts.values()) == 1
        assert not update_labels(scope, {"room": 42})
        leave_out(scope)

    async def in_between(scope, receive, send):
        await entry_point(app)(pickled(scope), receive, send)

    await serve(SocketStatusMiddleware(in_between), Server())
    books.assert_counted_once()


async def test_pickled_scope_holds_nothing_of_this_package():
    """It may be loaded where the package is not installed."""

    async def app(scope, receive, send):
        assert b"django_socket_status.tracking" not in pickle.dumps(scope)
        assert type(pickled(scope)[SCOPE_KEY]) is str

    await serve(both_entry_points(app), Server())


async def test_copied_scope_served_after_the_end_is_another_connection(books):
    copies = []

    async def app(scope, receive, send):
        copies.append(copy.deepcopy(scope))
        await echo(scope, receive, send)

    await serve(tracked(app), Server(CONNECT, disconnect()))
    await serve(tracked(app), Server(CONNECT, disconnect()), copies[0])
    assert books.kinds == ["opened", "closed"] * 2
    books.assert_nothing_is_left()


async def test_failure_to_track_is_logged_and_the_application_runs(caplog):
    class Frozen(dict[str, Any]):
        def __setitem__(self, key: str, value: object) -> None:
            raise TypeError("frozen")

    with caplog.at_level(logging.ERROR, "django_socket_status"):
        result = await serve(
            tracked(echo), Server(CONNECT, disconnect()), Frozen(scope_of())
        )
    assert result == "done"
    assert "cannot be tracked" in caplog.text


async def test_connection_that_is_left_out_is_neither_counted_nor_reported(books):
    async def app(scope, receive, send):
        leave_out(scope)
        await echo(scope, receive, send)

    await serve(tracked(app), Server(CONNECT, said("one"), disconnect()))
    assert books.kinds == []
    books.assert_nothing_is_left()
    leave_out(scope_of())
