"""The JSON views of what happened: totals, history, ended connections. For staff."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse

from django_socket_status.access import STAFF
from django_socket_status.services import SocketStatusService
from django_socket_status.status.ended import EndedPage
from django_socket_status.status.history_records import History
from django_socket_status.status.totals import TotalsRecord
from django_socket_status.views.guard import json_view
from django_socket_status.views.parameters import (
    closed_query,
    history_query,
    rejected_query,
    wrong_values_are_bad_requests,
)

__all__ = ["closed", "history", "rejected", "totals"]

Ask = Callable[..., Any]


def _checked(ask: Ask) -> Ask:
    """Return a method of the service that answers 400 to a wrong value."""

    def call(**query: Any) -> Any:
        with wrong_values_are_bad_requests():
            return ask(**query)

    return call


def _achecked(ask: Ask) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(**query: Any) -> Any:
        with wrong_values_are_bad_requests():
            return await ask(**query)

    return call


@json_view(
    access=STAFF,
    ask=SocketStatusService.get_totals,
    aask=SocketStatusService.aget_totals,
)
def totals(request: HttpRequest, found: TotalsRecord) -> HttpResponse:
    """Answer staff with the totals since they began to count."""
    return _private(found.as_dict())


@json_view(
    access=STAFF,
    parse=history_query,
    ask=_checked(SocketStatusService.get_history),
    aask=_achecked(SocketStatusService.aget_history),
)
def history(request: HttpRequest, found: History) -> HttpResponse:
    """Answer staff with the history of a span.

    Query parameters: ``span`` (``1h``, ``6h``, ``1d`` or ``7d``) and ``type``.
    """
    return _private(found.as_dict())


#: Any state, since a query is only known when a request comes.
_get = _checked(cast(Ask, SocketStatusService.get_connections))
_aget = _achecked(cast(Ask, SocketStatusService.aget_connections))


@json_view(access=STAFF, parse=closed_query, ask=_get, aask=_aget)
def closed(request: HttpRequest, page: EndedPage[Any]) -> HttpResponse:
    """Answer staff with a page of closed connections, newest first.

    Query parameters: those of open connections without ``after``, and ``cause`` and
    ``code``.
    """
    return _private(page.as_dict())


@json_view(access=STAFF, parse=rejected_query, ask=_get, aask=_aget)
def rejected(request: HttpRequest, page: EndedPage[Any]) -> HttpResponse:
    """Answer staff with a page of rejected handshakes, newest first.

    Query parameters: those of open connections without ``after``, and ``code``, an
    HTTP status.
    """
    return _private(page.as_dict())


def _private(body: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(body)
    response.headers["Cache-Control"] = "private, no-store"
    return response
