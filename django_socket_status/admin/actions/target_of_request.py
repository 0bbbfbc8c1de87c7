"""Reads from a request which connections an action means.

A list posts the selected ``connection_id``. A link, and a form with ``all_matching``,
mean the filter in the URL's query instead. A form without a selection is an error: it
must not mean everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from django_socket_status.admin.actions.targets import Target
from django_socket_status.admin.filters import Filter, FilterError
from django_socket_status.control.selector import connection_numbers
from django_socket_status.services import SocketStatusService
from django_socket_status.wording import number_text

__all__ = ["MAX_SELECTED", "BadTargetError", "target_of"]

#: The most connections that can be selected. Django takes a form of 1,000 fields.
MAX_SELECTED = 500


class BadTargetError(ValueError):
    """A request selects no connections, or wrongly; the text says what is wrong."""


def target_of(request: HttpRequest) -> Target:
    """Return which connections a request means.

    Raises:
        BadTargetError: the request selects none or too many, or its filter is wrong.
    """
    ids = request.POST.getlist("connection_id") or request.GET.getlist("connection_id")
    if ids and "all_matching" not in request.POST:
        return _selection(list(dict.fromkeys(ids)))
    if request.method == "POST" and "all_matching" not in request.POST:
        raise BadTargetError(gettext("Select the connections to disconnect."))
    return _filtered(request)


def _selection(ids: Sequence[str]) -> Target:
    if len(ids) > MAX_SELECTED:
        text = gettext("Select at most %(most)s connections.")
        raise BadTargetError(text % {"most": number_text(MAX_SELECTED)})
    try:
        connection_numbers("connection_id", ids)
    except ValueError:
        raise BadTargetError(
            gettext("A selected connection has no valid id.")
        ) from None
    if len(ids) == 1:
        return Target(ids=ids, words=gettext("Connection %(id)s") % {"id": ids[0]})
    text = ngettext(
        "%(count)s selected connection", "%(count)s selected connections", len(ids)
    )
    return Target(ids=ids, words=text % {"count": number_text(len(ids))})


def _filtered(request: HttpRequest) -> Target:
    query = request.GET.copy()
    query.pop("connection_id", None)
    wanted = Filter.of(query, "open")
    try:
        search = wanted.search(SocketStatusService.get_workers, timezone.now())
    except FilterError as problem:
        raise BadTargetError(str(problem)) from problem
    if wanted.is_empty:
        return Target(search=search, words=gettext("All connections"))
    words = " ".join(f"{name}={it}" for name, it in wanted.parameters.items())
    text = gettext("Connections with %(filter)s")
    return Target(search=search, words=text % {"filter": words})
