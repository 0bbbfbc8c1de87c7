from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connections
from django.test import Client
from django.urls import path

from django_socket_status.endpoints import loaded as endpoints
from django_socket_status.live import authorization, hub
from django_socket_status.live.application import LiveStatus, live_status
from django_socket_status.middleware import SocketStatusMiddleware
from django_socket_status.routing import websocket_urlpatterns
from django_socket_status.services import SocketStatusService
from django_socket_status.signals import (
    socket_closed,
    socket_opened,
    socket_rejected,
)
from django_socket_status.testing import isolated_socket_status
from tests.support.asgi_driver import Books, disconnect, open_books, turns, until
from tests.support.held_sockets import close_socket, open_socket
from tests.support.live_push import PATH, Status, Visitor, nothing_runs
from tests.support.live_push import listening as serving
from tests.support.live_users import User, elsewhere, opened, scope_for, signed_in, user

pytestmark = pytest.mark.python

__all__ = ["opened", "user"]

ORIGIN = (b"origin", b"https://example.com")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


router = URLRouter([*websocket_urlpatterns, path("ws/call/", echo, name="call")])

application = ProtocolTypeRouter({"websocket": SocketStatusMiddleware(router)})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.001)


@pytest.fixture
async def app() -> AsyncIterator[LiveStatus]:
    app = LiveStatus()
    yield app
    await nothing_runs()
    assert app.hubs == {}


@pytest.fixture
def members_only() -> Iterator[None]:
    with isolated_socket_status(SUMMARY_ACCESS="authenticated"):
        yield
    authorization.reset()


def visitor_of(client: Client | None, *headers: tuple[bytes, bytes]) -> Visitor:
    """Return a browser that shows a page of this site."""
    scope = scope_for(client)
    return Visitor(headers=[*scope["headers"], *(headers or [ORIGIN])])


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.com"]


class TestHandshake:
    async def test_it_is_accepted_and_the_summary_follows(self, app):
        sockets = [open_socket(), open_socket()]
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(2)
            close_socket(sockets.pop())
            await visitor.is_told(1)
            close_socket(sockets.pop())
            await visitor.is_told(0)
        summary = visitor.heard[0]["summary"]
        assert summary.keys() == SocketStatusService.get_socket_info_summary().keys()
        assert visitor.heard[0].keys() == {"v", "type", "summary"}

    async def test_no_subprotocol_is_chosen(self, app):
        visitor = Visitor(subprotocols=["json", "v2"])
        async with serving(app, visitor):
            await visitor.is_told(0)
        assert visitor.sent[0] == {"type": "websocket.accept"}

    async def test_what_clients_say_is_passed_over(self, app):
        visitor = Visitor()
        async with serving(app, visitor):
            for content in ({"text": "hello"}, {"bytes": b"\0" * 100_000}, {}):
                visitor.put({"type": "websocket.receive", **content})
            await visitor.is_told(0)
            await until(lambda: len(visitor.delivered) == 4)
        assert visitor.closed_with is None

    async def test_client_that_was_gone_before_it_came_is_not_served(self, app):
        visitor = Visitor()
        visitor.delivered.clear()
        messages = iter([disconnect(1006)])

        async def receive() -> Any:
            return next(messages)

        await app(visitor.scope, receive, visitor.send)
        assert visitor.sent == []

    async def test_accept_that_the_server_cannot_send_is_the_servers_to_judge(
        self, app
    ):
        error = OSError("the client is gone")

        def fail(message: Any) -> None:
            raise error

        visitor = Visitor()
        visitor.on_send = fail
        with pytest.raises(OSError, match="gone") as caught:
            await app(visitor.scope, visitor.receive, visitor.send)
        assert caught.value is error

    async def test_server_that_takes_no_code_of_the_protocol_closes_without_one(
        self, app, settings, caplog
    ):
        """As Daphne, which raises for 1011 and 1013 and keeps the connection open."""

        def take(message: Any) -> None:
            if message["type"] == "websocket.close" and "code" in message:
                raise ValueError(f"invalid close code {message['code']}")

        settings.CSRF_TRUSTED_ORIGINS = ["https://[*"]
        visitor = Visitor(headers=[ORIGIN])
        visitor.on_send = take
        await app(visitor.scope, visitor.receive, visitor.send)
        assert visitor.sent[-1] == {"type": "websocket.close"}

    @pytest.mark.parametrize(
        "scope",
        [
            {"headers": [(b"origin", b"\xff\xfe")]},
            {"headers": [(b"origin", b"null")]},
            {"headers": [ORIGIN, ORIGIN]},
            {"headers": [(b"origin", b"https://evil.com")]},
        ],
    )
    async def test_page_of_another_site_is_refused(self, app, scope):
        visitor = Visitor(**scope)
        async with serving(app, visitor):
            assert await visitor.is_closed() == (4403, "origin not allowed")
        assert visitor.sent_types == ["websocket.accept", "websocket.close"]

    @pytest.mark.parametrize("key", ["headers", "client", "server", "root_path"])
    async def test_scope_without_a_key_is_served(self, app, key):
        visitor = Visitor()
        del visitor.scope[key]
        async with serving(app, visitor):
            await visitor.is_told(0)

    @pytest.mark.parametrize("headers", [None, [b"origin"], [(1, 2)], 7])
    async def test_scope_that_no_server_makes_is_refused(self, app, headers, caplog):
        visitor = Visitor(headers=headers)
        async with serving(app, visitor):
            assert await visitor.is_closed() == (1011, "internal error")
        assert [it.name for it in caplog.records] == ["django_socket_status"]

    async def test_setting_that_cannot_be_read_refuses(self, app, settings, caplog):
        settings.CSRF_TRUSTED_ORIGINS = ["https://[*"]
        visitor = Visitor(headers=[ORIGIN])
        async with serving(app, visitor):
            assert await visitor.is_closed() == (1011, "internal error")


@pytest.mark.usefixtures("members_only")
class TestAccess:
    async def test_member_may_listen_and_others_must_sign_in(self, app, user):
        member = visitor_of(await elsewhere(lambda: signed_in(user)))
        stranger = visitor_of(None)
        async with serving(app, member, stranger):
            await member.is_told(0)
            assert await stranger.is_closed() == (4401, "sign in")
        assert stranger.heard == []

    async def test_member_who_may_not_listen_gets_the_code_for_it(self, app, user):
        client = await elsewhere(lambda: signed_in(user))
        with isolated_socket_status(SUMMARY_ACCESS="staff"):
            visitor = visitor_of(client)
            async with serving(app, visitor):
                assert await visitor.is_closed() == (4403, "forbidden")

    async def test_page_of_another_site_cannot_use_a_members_cookies(self, app, user):
        client = await elsewhere(lambda: signed_in(user))
        foreign = visitor_of(client, (b"origin", b"https://evil.com"))
        silent = visitor_of(client, (b"x-other", b"header"))
        async with serving(app, foreign, silent):
            for visitor in (foreign, silent):
                assert await visitor.is_closed() == (4403, "origin not allowed")

    @pytest.mark.parametrize("stack", [AuthMiddlewareStack, lambda app: app])
    @pytest.mark.parametrize(
        "ending",
        [
            lambda client: client.logout(),
            lambda client: User.objects.all().delete(),
            lambda client: User.objects.update(is_active=False),
        ],
        ids=["logout", "deletion", "deactivation"],
    )
    async def test_end_of_a_session_ends_its_sockets(
        self, app, user, monkeypatch, stack, ending
    ):
        client = await elsewhere(lambda: signed_in(user))
        visitor = visitor_of(client)
        async with serving(stack(app), visitor):  # type: ignore[arg-type]
            await visitor.is_told(0)
            await elsewhere(lambda: ending(client))
            monkeypatch.setattr(hub, "ACCESS_SECONDS", 0.0)
            assert await visitor.is_closed() == (4401, "sign in")
        if stack is AuthMiddlewareStack:
            await sync_to_async(connections.close_all)()

    async def test_no_database_connection_is_held_for_a_listener(
        self, app, user, opened
    ):
        client = await elsewhere(lambda: signed_in(user))
        opened.clear()
        visitors = [visitor_of(client) for _ in range(20)]
        async with serving(app, *visitors):
            for visitor in visitors:
                await visitor.is_told(0)
            assert opened
            await until(lambda: not any(it.connection for it in opened))

    async def test_handshake_does_not_wait_for_sync_consumers(self, app, user):
        client = await elsewhere(lambda: signed_in(user))
        release = threading.Event()
        busy = asyncio.ensure_future(sync_to_async(release.wait)())
        visitor = visitor_of(client)
        try:
            async with serving(app, visitor):
                await visitor.is_told(0)
            assert not busy.done()
        finally:
            release.set()
            await busy


class TestNotCounted:
    @pytest.fixture(autouse=True)
    def nobody_hears_of_it(self) -> Iterator[list[Any]]:
        heard: list[Any] = []

        def hear(**facts: Any) -> None:
            heard.append(facts)

        signals = (socket_opened, socket_closed, socket_rejected)
        for signal in signals:
            signal.connect(hear)
        yield heard
        for signal in signals:
            signal.disconnect(hear)
        assert heard == []

    @pytest.fixture
    def books(self, monkeypatch: pytest.MonkeyPatch) -> Books:
        return open_books(monkeypatch)

    @pytest.mark.parametrize(
        "wrap",
        [
            SocketStatusMiddleware,
            lambda app: SocketStatusMiddleware(AuthMiddlewareStack(app)),
            lambda app: SocketStatusMiddleware(SocketStatusMiddleware(app)),
        ],
        ids=["directly", "far outside", "twice"],
    )
    async def test_socket_of_ours_is_never_counted(self, wrap, books, opened):
        app = wrap(router)
        visitor = Visitor()
        async with serving(app, visitor):
            await visitor.is_told(0)
            assert books.counts == {}
        assert books.kinds == []
        await nothing_runs()
        await sync_to_async(connections.close_all)()

    async def test_refused_listener_sends_no_signal(self, books):
        visitor = Visitor(headers=[(b"origin", b"https://evil.com")])
        async with serving(application, visitor):  # type: ignore[arg-type]
            await visitor.is_closed()
        assert books.kinds == []

    async def test_listener_that_never_came_sends_no_signal(self, books):
        visitor = Visitor()
        error = OSError("the client is gone")

        def fail(message: Any) -> None:
            raise error

        visitor.on_send = fail
        with pytest.raises(OSError, match="gone"):
            await application(visitor.scope, visitor.receive, visitor.send)
        visitor = Visitor()
        task = asyncio.ensure_future(
            application(visitor.scope, asyncio.Event().wait, visitor.send)
        )
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert books.kinds == []
        assert books.counts == {}

    @pytest.fixture
    def as_project(self, settings: Any) -> Iterator[None]:
        settings.ASGI_APPLICATION = f"{__name__}.application"
        endpoints.reset()
        yield
        endpoints.reset()

    def test_endpoint_of_ours_is_not_listed(self, as_project):
        assert endpoints.get_ws_endpoints() == {"call": "/ws/call/"}

    def test_endpoint_of_ours_is_found_for_clients(self, as_project):
        assert endpoints.get_live_url() == PATH


async def test_socket_beside_ours_is_counted():
    visitor, other = Visitor(), Visitor()
    other.scope["path"] = "/ws/call/"
    async with serving(application, visitor):  # type: ignore[arg-type]
        await visitor.is_told(0)
        async with serving(application, other):  # type: ignore[arg-type]
            await visitor.is_told(1)
        await visitor.is_told(0)
    await nothing_runs()


class TestAnyAwait:
    """A server may cancel, or close, whatever the application waits for just now."""

    @pytest.fixture
    def status(self, monkeypatch: pytest.MonkeyPatch) -> Status:
        status = Status()
        service = hub.SocketStatusService
        monkeypatch.setattr(service, "aget_socket_info_summary", status)
        return status

    @pytest.mark.parametrize("way", ["cancel", "disconnect", "close the coroutine"])
    @pytest.mark.parametrize("steps", range(12))
    async def test_nothing_is_left_behind(
        self, app, status, opened, way, steps, caplog
    ):
        visitor = Visitor()
        with isolated_socket_status(SUMMARY_ACCESS=f"{__name__}.everybody"):
            call = app(visitor.scope, visitor.receive, visitor.send)
            task = asyncio.ensure_future(call)
            await turns(steps)
            if steps > 8:
                await until(lambda: visitor.counts or task.done())
                await turns(steps - 9)
            if way == "cancel":
                task.cancel()
            elif way == "disconnect":
                visitor.leave()
            else:
                status.is_lost()
                visitor.takes.clear()
                await turns(steps)
                task.cancel()
            await asyncio.wait({task}, timeout=10)
            assert task.done()
            await nothing_runs()
        authorization.reset()
        assert app.hubs == {}
        assert not caplog.records

    async def test_message_that_is_on_its_way_is_given_up(self, app, status):
        visitor = Visitor()
        async with serving(app, visitor) as (task,):
            await visitor.is_told(0)
            visitor.takes.clear()
            status.sockets = 1
            await status.was_looked_at()
            visitor.leave()
            await task
            await nothing_runs()
        assert visitor.given_up == 1


async def everybody(request: Any) -> bool:
    return True


def test_one_application_serves_the_whole_process():
    (route,) = websocket_urlpatterns
    assert route.callback is live_status
