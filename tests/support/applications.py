"""Applications, and the many ways in which people wrap them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from channels.auth import AuthMiddleware, AuthMiddlewareStack
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from channels.sessions import (
    CookieMiddleware,
    SessionMiddleware,
    SessionMiddlewareStack,
)
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.urls import path

from django_socket_status.endpoints.loaded import Endpoint, walk
from django_socket_status.middleware import SocketStatusMiddleware


class CallConsumer(AsyncWebsocketConsumer):
    pass


class STTRoomConsumer(WebsocketConsumer):
    socket_status_endpoint = "/ws/stt/room/?role=<role>&name=<name>"


class SupportConsumer(AsyncWebsocketConsumer):
    socket_status_type = "helpdesk"


class LivePushConsumer(AsyncWebsocketConsumer):
    socket_status_internal = True


class EventsConsumer(AsyncHttpConsumer):
    async def handle(self, body: bytes) -> None:
        raise NotImplementedError


call = CallConsumer.as_asgi()

# Known to functions below by these global names only.
global_router = URLRouter([path("ws/call/", call)])
global_consumer = CallConsumer.as_asgi()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that is no consumer."""


async def lifespan_around_global_router(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "lifespan":
        await global_router(scope, receive, send)


async def guard_around_global_consumer(scope: Any, receive: Any, send: Any) -> None:
    await global_consumer(scope, receive, send)


async def helper_that_takes_no_scope(message: Any) -> None:
    await global_router(message)


class Holder:
    """A middleware that stores the wrapped application under an unusual name."""

    def __init__(self, **stored: object) -> None:
        vars(self).update(stored)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError


class SlottedHolder:
    __slots__ = ("__hidden", "never_set")

    def __init__(self, hidden: object) -> None:
        self.__hidden = hidden

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.__hidden(scope, receive, send)  # type: ignore[operator]


class ClosedOff:
    """An application that fails the test if an attribute is read or its code runs."""

    def __init__(self, following: object) -> None:
        object.__setattr__(self, "following", following)

    def __getattribute__(self, name: str) -> Any:
        pytest.fail(f"{name} was looked up")

    @property
    def inner(self) -> Any:
        pytest.fail("a property was read")

    @property
    def __class__(self) -> Any:
        pytest.fail("the class was asked for")

    def __eq__(self, other: object) -> bool:
        pytest.fail("compared")

    def __bool__(self) -> bool:
        pytest.fail("asked for its truth")

    def __repr__(self) -> str:
        pytest.fail("asked for its text")

    __hash__ = None  # type: ignore[assignment]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pytest.fail("called")


def closure(following: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        await following(scope, receive, send)

    return middleware


def wrapping(following: Any) -> Any:
    @functools.wraps(following)
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    return middleware


def with_default(following: Any) -> Any:
    async def middleware(
        scope: Any, receive: Any, send: Any, then: Any = following
    ) -> None:
        await then(scope, receive, send)

    return middleware


def with_keyword_default(following: Any) -> Any:
    async def middleware(
        scope: Any, receive: Any, send: Any, *, then: Any = following
    ) -> None:
        await then(scope, receive, send)

    return middleware


async def takes_next_first(following: Any, scope: Any, receive: Any, send: Any) -> None:
    await following(scope, receive, send)


def as_static_method(following: Any) -> Any:
    class Middleware:
        serve = staticmethod(following)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.serve(scope, receive, send)

    return Middleware()


def as_bound_method(following: Any) -> Any:
    class Server:
        def __init__(self) -> None:
            self.following = following

        async def serve(self, scope: Any, receive: Any, send: Any) -> None:
            await self.following(scope, receive, send)

    return Server().serve


def by_agent(following: Any) -> Any:
    """Wrap as agents of New Relic, Datadog and others do, with a copy of wrapt."""
    return wrapt.FunctionWrapper(
        following, lambda wrapped, instance, args, kwargs: wrapped(*args, **kwargs)
    )


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "BaseMiddleware": BaseMiddleware,
    "CookieMiddleware": CookieMiddleware,
    "SessionMiddleware": SessionMiddleware,
    "AuthMiddleware": AuthMiddleware,
    "SessionMiddlewareStack": SessionMiddlewareStack,
    "AuthMiddlewareStack": AuthMiddlewareStack,
    "OriginValidator": lambda app: OriginValidator(app, ["*"]),
    "AllowedHostsOriginValidator": AllowedHostsOriginValidator,
    "ASGIStaticFilesHandler": ASGIStaticFilesHandler,
    "SocketStatusMiddleware": SocketStatusMiddleware,
    "Starlette-like": lambda app: Holder(app=app),
    "odd attribute": lambda app: Holder(_the_one_behind=app),
    "beside other things": lambda app: Holder(
        model=CallConsumer, limit=3, log=logging.getLogger(), render=len, then=app
    ),
    "protocols by kind": lambda app: Holder(by_kind={"websocket": app, "http": 1}),
    "slots": SlottedHolder,
    "closed off": lambda app: closure(ClosedOff(app)),
    "closure": closure,
    "functools.wraps": wrapping,
    "default": with_default,
    "keyword default": with_keyword_default,
    "partial": lambda app: functools.partial(takes_next_first, app),
    "partial by keyword": lambda app: functools.partial(echo, following=app),
    "partial of it": lambda app: functools.partial(app),
    "static method": as_static_method,
    "bound method": as_bound_method,
    "wrapt": by_agent,
    "wrapt around a function": lambda app: by_agent(closure(app)),
    "wrapt around slots": lambda app: by_agent(SlottedHolder(app)),
    "wrapt around a partial": lambda app: by_agent(
        functools.partial(takes_next_first, app)
    ),
    "wrapt around a method": lambda app: by_agent(as_bound_method(app)),
    "wrapt twice": lambda app: by_agent(by_agent(closure(app))),
    "functools around wrapt": lambda app: wrapping(by_agent(closure(app))),
    "functools around an object": lambda app: wrapping(Holder(then=app)),
    "functools cache": lambda app: functools.lru_cache(closure(app)),
    "functools in a class": lambda app: functools.update_wrapper(
        Holder(run=closure(app)), closure(app)
    ),
    "several": lambda app: closure(SlottedHolder(AuthMiddlewareStack(closure(app)))),
}


def patterns(application: object) -> list[str]:
    return [endpoint.pattern for endpoint in walk(application)]


def pattern_of(route: Any) -> str:
    (pattern,) = patterns(URLRouter([route]))
    return pattern


def single(application: object) -> Endpoint:
    (endpoint,) = walk(application)
    return endpoint
