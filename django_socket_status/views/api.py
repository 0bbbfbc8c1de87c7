"""The JSON views: the summary, the connections and the workers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

from django_socket_status.access import STAFF
from django_socket_status.records import ConnectionPage
from django_socket_status.services import SocketStatusService
from django_socket_status.status.bodies import page_body, workers_body
from django_socket_status.status.conditions import (
    Workers,
    aread_workers,
    read_workers,
)
from django_socket_status.status.reader import status_reader
from django_socket_status.status.reading import Reading
from django_socket_status.status.summary import summarize
from django_socket_status.views.guard import json_view
from django_socket_status.views.parameters import (
    connection_query,
    wrong_values_are_bad_requests,
)

__all__ = ["connections", "summary", "workers"]


@json_view(ask=status_reader.read, aask=status_reader.aread)
def summary(request: HttpRequest, reading: Reading) -> HttpResponse:
    """Answer with the summary, or 304 if the client has its content already."""
    root = request.META.get("SCRIPT_NAME", "").rstrip("/")
    body, etag = _written(reading, root)
    response = HttpResponse(body, content_type="application/json")
    response.headers["ETag"] = etag
    live = None if reading.served is None else reading.served.live_url_below(root)
    if live is not None:
        # The JavaScript client opens live push under this path.
        response.headers["Socket-Status-Live"] = live
    return get_conditional_response(request, etag=etag, response=response) or response


def _written(reading: Reading, root: str) -> tuple[bytes, str]:
    """Return the body and the ETag of a reading, cached for the last root path."""
    made = reading.memo.get("json")
    if made is None or made[0] != root:
        found = summarize(reading, root)
        # The timestamp does not count as content.
        content = json.dumps({**found, "timestamp": ""}).encode()
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        made = (root, json.dumps(found).encode(), f'W/"{digest}"')
        reading.memo["json"] = made
    return made[1], made[2]


def _find(**query: Any) -> ConnectionPage:
    with wrong_values_are_bad_requests():
        page: ConnectionPage = SocketStatusService.get_connections(**query)
    return page


async def _afind(**query: Any) -> ConnectionPage:
    with wrong_values_are_bad_requests():
        page: ConnectionPage = await SocketStatusService.aget_connections(**query)
    return page


@json_view(access=STAFF, parse=connection_query, ask=_find, aask=_afind)
def connections(request: HttpRequest, page: ConnectionPage) -> HttpResponse:
    """Answer staff with a page of the open connections, newest first.

    Query parameters: ``type``, ``user`` (a primary key), ``anonymous`` (``true`` or
    ``false``), ``label.<name>``, ``limit`` (1 to 1,000), and either ``offset`` or
    ``after``. A parameter without a value is ignored.
    """
    response = JsonResponse(page_body(page))
    response.headers["Cache-Control"] = "private, no-store"
    return response


@json_view(access=STAFF, ask=read_workers, aask=aread_workers)
def workers(request: HttpRequest, found: Workers) -> HttpResponse:
    """Answer staff with the processes that serve WebSockets, and how they do."""
    response = JsonResponse(workers_body(found))
    response.headers["Cache-Control"] = "private, no-store"
    return response
