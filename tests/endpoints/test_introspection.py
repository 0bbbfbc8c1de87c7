from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from channels.routing import URLRouter
from django.urls import path
from django.utils.functional import SimpleLazyObject

from django_socket_status.endpoints.loaded import walk
from tests.support.applications import (
    CallConsumer,
    Holder,
    call,
    global_router,
    guard_around_global_consumer,
    helper_that_takes_no_scope,
    lifespan_around_global_router,
    patterns,
    single,
)


def test_globals_that_an_application_names_are_walked() -> None:
    assert patterns(lifespan_around_global_router) == ["/ws/call/"]
    endpoint = single(URLRouter([path("ws/<room>/", guard_around_global_consumer)]))
    assert endpoint.consumer_class is CallConsumer


def test_globals_that_a_callable_class_names_are_walked() -> None:
    class Dispatcher:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await global_router(scope, receive, send)

    assert patterns(Dispatcher()) == ["/ws/call/"]


def test_router_that_is_an_attribute_of_the_class_is_walked() -> None:
    class Middleware:
        following = URLRouter([path("ws/call/", call)])

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.following(scope, receive, send)

    assert patterns(Middleware()) == ["/ws/call/"]


def test_globals_of_helpers_are_no_next_application() -> None:
    application = Holder(notify=helper_that_takes_no_scope)
    assert walk(application) == ()


def test_mock_inside_of_a_middleware_is_skipped() -> None:
    held = mock.MagicMock()
    before = dict(vars(held))
    assert walk(Holder(app=held)) == ()
    assert vars(held) == before
    held = mock.MagicMock(wraps=URLRouter([path("ws/call/", call)]))
    assert patterns(Holder(app=held)) == ["/ws/call/"]


def test_proxy_without_its_context_is_skipped() -> None:
    class Proxy:
        """As Werkzeug's ``LocalProxy``: even its ``__dict__`` is another object's."""

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            pytest.fail("asked for its dictionary")

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            raise NotImplementedError

    assert walk(Proxy()) == ()
    assert patterns(Holder(request=Proxy(), then=global_router)) == ["/ws/call/"]


def test_lazy_object_is_not_evaluated() -> None:
    lazy = SimpleLazyObject(lambda: pytest.fail("evaluated"))
    assert walk(lazy) == ()
    assert walk(Holder(app=lazy)) == ()


def test_unset_cell_of_a_closure_is_skipped() -> None:
    def make() -> Any:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await missing(scope, receive, send)

        yield application
        missing = call  # pragma: no cover

    assert walk(next(make())) == ()
