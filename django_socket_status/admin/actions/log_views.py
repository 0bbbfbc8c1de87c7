"""The link of an entry in the admin's log, and the history of what it is about.

The views of Django for both would ask for a row of a table. These also answer for a
connection that is gone, and for an action whose numbers are not kept any more.
"""

from __future__ import annotations

import re

from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from django_socket_status.admin.actions.log import command_ids, entries_of
from django_socket_status.admin.page import Page

__all__ = ["change", "history"]

#: The most entries that are shown.
SHOWN = 200
_CONNECTION = re.compile(r"[0-9a-f]{16}-[0-9a-f]{1,14}")


def change(page: Page, object_id: str) -> HttpResponseBase:
    """Go to the page of a connection, or to the result of an action."""
    return HttpResponseRedirect(_url(page, unquote(object_id)))


def history(page: Page, object_id: str) -> HttpResponseBase:
    """Answer with the log of a connection, or of an action."""
    about = unquote(object_id)
    return page.render(
        "history.html",
        gettext("History: %(about)s") % {"about": about},
        is_action=bool(command_ids(about)),
        url=_url(page, about),
        entries=entries_of(about)[:SHOWN],
    )


def _url(page: Page, about: str) -> str:
    if command_ids(about):
        return page.url("command", about)
    if _CONNECTION.fullmatch(about):
        return page.url("connection", about)
    raise Http404
