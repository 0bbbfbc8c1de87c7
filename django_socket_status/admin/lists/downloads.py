"""Answers with an export: streamed by the event loop under ASGI, by a thread else."""

from __future__ import annotations

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from django_socket_status.admin.filters import Filter, FilterError
from django_socket_status.admin.lists.export import FORMATS, astream, stream
from django_socket_status.admin.page import Page
from django_socket_status.services import SocketStatusService
from django_socket_status.status.list_types import STATES
from django_socket_status.status.search import search

__all__ = ["export"]


def export(page: Page) -> HttpResponseBase:
    """Answer with all connections of a filtered list, as CSV or JSON.

    A list that cannot be read is found out before the first byte, so that its answer
    is an error and not an empty file.
    """
    query = page.request.GET
    state = next((it for it in STATES if it == query.get("state", "open")), None)
    format_ = FORMATS.get(query.get("format", "csv"))
    if state is None or format_ is None:
        return _wrong(_("The export is of open, closed or rejected, as csv or json."))
    now = timezone.now()
    try:
        wanted = Filter.of(query, state).search(SocketStatusService.get_workers, now)
    except FilterError as problem:
        return _wrong(str(problem))
    search(wanted, 1)
    form = format_(state)
    is_async = isinstance(page.request, ASGIRequest)
    pieces = astream(wanted, form) if is_async else stream(wanted, form)
    response = StreamingHttpResponse(pieces, content_type=form.content_type)
    name = f"websockets-{state}-{now:%Y%m%dT%H%M%S}Z.{form.suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    add_never_cache_headers(response)
    return response


def _wrong(text: str) -> HttpResponse:
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
