"""The link of an entry in the admin's log, and the history of what it is about.

The views of Django for both would ask for a row of a table. These also answer for a
connection that is gone, and for an action whose numbers are not kept any more.
"""

from __future__ import annotations

import contextlib
import re

from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from django_socket_status.admin.actions.log import command_ids, entries_of
from django_socket_status.admin.actions.targets import query_of_id
from django_socket_status.admin.page import Page
from django_socket_status.exceptions import StatusUnavailableError
from django_socket_status.status.list_types import State
from django_socket_status.status.search import Search, search

__all__ = ["change", "history"]

#: The most entries that are shown, newest first.
SHOWN = 200
_CONNECTION = re.compile(r"[0-9a-f]{16}-[0-9a-f]{1,14}")


def change(page: Page, object_id: str) -> HttpResponseBase:
    """Go to the result of an action, or to a connection: its page, or its history."""
    about = unquote(object_id)
    url = _url(page, about)
    if not command_ids(about) and not _is_listed(about):
        url = page.url("history", about)
    return HttpResponseRedirect(url)


def history(page: Page, object_id: str) -> HttpResponseBase:
    """Answer with the log of a connection, or of an action."""
    about = unquote(object_id)
    return page.render(
        "history.html",
        gettext("History: %(about)s") % {"about": about},
        is_action=bool(command_ids(about)),
        url=_url(page, about),
        entries=entries_of(about).reverse()[:SHOWN],
    )


def _is_listed(connection_id: str) -> bool:
    """Return whether a connection has a page: it is open, or closed recently."""
    query = query_of_id(connection_id)
    states: tuple[State, ...] = ("open", "closed")
    with contextlib.suppress(StatusUnavailableError):
        return any(search(Search(state=it, query=query), 1).records for it in states)
    return False


def _url(page: Page, about: str) -> str:
    if command_ids(about):
        return page.url("command", about)
    if _CONNECTION.fullmatch(about):
        return page.url("connection", about)
    raise Http404
