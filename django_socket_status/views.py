"""The JSON views: asynchronous, so that under ASGI no sync consumer holds them up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, patch_vary_headers

from django_socket_status.access import PUBLIC, STAFF, is_allowed, user_of
from django_socket_status.conf import get_settings
from django_socket_status.endpoints import get_live_url
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.readings import Reading
from django_socket_status.records import ConnectionRecord, WorkerStatus, instant
from django_socket_status.services import (
    MAX_LIMIT,
    MAX_OFFSET,
    SocketStatusService,
    aread_summary,
    oldest_first,
    summarize,
)
from django_socket_status.status import status_reader

__all__ = ["connections", "summary", "workers"]

View = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]

#: Seconds after which asking again makes sense: a heartbeat or so.
RETRY_AFTER_SECONDS = 2
DEFAULT_LIMIT = 100
LABEL_PREFIX = "label."
PARAMETERS = {"type", "user", "limit", "offset"}


class _EveryDatabase(frozenset[str]):
    """The aliases of all databases, whatever the settings call them."""

    def __contains__(self, alias: object) -> bool:
        return True


def json_view(access: str | None = None) -> Callable[[View], View]:
    """Answer GET and HEAD, in JSON whatever happens, to those who may read.

    Args:
        access: See :func:`~django_socket_status.access.is_allowed`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: HttpRequest) -> HttpResponse:
            wanted = get_settings().summary_access if access is None else access
            response = await _answer(view, request, wanted)
            if wanted != PUBLIC:
                patch_vary_headers(response, ["Cookie"])
            # Private: whoever caches for many must not keep it, Django's own included.
            response.headers.setdefault("Cache-Control", "private, no-cache")
            return response

        # Nothing is changed here, so that a POST is told 405, and of no token.
        guarded.csrf_exempt = True  # type: ignore[attr-defined]
        # It judges by itself, and does not redirect: see LoginRequiredMiddleware.
        guarded.login_required = False  # type: ignore[attr-defined]
        # Django refuses to serve an async view where ATOMIC_REQUESTS is set.
        guarded._non_atomic_requests = _EveryDatabase()  # type: ignore[attr-defined]
        return guarded

    return decorate


async def _answer(view: View, request: HttpRequest, access: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        response = error(
            HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered."
        )
        response.headers["Allow"] = "GET, HEAD"
        return response
    if not await is_allowed(request, access):
        return await _refusal(request)
    try:
        return await view(request)
    except StatusUnavailableError:
        # The reason may name files and hosts: it is in the log, and not for everybody.
        response = error(HTTPStatus.SERVICE_UNAVAILABLE, "The status is not known now.")
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        # Or Django mails its admins for each question of each poller; the outage is in
        # the log already, once.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    except BadRequest as problem:
        return error(HTTPStatus.BAD_REQUEST, str(problem))


async def _refusal(request: HttpRequest) -> HttpResponse:
    """Return 401 to somebody who could sign in, 403 to anybody else."""
    user = await user_of(request)
    if user is None or user.is_authenticated:
        return error(HTTPStatus.FORBIDDEN, "You may not read the status.")
    response = error(HTTPStatus.UNAUTHORIZED, "Sign in to read the status.")
    # RFC 9110, section 11.6.1, wants a challenge; this one is for people.
    response.headers["WWW-Authenticate"] = 'Session realm="Django"'
    return response


def error(status: HTTPStatus, message: str) -> JsonResponse:
    """Return an error as JSON: ``{"error": {"code": ..., "message": ...}}``."""
    code = status.name.lower()
    response = JsonResponse(
        {"error": {"code": code, "message": message}}, status=status.value
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


@json_view()
async def summary(request: HttpRequest) -> HttpResponse:
    """Answer with the summary, or 304 to a poller who has its content already."""
    body, etag = _written(*await aread_summary())
    response = HttpResponse(body, content_type="application/json")
    response.headers["ETag"] = etag
    live = get_live_url()
    if live is not None:
        # Where the browser's client finds live push.
        prefix = request.META.get("SCRIPT_NAME", "").rstrip("/")
        response.headers["Socket-Status-Live"] = f"{prefix}{live}"
    return get_conditional_response(request, etag=etag, response=response) or response


def _written(reading: Reading, ws_endpoints: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the body and the ETag of a reading, made once for everybody."""
    made = reading.memo.get("json")
    if made is None or made[0] is not ws_endpoints:
        found = summarize(reading, ws_endpoints)
        # The timestamp is no content.
        content = json.dumps({**found, "timestamp": ""}).encode()
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        made = (ws_endpoints, json.dumps(found).encode(), f'W/"{digest}"')
        reading.memo["json"] = made
    return made[1], made[2]


@json_view(access=STAFF)
async def connections(request: HttpRequest) -> HttpResponse:
    """Answer staff with a page of the open connections, newest first.

    Query parameters: ``type``, ``user`` (a primary key), ``label.<name>``, ``limit``
    (1 to 1,000) and ``offset``. One without a value is as good as none.
    """
    query = {name: str(value) for name, value in request.GET.items() if value}
    labels = {
        name.removeprefix(LABEL_PREFIX): query.pop(name)
        for name in tuple(query)
        if name.startswith(LABEL_PREFIX)
    }
    if unknown := query.keys() - PARAMETERS:
        raise BadRequest(f"There is no parameter {min(unknown)[:100]!r}.")
    limit = _integer(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = _integer(query, "offset", 0, 0, MAX_OFFSET)
    try:
        page = await SocketStatusService.aget_connections(
            type=query.get("type"),
            user=query.get("user"),
            labels=labels,
            limit=limit,
            offset=offset,
        )
    except ValueError as problem:
        raise BadRequest(str(problem)) from problem
    response = JsonResponse(
        {
            "connections": [_connection(connection) for connection in page],
            "total": page.total,
            "limit": page.limit,
            "offset": page.offset,
            "next_offset": page.next_offset,
            "complete": page.complete,
        }
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


@json_view(access=STAFF)
async def workers(request: HttpRequest) -> HttpResponse:
    """Answer staff with the workers whose reports make up the summary."""
    reading = await status_reader.aread()
    response = JsonResponse(
        {
            "workers": [_worker(status, reading) for status in oldest_first(reading)],
            "timestamp": instant(reading.taken_at).isoformat(timespec="microseconds"),
            "coverage": reading.coverage,
            "stale": reading.stale,
        }
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _integer(
    query: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= len(str(highest)):
        value = int(text)
        if lowest <= value <= highest:
            return value
    raise BadRequest(f"{name} must be a whole number from {lowest} to {highest}.")


def _connection(connection: ConnectionRecord) -> dict[str, Any]:
    return {
        "connection_id": connection.connection_id,
        "type": connection.type,
        "endpoint": connection.endpoint,
        "user_id": connection.user_id,
        "labels": dict(connection.labels),
        "connected_at": connection.connected_at.isoformat(),
        "worker_id": connection.worker_id,
    }


def _worker(status: WorkerStatus, reading: Reading) -> dict[str, Any]:
    worker = status.worker
    return {
        "worker_id": worker.worker_id,
        "host": worker.host,
        "pid": worker.pid,
        "server": worker.server,
        "started_at": worker.started_at.isoformat(),
        "reported_at": instant(reading.taken_at - status.age_seconds).isoformat(),
        "is_late": status.is_late,
        "total_sockets": status.total_sockets,
        "sockets_by_type": dict(status.counts),
        "complete": status.complete,
    }
