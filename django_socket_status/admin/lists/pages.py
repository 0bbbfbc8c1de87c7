"""The lists of open, closed and rejected connections, in pages."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_socket_status.admin.filters import LABEL_PREFIX, Filter, FilterError
from django_socket_status.admin.lists import links
from django_socket_status.admin.lists.cells import rows_of
from django_socket_status.admin.lists.choices import TITLES, fields_of
from django_socket_status.admin.lists.columns import chosen, columns_of, query_value
from django_socket_status.admin.lists.command_line import command_of
from django_socket_status.admin.lists.connection import connection
from django_socket_status.admin.lists.downloads import export
from django_socket_status.admin.lists.newer import newer_text, since_of
from django_socket_status.admin.page import Page
from django_socket_status.admin.routes import Route
from django_socket_status.services import SocketStatusService
from django_socket_status.status.answers import WorkerRecord
from django_socket_status.status.list_types import State
from django_socket_status.status.search import Found, Search, search
from django_socket_status.wording import number_text

__all__ = ["PAGE", "ROUTES"]

now = timezone.now

#: Connections on a page.
PAGE = 100

TITLE: Mapping[State, str | Promise] = {
    "open": gettext_lazy("Open connections"),
    "closed": gettext_lazy("Recently closed connections"),
    "rejected": gettext_lazy("Recently rejected connections"),
}


class _List:
    """One page of a list, and all that stands around it."""

    def __init__(self, page: Page, state: State) -> None:
        self.page, self.state = page, state
        query = page.request.GET
        self.filter = Filter.of(query, state)
        self.columns = chosen(query, state)
        self.cols = query_value(self.columns, state)

    @cached_property
    def workers(self) -> Mapping[str, WorkerRecord]:
        """Return the workers that report, by their ids."""
        return {it.worker_id: it for it in SocketStatusService.get_workers()}

    @cached_property
    def now(self) -> datetime.datetime:
        """Return the time of this page."""
        return now()

    def wanted(self) -> Search:
        """Return the search.

        Raises:
            FilterError: the filter is wrong.
        """
        return self.filter.search(lambda: [*self.workers.values()], self.now)

    def number(self, name: str) -> int:
        """Return a parameter of the page that is a number, 0 without one."""
        text = self.page.request.GET.get(name, "")
        return (
            int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
        )

    def url(self, **more: str | None) -> str:
        """Return the URL of this list with this filter and these columns."""
        query = self.filter.query(cols=self.cols, **more)
        return f"{self.page.url(self.state)}?{query}".removesuffix("?")


def _answer(state: State, page: Page) -> HttpResponseBase:
    """Answer with a page of a list, or with how many are newer."""
    shown, query = _List(page, state), page.request.GET
    if "apply" in query and not shown.filter.problems:
        # A form also sends its empty fields.
        return HttpResponseRedirect(shown.url())
    try:
        wanted = shown.wanted()
        found = None if "newer" in query else _found(shown, wanted)
    except FilterError as problem:
        return _wrong(shown, [*(shown.filter.problems or [str(problem)])])
    if found is None:
        return JsonResponse({"text": newer_text(wanted, shown.number("newer"))})
    return page.render("list.html", str(TITLE[state]), **_context(shown, wanted, found))


def _found(shown: _List, wanted: Search) -> Found:
    try:
        return search(wanted, PAGE, shown.page.request.GET.get("after") or None)
    except ValueError as error:
        raise FilterError(_("The place of this page is no longer valid.")) from error


def _wrong(shown: _List, problems: Sequence[str]) -> HttpResponseBase:
    context = {**_surroundings(shown), "problems": problems, "rows": ()}
    return shown.page.render(
        "list.html", str(TITLE[shown.state]), status=400, **context
    )


def _context(shown: _List, wanted: Search, found: Found) -> dict[str, Any]:
    seen = shown.number("seen") if "after" in shown.page.request.GET else 0
    since = shown.number("since") or since_of(found, shown.now)
    last = seen + len(found.records)
    after = found.next_place
    return {
        **_surroundings(shown, wanted.query.user_id),
        "has_workers": bool(shown.workers),
        "rows": rows_of(
            shown.page,
            shown.filter,
            shown.columns,
            found.records,
            shown.workers,
            shown.cols,
        ),
        "found": found,
        "counted": _counted(found, seen, last),
        "is_first": "after" not in shown.page.request.GET,
        "seen": seen,
        "next_url": after and shown.url(after=after, seen=str(last), since=str(since)),
        "newer_url": shown.url(newer=str(since)),
        "looked_at": found.looked_at,
    }


def _surroundings(shown: _List, user_id: str | None = None) -> dict[str, Any]:
    filter_, page = shown.filter, shown.page
    query = filter_.query()
    return {
        "state": shown.state,
        "columns": shown.columns,
        "column_choices": _column_choices(shown),
        "fields": fields_of(filter_, shown.workers),
        "chips": _chips(shown),
        "first_url": shown.url(),
        "list_url": page.url(shown.state),
        "all_url": page.url(
            shown.state, **({"cols": shown.cols} if shown.cols else {})
        ),
        "filter_query": query,
        "is_filtered": not filter_.is_empty,
        "command": command_of(filter_, shown.columns, user_id),
        "exports": {
            it: f"{page.url('export')}?{filter_.query(state=shown.state, format=it)}"
            for it in ("csv", "json")
        },
        "disconnect_url": shown.state == "open" and links.disconnect_url(page),
    }


def _column_choices(shown: _List) -> Sequence[tuple[Any, bool]]:
    names = {it.name for it in shown.columns}
    listed = columns_of(shown.state)
    labels = [it for it in shown.columns if it.name.startswith(LABEL_PREFIX)]
    return [(it, it.name in names) for it in (*listed, *labels)]


def _chips(shown: _List) -> Sequence[tuple[str, str, str]]:
    """Return what is filtered: name, value, and the URL of the list without it."""
    found = []
    filter_, url = shown.filter, shown.page.url(shown.state)
    for name, value in filter_.parameters.items():
        title = TITLES.get(name) or name.removeprefix(LABEL_PREFIX)
        query = filter_.without(name, cols=shown.cols)
        found.append((str(title), value, f"{url}?{query}"))
    return found


def _counted(found: Found, seen: int, last: int) -> str:
    """Return how many are shown, of how many: exact, or at least."""
    total = found.total
    if total is None and found.next_place is None:
        total = last
    if total is None:
        text = _("%(first)s to %(last)s of at least %(total)s")
        total = last if found.looked_at is not None else last + 1
    else:
        text = _("%(first)s to %(last)s of %(total)s")
    if not found.records:
        return ngettext("%(total)s connection", "%(total)s connections", total) % {
            "total": number_text(total)
        }
    return text % {
        "first": number_text(seen + 1),
        "last": number_text(last),
        "total": number_text(max(total, last)),
    }


ROUTES: Sequence[Route] = (
    *(
        Route(
            name=state,
            path=f"{state}/",
            view=functools.partial(_answer, state),
            needs=("view_connection",),
        )
        for state in TITLE
    ),
    Route(
        name="connection",
        path="connection/<str:connection_id>/",
        view=connection,
        needs=("view_connection",),
    ),
    Route(name="export", path="export/", view=export, needs=("view_connection",)),
)
