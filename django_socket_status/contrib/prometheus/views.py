"""The views ``metrics/`` and ``metrics/worker/``.

The extra ``prometheus`` is imported when a request comes, so that the URLs of this
package also work without it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from django_socket_status.access import PUBLIC
from django_socket_status.contrib.prometheus.access import arefusal, refusal
from django_socket_status.contrib.prometheus.numbers import (
    Numbers,
    Scope,
    adeployment_numbers,
    aworker_numbers,
    deployment_numbers,
    worker_numbers,
)
from django_socket_status.status.reader import status_reader
from django_socket_status.views.guard import error, json_view

__all__ = ["metrics", "worker_metrics"]

MISSING = (
    "Metrics need the extra 'prometheus': pip install "
    "'django-socket-status[prometheus]'."
)


def _with_request(request: HttpRequest) -> Mapping[str, Any]:
    return {"request": request}


def _answers(
    scope: Scope, read: Callable[[], Numbers | None]
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a function that answers a request with numbers, or refuses it."""

    def answer(request: HttpRequest) -> HttpResponse:
        refused = refusal(request)
        return refused or _respond(request, scope, read())

    return answer


def _aanswers(
    scope: Scope, read: Callable[[], Awaitable[Numbers | None]]
) -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    async def answer(request: HttpRequest) -> HttpResponse:
        refused = await arefusal(request)
        if refused is not None:
            return refused
        # Some milliseconds for each type: sockets of the event loop must not wait.
        respond = functools.partial(_respond, request, scope, await read())
        return await status_reader.aencode(respond)

    return answer


def _respond(
    request: HttpRequest, scope: Scope, numbers: Numbers | None
) -> HttpResponse:
    try:
        from django_socket_status.contrib.prometheus.exposition import exposition
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] != "prometheus_client":
            raise
        response = error(HTTPStatus.NOT_IMPLEMENTED, MISSING)
        # A check reports it; Django would mail its admins for each scrape.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    headers = request.headers
    return exposition(
        *(numbers, scope),
        headers.get("Accept", ""),
        headers.get("Accept-Encoding", ""),
    )


# The answer decides about access by ``METRICS_ACCESS``, so the view lets all pass.
@json_view(
    access=PUBLIC,
    parse=_with_request,
    ask=_answers("deployment", deployment_numbers),
    aask=_aanswers("deployment", adeployment_numbers),
)
def metrics(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Answer Prometheus with the metrics of the whole deployment."""
    return response


@json_view(
    access=PUBLIC,
    parse=_with_request,
    ask=_answers("worker", worker_numbers),
    aask=_aanswers("worker", aworker_numbers),
)
def worker_metrics(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Answer Prometheus with the metrics of this process, without the backend."""
    return response
