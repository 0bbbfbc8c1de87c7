"""The overview: what is open, what needs attention, and what happened."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from django_socket_status.admin.figures import tables
from django_socket_status.admin.figures.attention import attention_to
from django_socket_status.admin.figures.details import LOOKED_AT
from django_socket_status.admin.figures.facts import Facts, read_facts
from django_socket_status.admin.figures.releases import closed_by_release
from django_socket_status.admin.figures.shared import shared_histories
from django_socket_status.admin.figures.state import notes_of
from django_socket_status.admin.figures.words import coverage_text
from django_socket_status.admin.page import Page
from django_socket_status.admin.plots.events import events_of
from django_socket_status.admin.plots.plots import plots_of, sparkline
from django_socket_status.admin.routes import Route
from django_socket_status.exceptions import NotKeptError, StatusUnavailableError
from django_socket_status.status.history import Histories
from django_socket_status.status.history_records import SPANS, HistoryBucket, Span

__all__ = ["ROUTES"]


def overview(page: Page) -> HttpResponseBase:
    """Answer with the overview."""
    facts = read_facts()
    span = _span(page)
    return page.render(
        "overview.html",
        _("WebSocket connections"),
        as_of=facts.as_of,
        now_url=page.url("now"),
        plots_url=page.url("plots", span=span),
        plots_html=SafeString(_plots_or_reason(page, span)),
        **now_context(page, facts),
    )


def now(page: Page) -> HttpResponse:
    """Answer with the part of the overview that changes with each report."""
    facts = read_facts()
    return page.live("overview_now.html", now_context(page, facts), facts.as_of)


def plots(page: Page) -> HttpResponse:
    """Answer with the plots of a span."""
    found = plots_html(page, _span(page))
    return page.live_text(found.html, found.as_of)


def now_context(page: Page, facts: Facts) -> dict[str, Any]:
    """Return what ``overview_now.html`` shows."""
    return {
        "facts": facts,
        "summary": facts.summary,
        "coverage": coverage_text(facts.summary.coverage),
        "notes": notes_of(facts, page.request),
        "attention": attention_to(page, facts),
        "spark": sparkline(facts.hour) if facts.hour else "",
        "peak": _peak(facts.hour.buckets) if facts.hour else None,
        "minute": facts.last_minute,
        "hour": facts.last_hour,
        "types": tables.type_rows(page, facts),
        "endpoints": tables.endpoint_rows(facts),
        "causes": tables.cause_rows(page, facts),
        "codes": tables.code_rows(page, facts),
        "rejected": tables.rejected_rows(page, facts),
        "closed_by_release": closed_by_release(page, facts),
        "totals": facts.totals,
        "workers": tables.worker_rows(page, facts),
        "releases": tables.release_rows(facts),
        "looked_at": LOOKED_AT,
    }


class Plots(NamedTuple):
    """The plots of a span, as HTML."""

    html: str
    as_of: datetime.datetime


def plots_html(page: Page, span: Span) -> Plots:
    """Return the plots of a span, rendered once for all who see the same."""
    context = {"span": span, "spans": _spans()}
    render = functools.partial(page.fragment, "overview_plots.html")
    try:
        shared = shared_histories(span)
    except NotKeptError:
        return Plots(render(context), timezone.now())
    key = (get_language(), timezone.get_current_timezone_name(), page.url("plots"))
    html = shared.text(
        key, lambda: render({**context, **_plots_context(shared.histories)})
    )
    return Plots(html, shared.as_of)


def _plots_or_reason(page: Page, span: Span) -> str:
    """Return the plots; during an outage, why there are none beside old numbers."""
    try:
        return plots_html(page, span).html
    except StatusUnavailableError:
        context = {"span": span, "spans": _spans(), "is_unavailable": True}
        return page.fragment("overview_plots.html", context)


def _plots_context(histories: Histories) -> dict[str, Any]:
    buckets = histories.total.buckets
    seconds = histories.total.bucket_seconds
    return {
        "is_kept": True,
        "plots": plots_of(histories),
        "events": events_of(histories.total.events),
        "has_samples": any(it.samples for it in buckets),
        "starts_at": buckets[0].starts_at,
        "ends_at": buckets[-1].starts_at + datetime.timedelta(seconds=seconds),
    }


def _span(page: Page) -> Span:
    given = page.request.GET.get("span", "")
    return given if given in SPANS else "1h"


def _spans() -> list[tuple[Span, str]]:
    texts = [_("1 hour"), _("6 hours"), _("1 day"), _("7 days")]
    return list(zip(SPANS, texts, strict=True))


def _peak(buckets: Sequence[HistoryBucket]) -> HistoryBucket | None:
    """Return the bucket with the highest peak; the first of several."""
    known = [it for it in buckets if it.open_peak is not None]
    return max(known, key=lambda it: it.open_peak or 0, default=None)


ROUTES: Sequence[Route] = (
    Route(name="changelist", path="", view=overview, needs=("view_status",)),
    Route(name="now", path="now/", view=now, needs=("view_status",)),
    Route(name="plots", path="plots/", view=plots, needs=("view_status",)),
)
